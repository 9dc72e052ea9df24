//! OffsetCommit: keeps how far a group has read.
//!
//! - 2 to 4: a retention time. 3: throttle time. 6: leader epochs. 7: static members. 8: flexible.
//! - 9: the next group protocol may use it, and an unknown group gets GROUP_ID_NOT_FOUND.
//! - 10: topics go by id.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    OffsetCommit: OffsetCommitRequest<'a> => OffsetCommitResponse<'r>;
}

message! {
    /// Keeps how far a group has read.
    pub struct OffsetCommitRequest<'a> {
        0+   group_id: &'a str;
        /// -1 for a commit from outside the group.
        1+   generation_id_or_member_epoch: i32 [ignorable] = -1;
        1+   member_id: &'a str [ignorable];
        /// The name of a static member.
        7+   group_instance_id: Option<&'a str>;
        /// How long to keep the offsets; -1 for the broker's setting.
        2-4  retention_time_ms: i64 [ignorable] = -1;
        0+   topics: Vec<OffsetCommitRequestTopic<'a>>;
    }

    /// A topic.
    pub struct OffsetCommitRequestTopic<'a> {
        0-9  name: &'a str [ignorable];
        10+  topic_id: TopicId [ignorable];
        0+   partitions: Vec<OffsetCommitRequestPartition<'a>>;
    }

    /// A partition and the next offset to read.
    pub struct OffsetCommitRequestPartition<'a> {
        0+  partition_index: i32;
        0+  committed_offset: i64;
        /// The epoch of the last record consumed; -1 for unknown.
        6+  committed_leader_epoch: i32 [ignorable] = -1;
        /// The client's own words beside the offset.
        0+  committed_metadata: Option<&'a str>;
    }

    /// What was kept.
    pub struct OffsetCommitResponse<'a> {
        3+  throttle_time_ms: i32 [ignorable];
        0+  topics: Vec<OffsetCommitResponseTopic<'a>>;
    }

    /// A topic.
    pub struct OffsetCommitResponseTopic<'a> {
        0-9  name: &'a str [ignorable];
        10+  topic_id: TopicId [ignorable];
        0+   partitions: Vec<OffsetCommitResponsePartition>;
    }

    /// A partition.
    pub struct OffsetCommitResponsePartition {
        0+  partition_index: i32;
        0+  error_code: ErrorCode;
    }
}
