//! Finding offsets, removing records below one, and the positions of named consumers.
//!
//! Finding and removing go to the partition's handle; positions go to any core, which forwards them.

use super::Empty;
use crate::native::field::{Field, calls, message};
use crate::wire::{Reader, WireError, Writer};

/// Which offset is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The first there is.
    #[default]
    Earliest,
    /// The durable end: the offset the next durable record will have.
    Latest,
    /// The first record with this timestamp or a later one, in ms since 1970.
    Timestamp(i64),
    /// The record with the largest timestamp.
    MaxTimestamp,
}

/// `u8 kind, i64 timestamp`; the timestamp is 0 where it says nothing.
impl Field for OffsetQuery {
    const MIN_LEN: usize = 9;

    fn put<W: Writer>(&self, out: &mut W) {
        let (kind, timestamp) = match *self {
            OffsetQuery::Earliest => (0, 0),
            OffsetQuery::Latest => (1, 0),
            OffsetQuery::Timestamp(timestamp_ms) => (2, timestamp_ms),
            OffsetQuery::MaxTimestamp => (3, 0),
        };
        out.put_u8(kind);
        out.put_i64_le(timestamp);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        match (from.u8()?, from.i64_le()?) {
            (0, 0) => Ok(OffsetQuery::Earliest),
            (1, 0) => Ok(OffsetQuery::Latest),
            (2, timestamp_ms) => Ok(OffsetQuery::Timestamp(timestamp_ms)),
            (3, 0) => Ok(OffsetQuery::MaxTimestamp),
            _ => Err(before.error("an unknown kind of offset query")),
        }
    }
}

message! {
    /// Asks the header's handle for an offset.
    pub struct FindOffset {
        /// Which one.
        pub query: OffsetQuery,
    }

    /// The offset found.
    pub struct FindOffsetAnswer {
        /// The offset; -1 if there is no such record.
        pub offset: i64,
        /// That record's timestamp in ms; -1 if there is none, or none was asked about.
        pub timestamp_ms: i64,
    }

    /// Removes records from the header's handle.
    pub struct DeleteRecords {
        /// Everything below goes; -1 for everything durable.
        pub before: i64,
    }

    /// Durable.
    pub struct DeleteRecordsAnswer {
        /// The first offset there is now.
        pub log_start: i64,
    }

    /// Stores positions of a named consumer: all of them, durable, or none.
    pub struct CommitOffsets {
        /// The consumer's name.
        pub group: String,
        /// Its positions.
        pub offsets: Vec<CommittedOffset>,
    }

    /// A consumer's position in one partition.
    pub struct CommittedOffset {
        /// The topic.
        pub topic: String,
        /// The partition.
        pub partition: u32,
        /// The offset to go on with.
        pub offset: i64,
        /// The consumer's own words.
        pub metadata: String,
    }

    /// Asks for positions of a named consumer.
    pub struct FetchOffsets {
        /// The consumer's name.
        pub group: String,
        /// Which partitions; none means all there are positions for.
        pub partitions: Option<Vec<TopicPartition>>,
    }

    /// A partition by name.
    pub struct TopicPartition {
        /// The topic.
        pub topic: String,
        /// The partition.
        pub partition: u32,
    }

    /// The positions there are; partitions without one are left out.
    pub struct FetchOffsetsAnswer {
        /// In the order asked for, or by topic and partition.
        pub offsets: Vec<CommittedOffset>,
    }
}

calls! {
    FindOffset => FindOffsetAnswer;
    DeleteRecords => DeleteRecordsAnswer;
    CommitOffsets => Empty;
    FetchOffsets => FetchOffsetsAnswer;
}
