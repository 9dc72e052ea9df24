//! DescribeCluster: the brokers.
//!
//! - 0: flexible. 1: controllers can be asked for. 2: fenced brokers can be asked for.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DescribeCluster: DescribeClusterRequest => DescribeClusterResponse<'r>;
}

message! {
    /// Asks for the brokers.
    pub struct DescribeClusterRequest {
        0+  include_cluster_authorized_operations: bool;
        /// 1: brokers, 2: controllers.
        1+  endpoint_type: i8 = 1;
        2+  include_fenced_brokers: bool;
    }

    /// The brokers.
    pub struct DescribeClusterResponse<'a> {
        0+  throttle_time_ms: i32;
        0+  error_code: ErrorCode;
        0+  error_message: Option<&'a str>;
        /// 1: brokers, 2: controllers.
        1+  endpoint_type: i8 = 1;
        0+  cluster_id: &'a str;
        /// -1 if it is not known.
        0+  controller_id: i32 = -1;
        0+  brokers: Vec<DescribeClusterBroker<'a>>;
        0+  cluster_authorized_operations: i32 = i32::MIN;
    }

    /// A broker and where it is reached.
    pub struct DescribeClusterBroker<'a> {
        0+  broker_id: i32;
        0+  host: &'a str;
        0+  port: i32;
        0+  rack: Option<&'a str>;
        2+  is_fenced: bool;
    }
}
