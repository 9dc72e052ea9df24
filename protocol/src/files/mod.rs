//! The files of a partition, in Kafka's own formats, byte for byte.
//!
//! Everything here turns bytes into values and back; nobody here opens a file. A partition is a
//! folder `<topic>-<partition>`; each segment of it is a set of files that share a name, the
//! offset of the segment's first record in 20 digits:
//!
//! | file | what is in it | module |
//! |---|---|---|
//! | `*.log` | batches, one after another | [`crate::batch`] |
//! | `*.index` | offset to position | [`offset_index`] |
//! | `*.timeindex` | timestamp to offset | [`time_index`] |
//! | `*.txnindex` | aborted transactions | [`txn_index`] |
//! | `*.snapshot` | the producers' state before the offset in the name | [`producer_snapshot`] |
//! | `leader-epoch-checkpoint` | where each leader epoch starts | [`leader_epochs`] |
//! | `partition.metadata` | the topic's id | [`partition_metadata`] |
//!
//! [`index_builder`] decides which batches get an entry in the two indexes; the names are made and
//! read by [`segment`] and [`partition_folder`].
//!
//! Beside them stand the files that are Duramen's alone, under `.duramen/`: [`catalog`],
//! [`checkpoint`] and [`journal`].

pub mod catalog;
pub mod checkpoint;
pub mod index_builder;
pub mod journal;
pub mod leader_epochs;
pub mod offset_index;
pub mod partition_folder;
pub mod partition_metadata;
pub mod producer_snapshot;
pub mod segment;
pub mod sparse_index;
pub mod time_index;
pub mod topic_id;
pub mod txn_index;

use crate::wire::WireError;

/// Why bytes are not what a file of a partition should hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A value is missing or makes no sense.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Another version of the format.
    #[error("version {found} where only {known} is known")]
    Version {
        /// What the file says.
        found: i64,
        /// What can be read here.
        known: i64,
    },
    /// The bytes are not those that were checksummed.
    #[error("CRC {computed:08x} where the file says {stored:08x}")]
    Crc {
        /// What the file says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A text file's line is missing or makes no sense.
    #[error("line {line}: {what}")]
    Line {
        /// Which line, counted from 1.
        line: usize,
        /// What was expected.
        what: &'static str,
    },
}
