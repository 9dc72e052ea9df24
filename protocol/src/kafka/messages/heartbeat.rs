//! Heartbeat: a member lives.
//!
//! - 1: throttle time. 3: static members. 4: flexible.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    Heartbeat: HeartbeatRequest<'a> => HeartbeatResponse;
}

message! {
    /// Says that a member lives.
    pub struct HeartbeatRequest<'a> {
        0+  group_id: &'a str;
        /// The group's generation.
        0+  generation_id: i32;
        0+  member_id: &'a str;
        /// The name of a static member.
        3+  group_instance_id: Option<&'a str>;
    }

    /// Whether the member is still in, and whether it must join again.
    pub struct HeartbeatResponse {
        1+  throttle_time_ms: i32 [ignorable];
        0+  error_code: ErrorCode;
    }
}
