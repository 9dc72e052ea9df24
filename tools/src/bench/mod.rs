//! The instrument: what Duramen does a second, and how long it takes, beside what the machine does
//! with nothing in between.
//!
//! Every result stands beside its limit, taken in the same run on the same processors and the same
//! disk, because nothing else can be compared: a virtual machine's disk is twice as fast an hour
//! later. Server and load are pinned to processors of their own. The server is a child of the
//! running executable, unless one is named.
//!
//! ```text
//! limits  produce  latency ...      a command each: its options, its runs, its rows
//! session   server   beside         what they share: folder and results, the server, the limits
//! target                            the server as a protocol reaches it: topics, owners, ends
//! load    lone    payload pacing    the load: many producers, a single one, batches, an even rate
//! kafka                             the load over Kafka's protocol
//! bare    direct                    the machine alone: disk, round trips, streams, memory
//! wire    times   process   cpus    a connection, histograms, /proc, processors
//! report                            rows, their table, JSON, logs of histograms
//! ```
//!
//! What makes a figure worth believing:
//! - It is a median of several runs, and its spread stands beside it.
//! - A run fails, loudly, when the server dies, refuses, is silent, or when what was acknowledged
//!   and what is there do not add up to the record.
//! - Latency counts from when a record was *due*: at a rate a stall is counted for each record that
//!   it delays, not for the one that noticed it.
//! - The load sends batches that were made before, so that it is not what the server waits for.

pub mod all;
mod bare;
mod beside;
pub mod connections;
pub mod consume;
mod cpus;
mod direct;
mod error;
pub mod fanout;
mod fill;
mod folder;
mod kafka;
pub mod latency;
pub mod limits;
mod litter;
mod load;
mod lone;
mod pacing;
pub mod partitions;
mod payload;
pub mod plot;
mod process;
pub mod produce;
mod progress;
mod real_client;
pub mod recovery;
mod report;
mod segments;
mod server;
mod session;
mod slow_disk;
mod target;
mod times;
mod wire;

pub use cpus::Cpus;
pub use error::BenchError;
pub use litter::clear;
pub use load::dialect::Acks;
pub use payload::Content;
pub use session::Setup;
pub use target::Protocol;
