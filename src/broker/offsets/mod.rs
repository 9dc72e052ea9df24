//! The positions of named consumers, which are the committed offsets of Kafka's groups.
//!
//! They lie in the internal topic `__consumer_offsets`, in Kafka's own records ([`records`]), a
//! group's all in one partition ([`super::placement::partition_for_group`]). Whoever owns such a
//! partition holds an [`OffsetTable`] of it. The table never touches the log; it hands out
//! [`Plan`]s, batches to append, and is told what came of them:
//!
//! ```text
//!   commit ──► Plan ──► appended? ──yes──► staged(plan, base offset, length)
//!   sweep  ──►           │                        │
//!   snapshot ─►          no: forget the plan      ▼
//!                                          each tick: advance(durable end) ──► new log start
//! ```
//!
//! - A commit is shown by [`OffsetTable::fetch`] from the `advance` on that makes it durable, and
//!   answered after it.
//! - Plans are appended in the order in which they are staged, each before the next is asked for.
//! - At start every batch from the log's start to its end is given to [`OffsetTable::replay`];
//!   the table is then what the durable log says.
//! - Memory is bounded: what a commit would add beyond [`limits::OFFSET_TABLE_BYTES_MAX`] is
//!   refused. The log is bounded too, by snapshots: `compaction`.
//!
//! An offset belongs to the topic that had the name when it was committed. Of a topic that was
//! deleted, or deleted and made again, offsets are not shown, and the next sweep removes them.
//!
//! Records of other kinds are kept as bytes, the newest of each key: a snapshot writes them too, so
//! that a log which newer software has written loses nothing. Among them are those of groups with
//! members, which [`super::groups`] understands.
//!
//! [`limits::OFFSET_TABLE_BYTES_MAX`]: crate::limits::OFFSET_TABLE_BYTES_MAX

mod commit;
mod compaction;
mod groups;
mod plan;
pub mod records;
mod staged_map;
mod table;

pub use crate::config::groups::OFFSETS_RETENTION_MS;
pub use commit::{CommitOffset, check_commit, check_group};
pub use plan::{InvalidLog, Plan};
pub use records::{OffsetKey, OffsetValue};
pub use table::{OffsetAge, OffsetTable, Swept};
