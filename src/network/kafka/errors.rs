//! Why not, as Kafka's protocol says it.

use duramen_protocol::batch::ProduceError;
use duramen_protocol::codes::ErrorCode;

use crate::broker::Refusal;
use crate::shard::error::AskError;
use crate::storage::SequenceError;

/// The code for a question that the shard could not answer as it was meant.
pub fn code_of(error: &AskError) -> ErrorCode {
    match error {
        AskError::NoPartition | AskError::Deleted => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        AskError::Produce(error) => error.code(),
        AskError::Sequence(SequenceError::OldEpoch { .. }) => ErrorCode::INVALID_PRODUCER_EPOCH,
        AskError::Sequence(SequenceError::OutOfOrder { .. }) => {
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        }
        AskError::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        AskError::Full(_) | AskError::Failed(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        AskError::PerhapsPersisted(_) => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        // Clients ask for the metadata again and repeat, which is right for a server that restarts.
        AskError::ShuttingDown => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        AskError::Overloaded(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        AskError::Refused(refusal) => refusal.code.for_kafka(),
        AskError::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
        AskError::Corrupt { .. } => ErrorCode::CORRUPT_MESSAGE,
        AskError::Io(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        AskError::BrokenOffsets(_) | AskError::NoSubscription | AskError::SubscriptionInUse => {
            ErrorCode::UNKNOWN_SERVER_ERROR
        }
    }
}

/// Code and words of what was granted or refused.
pub fn told<T>(result: &Result<T, Refusal>) -> (ErrorCode, Option<&str>) {
    match result {
        Ok(_) => (ErrorCode::NONE, None),
        Err(refusal) => (refusal.code.for_kafka(), Some(&refusal.message)),
    }
}

/// The number and the fault of the record that made its batch be refused, if it was one.
pub fn record_of(error: &AskError) -> Option<(i32, String)> {
    let AskError::Produce(error) = error else { return None };
    let index = match *error {
        ProduceError::Timestamp { index, .. }
        | ProduceError::OffsetDelta { index, .. }
        | ProduceError::Record { index, .. } => index,
        ProduceError::Keyless(index) => index,
        _ => return None,
    };
    Some((index, error.to_string()))
}
