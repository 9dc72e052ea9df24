//! ListOffsets: finds offsets by time, or the ends of partitions.
//!
//! - 2: isolation level. 4: leader epochs. 6: flexible. 7: by the largest timestamp (-3).
//! - 8: the local start (-4). 9: the last tiered offset (-5). 10: a timeout for remote storage.
//! - 11: the first offset that is not yet tiered (-6).

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    ListOffsets: ListOffsetsRequest<'a> => ListOffsetsResponse<'r>;
}

message! {
    /// Asks where in partitions a time or an end is.
    pub struct ListOffsetsRequest<'a> {
        /// The follower that asks; -1 for a consumer.
        0+   replica_id: i32;
        /// 0: all records are seen; 1: those of open transactions are not.
        2+   isolation_level: i8;
        0+   topics: Vec<ListOffsetsTopic<'a>>;
        /// How long to wait for remote storage.
        10+  timeout_ms: i32 [ignorable];
    }

    /// A topic.
    pub struct ListOffsetsTopic<'a> {
        0+  name: &'a str;
        0+  partitions: Vec<ListOffsetsPartition>;
    }

    /// A partition and what is asked of it.
    pub struct ListOffsetsPartition {
        0+  partition_index: i32;
        /// The leader epoch that the client knows, to be fenced by; -1 for none.
        4+  current_leader_epoch: i32 [ignorable] = -1;
        /// A time in milliseconds, or what to look for instead: -1 the end, -2 the start, -3 the
        /// record of the largest timestamp, -4 the local start, -5 and -6 the end of what is tiered
        /// and the start of what is not.
        0+  timestamp: i64;
    }

    /// The offsets.
    pub struct ListOffsetsResponse<'a> {
        2+  throttle_time_ms: i32 [ignorable];
        0+  topics: Vec<ListOffsetsTopicResponse<'a>>;
    }

    /// A topic.
    pub struct ListOffsetsTopicResponse<'a> {
        0+  name: &'a str;
        0+  partitions: Vec<ListOffsetsPartitionResponse>;
    }

    /// A partition and the offset found.
    pub struct ListOffsetsPartitionResponse {
        0+  partition_index: i32;
        0+  error_code: ErrorCode;
        /// That of the record found; -1 for none.
        1+  timestamp: i64 = -1;
        /// -1 if there is no such record.
        1+  offset: i64 = -1;
        /// That of the record found; -1 for none.
        4+  leader_epoch: i32 = -1;
    }
}
