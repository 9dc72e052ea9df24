//! FindCoordinator: which broker coordinates a group.
//!
//! - 1: transactions too; an error message. 3: flexible. 4: several keys at once, in own fields.
//! - 5: TRANSACTION_ABORTABLE as an error. 6: share groups.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    FindCoordinator: FindCoordinatorRequest<'a> => FindCoordinatorResponse<'r>;
}

message! {
    /// Asks which broker coordinates a group or a transaction.
    pub struct FindCoordinatorRequest<'a> {
        /// The group's id, or the transactional id.
        0-3  key: &'a str;
        /// 0: group, 1: transaction, 2: share group.
        1+   key_type: i8;
        /// As `key`, several at once.
        4+   coordinator_keys: Vec<&'a str>;
    }

    /// The coordinator; from version 4 on one a key.
    pub struct FindCoordinatorResponse<'a> {
        1+   throttle_time_ms: i32 [ignorable];
        0-3  error_code: ErrorCode;
        1-3  error_message: Option<&'a str> [ignorable];
        0-3  node_id: i32;
        0-3  host: &'a str;
        0-3  port: i32;
        4+   coordinators: Vec<Coordinator<'a>>;
    }

    /// The coordinator of a key.
    pub struct Coordinator<'a> {
        4+  key: &'a str;
        4+  node_id: i32;
        4+  host: &'a str;
        4+  port: i32;
        4+  error_code: ErrorCode;
        4+  error_message: Option<&'a str> [ignorable];
    }
}
