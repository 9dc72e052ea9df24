//! OffsetFetch: how far groups have read.
//!
//! - 2: null asks for all topics; an error for the whole. 5: leader epochs. 6: flexible.
//! - 7: offsets of open transactions can be declined. 8: several groups at once, in own fields.
//! - 9: the next group protocol may use it. 10: topics go by id.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    OffsetFetch: OffsetFetchRequest<'a> => OffsetFetchResponse<'r>;
}

message! {
    /// Asks how far groups have read: up to version 7 one group, then several.
    pub struct OffsetFetchRequest<'a> {
        0-7  group_id: &'a str;
        /// None for all that have offsets.
        0-7  topics: Option<Vec<OffsetFetchRequestTopic<'a>>> [nullable 2+];
        8+   groups: Vec<OffsetFetchRequestGroup<'a>>;
        /// Whether a partition with offsets of an open transaction gets an error.
        7+   require_stable: bool;
    }

    /// A topic, up to version 7.
    pub struct OffsetFetchRequestTopic<'a> {
        0-7  name: &'a str;
        0-7  partition_indexes: Vec<i32>;
    }

    /// A group.
    pub struct OffsetFetchRequestGroup<'a> {
        8+  group_id: &'a str;
        9+  member_id: Option<&'a str> [ignorable];
        /// -1 from outside the group.
        9+  member_epoch: i32 [ignorable] = -1;
        /// None for all that have offsets.
        8+  topics: Option<Vec<OffsetFetchRequestTopics<'a>>>;
    }

    /// A topic, from version 8 on.
    pub struct OffsetFetchRequestTopics<'a> {
        8-9  name: &'a str [ignorable];
        10+  topic_id: TopicId [ignorable];
        8+   partition_indexes: Vec<i32>;
    }

    /// How far the groups have read.
    pub struct OffsetFetchResponse<'a> {
        3+   throttle_time_ms: i32 [ignorable];
        0-7  topics: Vec<OffsetFetchResponseTopic<'a>>;
        2-7  error_code: ErrorCode [ignorable];
        8+   groups: Vec<OffsetFetchResponseGroup<'a>>;
    }

    /// A topic, up to version 7.
    pub struct OffsetFetchResponseTopic<'a> {
        0-7  name: &'a str;
        0-7  partitions: Vec<OffsetFetchResponsePartition<'a>>;
    }

    /// A partition, up to version 7.
    pub struct OffsetFetchResponsePartition<'a> {
        0-7  partition_index: i32;
        /// -1 for none.
        0-7  committed_offset: i64;
        /// The epoch of the last record consumed; -1 for unknown.
        5-7  committed_leader_epoch: i32 [ignorable] = -1;
        /// The client's own words beside the offset.
        0-7  metadata: Option<&'a str>;
        0-7  error_code: ErrorCode;
    }

    /// A group.
    pub struct OffsetFetchResponseGroup<'a> {
        8+  group_id: &'a str;
        8+  topics: Vec<OffsetFetchResponseTopics<'a>>;
        8+  error_code: ErrorCode;
    }

    /// A topic, from version 8 on.
    pub struct OffsetFetchResponseTopics<'a> {
        8-9  name: &'a str [ignorable];
        10+  topic_id: TopicId [ignorable];
        8+   partitions: Vec<OffsetFetchResponsePartitions<'a>>;
    }

    /// A partition, from version 8 on.
    pub struct OffsetFetchResponsePartitions<'a> {
        8+  partition_index: i32;
        /// -1 for none.
        8+  committed_offset: i64;
        /// The epoch of the last record consumed; -1 for unknown.
        8+  committed_leader_epoch: i32 [ignorable] = -1;
        /// The client's own words beside the offset.
        8+  metadata: Option<&'a str>;
        8+  error_code: ErrorCode;
    }
}
