//! LeaveGroup: members go.
//!
//! - 0 to 2: one member. 3: several, by their id or their static name. 4: flexible. 5: a reason.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    LeaveGroup: LeaveGroupRequest<'a> => LeaveGroupResponse<'r>;
}

message! {
    /// Takes members out of a group.
    pub struct LeaveGroupRequest<'a> {
        0+   group_id: &'a str;
        /// Who leaves.
        0-2  member_id: &'a str;
        /// Who leaves.
        3+   members: Vec<MemberIdentity<'a>>;
    }

    /// A member that leaves, by its id or its static name.
    pub struct MemberIdentity<'a> {
        3+  member_id: &'a str;
        /// The name of a static member.
        3+  group_instance_id: Option<&'a str>;
        /// Why the member leaves, for the log.
        5+  reason: Option<&'a str> [ignorable];
    }

    /// Who has left.
    pub struct LeaveGroupResponse<'a> {
        1+  throttle_time_ms: i32 [ignorable];
        0+  error_code: ErrorCode;
        3+  members: Vec<MemberResponse<'a>>;
    }

    /// A member.
    pub struct MemberResponse<'a> {
        3+  member_id: &'a str;
        /// The name of a static member.
        3+  group_instance_id: Option<&'a str>;
        3+  error_code: ErrorCode;
    }
}
