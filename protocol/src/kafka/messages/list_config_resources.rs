//! ListConfigResources: what has configurations of its own.
//!
//! - 0: client metrics alone. 1: all types.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    ListConfigResources: ListConfigResourcesRequest => ListConfigResourcesResponse<'r>;
}

message! {
    /// Asks what has configurations of its own.
    pub struct ListConfigResourcesRequest {
        /// As in configurations; all types if empty.
        1+  resource_types: Vec<i8>;
    }

    /// What has configurations of its own.
    pub struct ListConfigResourcesResponse<'a> {
        0+  throttle_time_ms: i32;
        0+  error_code: ErrorCode;
        0+  config_resources: Vec<ConfigResource<'a>>;
    }

    /// A resource.
    pub struct ConfigResource<'a> {
        0+  resource_name: &'a str;
        /// 16, client metrics, in version 0.
        1+  resource_type: i8 [ignorable] = 16;
    }
}
