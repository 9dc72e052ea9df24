//! The server: from a configuration to a process that serves, and to its end.
//!
//! ```text
//! main thread        lock ─> probe ─> listen ─> recover ─> start cores ─> "ready" ─> signals ─> stop
//! core 0             mail, tick, accept, keeper of the catalog
//! core 1 ..          mail, tick
//! ```
//! Recovery runs on a disk of its own, before any core exists. Until every core is ready nothing is
//! printed on standard output, and connections wait in the kernel's queue.
//!
//! A first SIGTERM or SIGINT stops cleanly: what was accepted is finished and answered, segments are
//! written, a checkpoint made. A second one ends the process at once; what was acknowledged is
//! durable all the same.

mod catalog_file;
mod core;
mod data_dir;
mod error;
mod keeper;
mod listen;
mod recover;
mod signals;
mod start;
mod threads;

pub use error::ServerError;
pub use recover::accept_loss;
pub use start::run;
