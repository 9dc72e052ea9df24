//! The files of a partition, in Kafka's own formats, byte for byte.
//!
//! Everything here turns bytes into values and back; nobody here opens a file. A partition is a
//! folder `<topic>-<partition>`; each segment of it is a set of files that share a name, the
//! offset of the segment's first record in 20 digits:
//!
//! | file | what is in it | module |
//! |---|---|---|
//! | `*.log` | batches, one after another | [`crate::batch`] |
//! | `*.index` | offset to position | `offset_index` |
//! | `*.timeindex` | timestamp to offset | `time_index` |
//! | `*.txnindex` | aborted transactions | `txn_index` |
//! | `*.snapshot` | the producers' state up to the offset in the name | `producer_snapshot` |
//! | `leader-epoch-checkpoint` | where each leader epoch starts | `leader_epochs` |
//! | `partition.metadata` | the topic's id | `partition_metadata` |

//!
//! Beside them stand the files that are Duramen's alone, under `.duramen/`: [`catalog`],
//! [`checkpoint`] and [`journal`].

pub mod catalog;
pub mod checkpoint;
pub mod journal;
pub mod topic_id;
