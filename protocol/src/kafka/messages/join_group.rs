//! JoinGroup: becomes a member of a group, and waits until the others have joined too.
//!
//! - 1: rebalance timeout. 4: a new member is told its id by MEMBER_ID_REQUIRED and joins again.
//! - 5: static members. 6: flexible. 7: the response's protocol can be null. 8: a reason.
//! - 9: the leader can be told not to assign.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    JoinGroup: JoinGroupRequest<'a> => JoinGroupResponse<'r>;
}

message! {
    /// Joins a group, or says that a member is ready for a rebalance.
    pub struct JoinGroupRequest<'a> {
        0+  group_id: &'a str;
        /// A member that is silent for so long is out.
        0+  session_timeout_ms: i32;
        /// How long a rebalance waits for a member; -1 for the session timeout.
        1+  rebalance_timeout_ms: i32 [ignorable] = -1;
        /// Empty at first; then what the coordinator gave.
        0+  member_id: &'a str;
        /// The name of a static member.
        5+  group_instance_id: Option<&'a str>;
        /// What the group is for: `consumer`, `connect`.
        0+  protocol_type: &'a str;
        /// The assignors that the member knows, the best first.
        0+  protocols: Vec<JoinGroupRequestProtocol<'a>>;
        /// Why the member joins, for the log.
        8+  reason: Option<&'a str> [ignorable];
    }

    /// An assignor that the member knows.
    pub struct JoinGroupRequestProtocol<'a> {
        0+  name: &'a str;
        /// What the assignor needs to know of the member; its own bytes.
        0+  metadata: &'a [u8];
    }

    /// The generation that the member is in.
    pub struct JoinGroupResponse<'a> {
        2+  throttle_time_ms: i32 [ignorable];
        0+  error_code: ErrorCode;
        /// -1 where there was an error.
        0+  generation_id: i32 = -1;
        7+  protocol_type: Option<&'a str> [ignorable];
        /// The assignor that was chosen.
        0+  protocol_name: Option<&'a str> [nullable 7+];
        /// The member that assigns.
        0+  leader: &'a str;
        /// Whether the leader must not assign, but take what it gets.
        9+  skip_assignment: bool;
        /// That of whoever asked.
        0+  member_id: &'a str;
        /// All members, for the leader alone.
        0+  members: Vec<JoinGroupResponseMember<'a>>;
    }

    /// A member, as the leader needs it to assign.
    pub struct JoinGroupResponseMember<'a> {
        0+  member_id: &'a str;
        /// The name of a static member.
        5+  group_instance_id: Option<&'a str> [ignorable];
        /// The bytes that the member joined with.
        0+  metadata: &'a [u8];
    }
}
