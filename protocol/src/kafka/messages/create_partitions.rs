//! CreatePartitions: adds partitions to topics.
//!
//! - 2: flexible. 3: THROTTLING_QUOTA_EXCEEDED as an error.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    CreatePartitions: CreatePartitionsRequest<'a> => CreatePartitionsResponse<'r>;
}

message! {
    /// Adds partitions to topics.
    pub struct CreatePartitionsRequest<'a> {
        0+  topics: Vec<CreatePartitionsTopic<'a>>;
        /// How long to wait for the partitions to be made.
        0+  timeout_ms: i32;
        /// Whether to check only, and change nothing.
        0+  validate_only: bool;
    }

    /// A topic.
    pub struct CreatePartitionsTopic<'a> {
        0+  name: &'a str;
        /// How many there shall be in all.
        0+  count: i32;
        /// Where the new replicas shall be; None to leave that to the broker.
        0+  assignments: Option<Vec<CreatePartitionsAssignment>>;
    }

    /// The brokers that shall hold a new partition.
    pub struct CreatePartitionsAssignment {
        0+  broker_ids: Vec<i32>;
    }

    /// What was added.
    pub struct CreatePartitionsResponse<'a> {
        0+  throttle_time_ms: i32;
        0+  results: Vec<CreatePartitionsTopicResult<'a>>;
    }

    /// A topic.
    pub struct CreatePartitionsTopicResult<'a> {
        0+  name: &'a str;
        0+  error_code: ErrorCode;
        0+  error_message: Option<&'a str>;
    }
}
