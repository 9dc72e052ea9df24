//! DeleteGroups: groups without members go, with their offsets.
//!
//! - 2: flexible. 3: an error message.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DeleteGroups: DeleteGroupsRequest<'a> => DeleteGroupsResponse<'r>;
}

message! {
    /// Removes groups without members, with their offsets.
    pub struct DeleteGroupsRequest<'a> {
        0+  groups_names: Vec<&'a str>;
    }

    /// What was removed.
    pub struct DeleteGroupsResponse<'a> {
        0+  throttle_time_ms: i32;
        0+  results: Vec<DeletableGroupResult<'a>>;
    }

    /// A group.
    pub struct DeletableGroupResult<'a> {
        0+  group_id: &'a str;
        0+  error_code: ErrorCode;
        3+  error_message: Option<&'a str> [ignorable];
    }
}
