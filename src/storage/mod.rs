//! Storage: one core's partitions on its disk, as a state machine that never waits.
//!
//! ```text
//!             stage          commit            materialise         seal
//! a batch ──> arena, tail ──> journal ──ack──> segment's file ──> exact length, indexes
//!                                │                  │
//!                                └── checkpoint ────┘   journal files are free again
//! ```
//!
//! What holds at every step, in offsets and in bytes:
//!
//! - `materialised <= durable <= next`. Only `commit` moves *durable*; nothing is acknowledged or
//!   read at or past it.
//! - A block that holds something acknowledged is rewritten only with the same bytes and more
//!   behind them, and only while the journal has them.
//! - A journal file is free once a checkpoint that does without it is on stable storage.
//! - Bytes of a segment past the recovery point are no evidence: recovery writes them again. What
//!   skips the journal is the exception: the journal has its batches' headers.
//!
//! | files | what they are |
//! |---|---|
//! | `store` `task` `completions` `slab` | the state machine, its operations in flight, its logs |
//! | `log` `segment` `tail` `arena` `producers` | a partition, and its bytes in memory |
//! | `stage` `space` | a batch gets its offset, or a refusal that leaves no trace |
//! | `commit` `journal` `extent` | one group, one moment; big runs go straight to their segment |
//! | `materialise` `seal` `checkpoint` `shutdown` | behind the acknowledgement |
//! | `reader` `read_job` `supply` `readahead` `lookup` `search` `index_cache` `ranges` | reading, by offset and by time |
//! | `retention` `trash` | giving up old segments and deleted partitions |
//! | [`recovery`] | from what a crash left to logs that can be served |
//! | [`names`] | where everything lies |

/// Whether a guarantee is broken on purpose, for the tests of the tests: see `simulation/canary.rs`.
#[cfg(not(test))]
macro_rules! canary {
    ($which:ident $(, $when:expr)?) => {
        false
    };
}

#[cfg(test)]
macro_rules! canary {
    ($which:ident $(, $when:expr)?) => {{
        use $crate::storage::simulation::canary;
        canary::is_set(canary::Canary::$which) $(&& $when)?
    }};
}

mod arena;
mod checkpoint;
mod commit;
mod completions;
mod counters;
mod extent;
mod index_cache;
mod journal;
mod log;
mod lookup;
mod materialise;
pub mod names;
mod producers;
mod ranges;
mod read_job;
mod readahead;
mod reader;
mod rebuild;
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
