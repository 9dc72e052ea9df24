//! DescribeTopicPartitions: topics and their partitions, a page at a time.
//!
//! - 0: the one version there is.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DescribeTopicPartitions:
        DescribeTopicPartitionsRequest<'a> => DescribeTopicPartitionsResponse<'r>;
}

message! {
    /// Asks for topics and their partitions, a page at a time.
    pub struct DescribeTopicPartitionsRequest<'a> {
        /// An empty list asks for every topic.
        0+  topics: Vec<TopicRequest<'a>>;
        /// Partitions in all that the response may have.
        0+  response_partition_limit: i32 = 2000;
        /// A response's `next_cursor`, to go on from there.
        0+  cursor: Option<Cursor<'a>>;
    }

    /// A topic.
    pub struct TopicRequest<'a> {
        0+  name: &'a str;
    }

    /// The partition where a page begins.
    pub struct Cursor<'a> {
        0+  topic_name: &'a str;
        0+  partition_index: i32;
    }

    /// A page.
    pub struct DescribeTopicPartitionsResponse<'a> {
        0+  throttle_time_ms: i32 [ignorable];
        0+  topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>;
        /// Where to go on; None at the end.
        0+  next_cursor: Option<Cursor<'a>>;
    }

    /// A topic.
    pub struct DescribeTopicPartitionsResponseTopic<'a> {
        0+  error_code: ErrorCode;
        0+  name: Option<&'a str>;
        0+  topic_id: TopicId [ignorable];
        0+  is_internal: bool [ignorable];
        0+  partitions: Vec<DescribeTopicPartitionsResponsePartition>;
        0+  topic_authorized_operations: i32 = i32::MIN;
    }

    /// A partition.
    pub struct DescribeTopicPartitionsResponsePartition {
        0+  error_code: ErrorCode;
        0+  partition_index: i32;
        0+  leader_id: i32;
        0+  leader_epoch: i32 [ignorable] = -1;
        /// The nodes that hold the partition.
        0+  replica_nodes: Vec<i32>;
        /// Those of the replicas that are in sync with the leader.
        0+  isr_nodes: Vec<i32>;
        /// Replicas that could lead without loss; None where that is not kept.
        0+  eligible_leader_replicas: Option<Vec<i32>>;
        /// Replicas that led last; None where that is not kept.
        0+  last_known_elr: Option<Vec<i32>>;
        /// Those of the replicas that are down.
        0+  offline_replicas: Vec<i32> [ignorable];
    }
}
