//! ApiVersions: what the broker speaks. It is the first request of nearly every client.
//!
//! - 0 to 2: an empty request. 3: flexible, but the response's header is not; the client's name;
//!   features. 4: features may begin at level 0. 5: the cluster and node that the client expects.
//!
//! A version that is not supported gets an answer of version 0: see
//! [`api_versions_answer`](crate::kafka::api_versions_answer).

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    ApiVersions: ApiVersionsRequest<'a> => ApiVersionsResponse<'r>;
}

message! {
    /// Asks what the broker speaks, and tells who the client is.
    pub struct ApiVersionsRequest<'a> {
        3+  client_software_name: &'a str [ignorable];
        3+  client_software_version: &'a str [ignorable];
        /// The cluster that the client expects to reach.
        5+  cluster_id: Option<&'a str> [ignorable];
        /// The node that the client expects to reach; -1 for any.
        5+  node_id: i32 [ignorable] = -1;
    }

    /// What the broker speaks.
    pub struct ApiVersionsResponse<'a> {
        0+  error_code: ErrorCode;
        0+  api_keys: Vec<ApiVersion>;
        1+  throttle_time_ms: i32 [ignorable];
        3+  supported_features: Vec<SupportedFeatureKey<'a>> [tag 0, ignorable];
        /// Rises with each change of the finalized features; -1 for unknown.
        3+  finalized_features_epoch: i64 [tag 1, ignorable] = -1;
        3+  finalized_features: Vec<FinalizedFeatureKey<'a>> [tag 2, ignorable];
        3+  zk_migration_ready: bool [tag 3, ignorable];
    }

    /// The versions of an API.
    pub struct ApiVersion {
        0+  api_key: i16;
        0+  min_version: i16;
        0+  max_version: i16;
    }

    /// A feature and the levels that the broker could take part in.
    pub struct SupportedFeatureKey<'a> {
        3+  name: &'a str;
        3+  min_version: i16;
        3+  max_version: i16;
    }

    /// A feature and the levels that the cluster has settled on.
    pub struct FinalizedFeatureKey<'a> {
        3+  name: &'a str;
        3+  max_version_level: i16;
        3+  min_version_level: i16;
    }
}
