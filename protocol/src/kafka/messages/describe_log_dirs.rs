//! DescribeLogDirs: the data directories of a broker. Clients ask every broker and add up.
//!
//! - 2: flexible. 3: an error for the whole. 4: the size of the volume. 5: cordoned directories.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DescribeLogDirs: DescribeLogDirsRequest<'a> => DescribeLogDirsResponse<'r>;
}

message! {
    /// Asks for the data directories and what is in them.
    pub struct DescribeLogDirsRequest<'a> {
        /// None for all.
        0+  topics: Option<Vec<DescribableLogDirTopic<'a>>>;
    }

    /// Partitions of a topic.
    pub struct DescribableLogDirTopic<'a> {
        0+  topic: &'a str;
        0+  partitions: Vec<i32>;
    }

    /// The data directories of the broker.
    pub struct DescribeLogDirsResponse<'a> {
        0+  throttle_time_ms: i32;
        3+  error_code: ErrorCode [ignorable];
        0+  results: Vec<DescribeLogDirsResult<'a>>;
    }

    /// A data directory.
    pub struct DescribeLogDirsResult<'a> {
        0+  error_code: ErrorCode;
        /// Its absolute path.
        0+  log_dir: &'a str;
        0+  topics: Vec<DescribeLogDirsTopic<'a>>;
        /// Of the volume; -1 for unknown.
        4+  total_bytes: i64 [ignorable] = -1;
        /// Of the volume; -1 for unknown.
        4+  usable_bytes: i64 [ignorable] = -1;
        /// Whether no new partitions go there.
        5+  is_cordoned: bool [ignorable];
    }

    /// A topic in it.
    pub struct DescribeLogDirsTopic<'a> {
        0+  name: &'a str;
        0+  partitions: Vec<DescribeLogDirsPartition>;
    }

    /// A partition in it.
    pub struct DescribeLogDirsPartition {
        0+  partition_index: i32;
        /// Bytes of all its segments.
        0+  partition_size: i64;
        /// How far the log is behind; 0 but for replicas on their way.
        0+  offset_lag: i64;
        /// Whether the replica will replace another in this directory.
        0+  is_future_key: bool;
    }
}
