//! CreateTopics: makes topics.
//!
//! - 4: -1 for the broker's default of partitions and replicas. 5: flexible; the response tells the
//!   configuration. 6: THROTTLING_QUOTA_EXCEEDED as an error. 7: topic ids.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    CreateTopics: CreateTopicsRequest<'a> => CreateTopicsResponse<'r>;
}

message! {
    /// Makes topics.
    pub struct CreateTopicsRequest<'a> {
        0+  topics: Vec<CreatableTopic<'a>>;
        /// How long to wait for the topics to be made.
        0+  timeout_ms: i32 = 60000;
        /// Whether to check only, and change nothing.
        1+  validate_only: bool;
    }

    /// A topic to be made.
    pub struct CreatableTopic<'a> {
        0+  name: &'a str;
        /// -1 for the broker's default, or with assignments.
        0+  num_partitions: i32;
        /// -1 for the broker's default, or with assignments.
        0+  replication_factor: i16;
        /// Where the replicas shall be; empty to leave that to the broker.
        0+  assignments: Vec<CreatableReplicaAssignment>;
        0+  configs: Vec<CreatableTopicConfig<'a>>;
    }

    /// The brokers that shall hold a partition.
    pub struct CreatableReplicaAssignment {
        0+  partition_index: i32;
        0+  broker_ids: Vec<i32>;
    }

    /// What differs from the broker's defaults.
    pub struct CreatableTopicConfig<'a> {
        0+  name: &'a str;
        0+  value: Option<&'a str>;
    }

    /// What was made.
    pub struct CreateTopicsResponse<'a> {
        2+  throttle_time_ms: i32 [ignorable];
        0+  topics: Vec<CreatableTopicResult<'a>>;
    }

    /// A topic.
    pub struct CreatableTopicResult<'a> {
        0+  name: &'a str;
        7+  topic_id: TopicId [ignorable];
        0+  error_code: ErrorCode;
        1+  error_message: Option<&'a str> [ignorable];
        /// Why there are no `configs`.
        5+  topic_config_error_code: ErrorCode [tag 0, ignorable];
        /// -1 for unknown.
        5+  num_partitions: i32 [ignorable] = -1;
        /// -1 for unknown.
        5+  replication_factor: i16 [ignorable] = -1;
        /// Every configuration of the topic, as it was made.
        5+  configs: Option<Vec<CreatableTopicConfigs<'a>>> [ignorable];
    }

    /// A configuration of a topic that was made.
    pub struct CreatableTopicConfigs<'a> {
        5+  name: &'a str;
        5+  value: Option<&'a str>;
        5+  read_only: bool;
        /// 1: topic, 2: one broker, 3: all brokers, 4: the file, 5: default; -1: unknown.
        5+  config_source: i8 [ignorable] = -1;
        5+  is_sensitive: bool;
    }
}
