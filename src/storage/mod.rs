//! Storage: one core's partitions on its disk.

mod arena;
mod checkpoint;
mod commit;
mod counters;
mod index_cache;
mod journal;
mod log;
mod lookup;
mod materialise;
pub mod names;
mod producers;
mod ranges;
mod reader;
pub mod recovery;
mod retention;
mod seal;
mod search;
mod segment;
mod shutdown;
#[cfg(test)]
mod simulation;
mod slab;
mod space;
mod stage;
mod store;
mod supply;
mod tail;
mod task;
mod trash;

pub use counters::{Counters, Latencies};
pub use journal::JournalConfig;
pub use log::LogId;
pub use producers::SequenceError;
pub use reader::{Cursor, Data, Found, From, Piece, Read, ReadError, ReadId};
pub use recovery::RecoveredLog;
pub use search::{Search, Target};
pub use stage::{Appended, Refusal};
pub use store::{Event, LogStatus, Store, StoreConfig};
