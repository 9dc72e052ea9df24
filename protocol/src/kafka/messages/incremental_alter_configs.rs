//! IncrementalAlterConfigs: changes configurations one by one.
//!
//! - 1: flexible.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    IncrementalAlterConfigs:
        IncrementalAlterConfigsRequest<'a> => IncrementalAlterConfigsResponse<'r>;
}

message! {
    /// Changes configurations of resources one by one.
    pub struct IncrementalAlterConfigsRequest<'a> {
        0+  resources: Vec<AlterConfigsResource<'a>>;
        /// Whether to check only, and change nothing.
        0+  validate_only: bool;
    }

    /// A resource: a topic, a broker, a group.
    pub struct AlterConfigsResource<'a> {
        /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
        0+  resource_type: i8;
        0+  resource_name: &'a str;
        0+  configs: Vec<AlterableConfig<'a>>;
    }

    /// A configuration.
    pub struct AlterableConfig<'a> {
        0+  name: &'a str;
        /// 0: set, 1: back to the default, 2: append to the list, 3: take from the list.
        0+  config_operation: i8;
        0+  value: Option<&'a str>;
    }

    /// What was changed.
    pub struct IncrementalAlterConfigsResponse<'a> {
        0+  throttle_time_ms: i32;
        0+  responses: Vec<AlterConfigsResourceResponse<'a>>;
    }

    /// A resource.
    pub struct AlterConfigsResourceResponse<'a> {
        0+  error_code: ErrorCode;
        0+  error_message: Option<&'a str>;
        /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
        0+  resource_type: i8;
        0+  resource_name: &'a str;
    }
}
