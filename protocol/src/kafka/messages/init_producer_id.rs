//! InitProducerId: a producer id, never given twice.
//!
//! - 2: flexible. 3: a new epoch for an id. 4: PRODUCER_FENCED.
//! - 5: TRANSACTION_ABORTABLE.

use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    InitProducerId: InitProducerIdRequest<'a> => InitProducerIdResponse;
}

message! {
    /// Asks for a producer id, or for a new epoch of one.
    pub struct InitProducerIdRequest<'a> {
        /// None for an idempotent producer without transactions.
        0+  transactional_id: Option<&'a str>;
        /// A transaction that is open for longer is aborted.
        0+  transaction_timeout_ms: i32;
        /// The one to raise the epoch of; -1 for a new one.
        3+  producer_id: i64 = -1;
        /// The epoch that the producer has; -1 with a new id.
        3+  producer_epoch: i16 = -1;
    }

    /// The producer id and its epoch.
    pub struct InitProducerIdResponse {
        0+  throttle_time_ms: i32 [ignorable];
        0+  error_code: ErrorCode;
        /// -1 where there was an error.
        0+  producer_id: i64 = -1;
        0+  producer_epoch: i16;
    }
}
