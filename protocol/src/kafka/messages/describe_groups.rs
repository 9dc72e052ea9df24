//! DescribeGroups: groups and their members.
//!
//! - 1: throttle time. 3: authorized operations. 4: static members. 5: flexible.
//! - 6: an unknown group gets GROUP_ID_NOT_FOUND; before, it is described as `Dead`.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DescribeGroups: DescribeGroupsRequest<'a> => DescribeGroupsResponse<'r>;
}

message! {
    /// Asks for groups and their members.
    pub struct DescribeGroupsRequest<'a> {
        0+  groups: Vec<&'a str>;
        3+  include_authorized_operations: bool;
    }

    /// The groups.
    pub struct DescribeGroupsResponse<'a> {
        1+  throttle_time_ms: i32 [ignorable];
        0+  groups: Vec<DescribedGroup<'a>>;
    }

    /// A group.
    pub struct DescribedGroup<'a> {
        0+  error_code: ErrorCode;
        6+  error_message: Option<&'a str>;
        0+  group_id: &'a str;
        /// Such as `Stable`; `Dead` for a group that is not there.
        0+  group_state: &'a str;
        0+  protocol_type: &'a str;
        /// The assignor that was chosen.
        0+  protocol_data: &'a str;
        0+  members: Vec<DescribedGroupMember<'a>>;
        3+  authorized_operations: i32 = i32::MIN;
    }

    /// A member and what it is assigned.
    pub struct DescribedGroupMember<'a> {
        0+  member_id: &'a str;
        /// The name of a static member.
        4+  group_instance_id: Option<&'a str> [ignorable];
        0+  client_id: &'a str;
        0+  client_host: &'a str;
        /// The bytes that the member joined with.
        0+  member_metadata: &'a [u8];
        /// The bytes that the leader gave the member.
        0+  member_assignment: &'a [u8];
    }
}
