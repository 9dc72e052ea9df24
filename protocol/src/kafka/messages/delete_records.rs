//! DeleteRecords: removes the oldest records of partitions.
//!
//! - 2: flexible.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DeleteRecords: DeleteRecordsRequest<'a> => DeleteRecordsResponse<'r>;
}

message! {
    /// Removes the oldest records of partitions.
    pub struct DeleteRecordsRequest<'a> {
        0+  topics: Vec<DeleteRecordsTopic<'a>>;
        /// How long to wait for the records to go.
        0+  timeout_ms: i32;
    }

    /// A topic.
    pub struct DeleteRecordsTopic<'a> {
        0+  name: &'a str;
        0+  partitions: Vec<DeleteRecordsPartition>;
    }

    /// A partition and where it shall begin.
    pub struct DeleteRecordsPartition {
        0+  partition_index: i32;
        /// The first to keep; -1 to keep none.
        0+  offset: i64;
    }

    /// Where the partitions begin now.
    pub struct DeleteRecordsResponse<'a> {
        0+  throttle_time_ms: i32;
        0+  topics: Vec<DeleteRecordsTopicResult<'a>>;
    }

    /// A topic.
    pub struct DeleteRecordsTopicResult<'a> {
        0+  name: &'a str;
        0+  partitions: Vec<DeleteRecordsPartitionResult>;
    }

    /// A partition.
    pub struct DeleteRecordsPartitionResult {
        0+  partition_index: i32;
        /// The first offset there is now; -1 where there was an error.
        0+  low_watermark: i64;
        0+  error_code: ErrorCode;
    }
}
