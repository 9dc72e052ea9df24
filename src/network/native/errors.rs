//! Why not, as the protocol says it.

use duramen_protocol::native::{ErrorAnswer, ErrorCode, ErrorDetail};

use crate::broker::Refusal;
use crate::shard::error::AskError;
use crate::storage::SequenceError;

/// The answer to a question that the shard could not answer as it was meant.
pub fn of_shard(error: &AskError) -> ErrorAnswer {
    let answer = ErrorAnswer::new(code(error), error.to_string());
    match *error {
        AskError::OutOfRange { log_start, durable, .. } => answer.with(ErrorDetail::Range {
            log_start: wire_offset(log_start),
            durable_end: wire_offset(durable),
        }),
        AskError::Corrupt { first, next_good } => answer.with(ErrorDetail::Corrupt {
            first: wire_offset(first),
            next_good: wire_offset(next_good),
        }),
        AskError::Produce(duramen_protocol::batch::ProduceError::TooLarge { max, .. }) => {
            answer.with(ErrorDetail::Limit { bytes: max as u64 })
        }
        AskError::TooLarge { max, .. } => answer.with(ErrorDetail::Limit { bytes: max }),
        _ => answer,
    }
}

fn code(error: &AskError) -> ErrorCode {
    match error {
        AskError::NoPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        AskError::Deleted => ErrorCode::STALE_HANDLE,
        AskError::Produce(duramen_protocol::batch::ProduceError::Transactional) => {
            ErrorCode::INVALID_RECORD
        }
        AskError::Produce(error) => error.code(),
        AskError::Sequence(SequenceError::OldEpoch { .. }) => ErrorCode::INVALID_PRODUCER_EPOCH,
        AskError::Sequence(SequenceError::OutOfOrder { .. }) => {
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        }
        AskError::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        AskError::Full(_) => ErrorCode::STORAGE_FULL,
        AskError::Failed(_) => ErrorCode::STORAGE_FAILED,
        AskError::PerhapsPersisted(_) => ErrorCode::PERHAPS_PERSISTED,
        AskError::ShuttingDown => ErrorCode::SHUTTING_DOWN,
        AskError::Overloaded(_) => ErrorCode::OVERLOADED,
        AskError::Refused(refusal) => broker_code(refusal.code),
        AskError::BrokenOffsets(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
        AskError::NoSubscription => ErrorCode::UNKNOWN_SUBSCRIPTION,
        AskError::SubscriptionInUse => ErrorCode::INVALID_REQUEST,
        AskError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        AskError::Corrupt { .. } => ErrorCode::CORRUPT_LOG,
        AskError::Io(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

/// The answer to a change of the catalog that is refused.
pub fn of_broker(refusal: Refusal) -> ErrorAnswer {
    ErrorAnswer::new(broker_code(refusal.code), refusal.message)
}

/// The native protocol does without some of Kafka's codes.
fn broker_code(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::POLICY_VIOLATION | ErrorCode::INVALID_COMMIT_OFFSET_SIZE => {
            ErrorCode::INVALID_REQUEST
        }
        code => code,
    }
}

/// An offset as it stands on the wire. Offsets of a log never leave the range of `i64`.
pub fn wire_offset(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// An offset that a client sent.
///
/// # Errors
/// When it is negative.
pub fn from_wire(offset: i64) -> Result<u64, ErrorAnswer> {
    u64::try_from(offset).map_err(|_| {
        ErrorAnswer::new(ErrorCode::INVALID_REQUEST, format!("the offset {offset} is negative"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen_protocol::batch::{BatchError, ProduceError};
    use duramen_protocol::native::error::USED;

    #[test]
    fn the_codes_are_those_of_the_specification() {
        let out_of_order = SequenceError::OutOfOrder { producer_id: 1, expected: 2, got: 3 };
        let crc = ProduceError::Batch(BatchError::Crc { stored: 1, computed: 2 });
        for error in [
            AskError::NoPartition,
            AskError::Deleted,
            AskError::Produce(crc),
            AskError::Produce(ProduceError::Transactional),
            AskError::Produce(ProduceError::Control),
            AskError::Sequence(out_of_order),
            AskError::TooLarge { size: 2, max: 1 },
            AskError::Full(String::new()),
            AskError::Failed(String::new()),
            AskError::PerhapsPersisted(String::new()),
            AskError::ShuttingDown,
            AskError::Overloaded(""),
            AskError::NoSubscription,
            AskError::SubscriptionInUse,
            AskError::OutOfRange { offset: 3, log_start: 1, durable: 2 },
            AskError::Corrupt { first: 1, next_good: 2 },
        ] {
            assert!(USED.contains(&of_shard(&error).code), "{error}");
        }
    }

    #[test]
    fn ranges_go_with_their_codes() {
        let error = AskError::OutOfRange { offset: 9, log_start: 1, durable: 5 };
        let range = ErrorDetail::Range { log_start: 1, durable_end: 5 };
        assert_eq!(of_shard(&error).detail, range);
        assert_eq!(of_shard(&error).message, "offset 9 is out of range: 1 to 5 can be read");
        assert_eq!(from_wire(-1).unwrap_err().code, ErrorCode::INVALID_REQUEST);
    }
}
