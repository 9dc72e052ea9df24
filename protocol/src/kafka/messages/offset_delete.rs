//! OffsetDelete: offsets of a group go, for topics that it does not subscribe to.
//!
//! - 0: the one version there is, and not flexible.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    OffsetDelete: OffsetDeleteRequest<'a> => OffsetDeleteResponse<'r>;
}

message! {
    /// Removes offsets of a group.
    pub struct OffsetDeleteRequest<'a> {
        0+  group_id: &'a str;
        0+  topics: Vec<OffsetDeleteRequestTopic<'a>>;
    }

    /// A topic.
    pub struct OffsetDeleteRequestTopic<'a> {
        0+  name: &'a str;
        0+  partitions: Vec<OffsetDeleteRequestPartition>;
    }

    /// A partition.
    pub struct OffsetDeleteRequestPartition {
        0+  partition_index: i32;
    }

    /// What was removed.
    pub struct OffsetDeleteResponse<'a> {
        0+  error_code: ErrorCode;
        0+  throttle_time_ms: i32 [ignorable];
        0+  topics: Vec<OffsetDeleteResponseTopic<'a>>;
    }

    /// A topic.
    pub struct OffsetDeleteResponseTopic<'a> {
        0+  name: &'a str;
        0+  partitions: Vec<OffsetDeleteResponsePartition>;
    }

    /// A partition.
    pub struct OffsetDeleteResponsePartition {
        0+  partition_index: i32;
        0+  error_code: ErrorCode;
    }
}
