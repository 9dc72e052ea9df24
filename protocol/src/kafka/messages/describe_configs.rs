//! DescribeConfigs: the configurations of topics, brokers and groups.
//!
//! - 1: sources and synonyms. 3: types and documentation. 4: flexible.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DescribeConfigs: DescribeConfigsRequest<'a> => DescribeConfigsResponse<'r>;
}

message! {
    /// Asks for the configurations of resources.
    pub struct DescribeConfigsRequest<'a> {
        0+  resources: Vec<DescribeConfigsResource<'a>>;
        1+  include_synonyms: bool;
        3+  include_documentation: bool;
    }

    /// A resource: a topic, a broker, a group.
    pub struct DescribeConfigsResource<'a> {
        /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
        0+  resource_type: i8;
        0+  resource_name: &'a str;
        /// Which ones; None for all.
        0+  configuration_keys: Option<Vec<&'a str>>;
    }

    /// The configurations.
    pub struct DescribeConfigsResponse<'a> {
        0+  throttle_time_ms: i32;
        0+  results: Vec<DescribeConfigsResult<'a>>;
    }

    /// A resource.
    pub struct DescribeConfigsResult<'a> {
        0+  error_code: ErrorCode;
        0+  error_message: Option<&'a str>;
        /// 2: topic, 4: broker, 8: broker logger, 16: client metrics, 32: group.
        0+  resource_type: i8;
        0+  resource_name: &'a str;
        0+  configs: Vec<DescribeConfigsResourceResult<'a>>;
    }

    /// A configuration.
    pub struct DescribeConfigsResourceResult<'a> {
        0+  name: &'a str;
        0+  value: Option<&'a str>;
        0+  read_only: bool;
        /// 1: topic, 2: one broker, 3: all brokers, 4: the file, 5: default; -1: unknown.
        1+  config_source: i8 [ignorable] = -1;
        0+  is_sensitive: bool;
        /// Where else the value could come from, the one that holds first.
        1+  synonyms: Vec<DescribeConfigsSynonym<'a>> [ignorable];
        /// 1: boolean, 2: string, 3: int, 4: short, 5: long, 6: double, 7: list, 8: class,
        /// 9: password; 0: unknown.
        3+  config_type: i8 [ignorable];
        3+  documentation: Option<&'a str> [ignorable];
    }

    /// A place where the value could come from.
    pub struct DescribeConfigsSynonym<'a> {
        1+  name: &'a str;
        1+  value: Option<&'a str>;
        /// As `config_source`.
        1+  source: i8;
    }
}
