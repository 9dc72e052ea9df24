//! ListGroups: the groups that a broker coordinates.
//!
//! - 1: throttle time. 3: flexible. 4: states. 5: types.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    ListGroups: ListGroupsRequest<'a> => ListGroupsResponse<'r>;
}

message! {
    /// Asks for the groups that the broker coordinates.
    pub struct ListGroupsRequest<'a> {
        /// Only groups in these states; all if empty.
        4+  states_filter: Vec<&'a str>;
        /// Only groups of these types; all if empty.
        5+  types_filter: Vec<&'a str>;
    }

    /// The groups.
    pub struct ListGroupsResponse<'a> {
        1+  throttle_time_ms: i32 [ignorable];
        0+  error_code: ErrorCode;
        0+  groups: Vec<ListedGroup<'a>>;
    }

    /// A group.
    pub struct ListedGroup<'a> {
        0+  group_id: &'a str;
        0+  protocol_type: &'a str;
        4+  group_state: &'a str [ignorable];
        /// Such as `classic`.
        5+  group_type: &'a str [ignorable];
    }
}
