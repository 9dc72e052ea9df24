//! SyncGroup: the leader brings the assignment, and each member gets its part.
//!
//! - 1: throttle time. 3: static members. 4: flexible. 5: the protocol, to be checked.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    SyncGroup: SyncGroupRequest<'a> => SyncGroupResponse<'r>;
}

message! {
    /// Brings the assignment from the leader, or fetches it.
    pub struct SyncGroupRequest<'a> {
        0+  group_id: &'a str;
        /// The group's generation.
        0+  generation_id: i32;
        0+  member_id: &'a str;
        /// The name of a static member.
        3+  group_instance_id: Option<&'a str>;
        5+  protocol_type: Option<&'a str> [ignorable];
        5+  protocol_name: Option<&'a str> [ignorable];
        /// What the leader assigns; empty from others.
        0+  assignments: Vec<SyncGroupRequestAssignment<'a>>;
    }

    /// What a member is assigned.
    pub struct SyncGroupRequestAssignment<'a> {
        0+  member_id: &'a str;
        /// What the assignor tells the member; its own bytes.
        0+  assignment: &'a [u8];
    }

    /// What the member is assigned.
    pub struct SyncGroupResponse<'a> {
        1+  throttle_time_ms: i32 [ignorable];
        0+  error_code: ErrorCode;
        5+  protocol_type: Option<&'a str> [ignorable];
        5+  protocol_name: Option<&'a str> [ignorable];
        /// The bytes that the leader gave the member.
        0+  assignment: &'a [u8];
    }
}
