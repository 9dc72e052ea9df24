//! OffsetForLeaderEpoch: where leader epochs ended.
//!
//! - 2: leader epoch, to be fenced by. 3: the follower that asks. 4: flexible.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    OffsetForLeaderEpoch: OffsetForLeaderEpochRequest<'a> => OffsetForLeaderEpochResponse<'r>;
}

message! {
    /// Asks where leader epochs ended, to find what was cut off a log.
    pub struct OffsetForLeaderEpochRequest<'a> {
        /// The follower that asks; -1 for a consumer, -2 for debugging.
        3+  replica_id: i32 [ignorable] = -2;
        0+  topics: Vec<OffsetForLeaderTopic<'a>>;
    }

    /// A topic.
    pub struct OffsetForLeaderTopic<'a> {
        0+  topic: &'a str;
        0+  partitions: Vec<OffsetForLeaderPartition>;
    }

    /// A partition and the epoch.
    pub struct OffsetForLeaderPartition {
        0+  partition: i32;
        /// The leader epoch that the client knows, to be fenced by; -1 for none.
        2+  current_leader_epoch: i32 [ignorable] = -1;
        /// The epoch whose end is asked for.
        0+  leader_epoch: i32;
    }

    /// Where the epochs ended.
    pub struct OffsetForLeaderEpochResponse<'a> {
        2+  throttle_time_ms: i32 [ignorable];
        0+  topics: Vec<OffsetForLeaderTopicResult<'a>>;
    }

    /// A topic.
    pub struct OffsetForLeaderTopicResult<'a> {
        0+  topic: &'a str;
        0+  partitions: Vec<EpochEndOffset>;
    }

    /// A partition and the end of the epoch.
    pub struct EpochEndOffset {
        0+  error_code: ErrorCode;
        0+  partition: i32;
        /// The largest epoch up to the one asked for that the log has; -1 for none.
        1+  leader_epoch: i32 [ignorable] = -1;
        /// The offset after its last record; -1 for none.
        0+  end_offset: i64 = -1;
    }
}
