//! Why a question can't be answered as it was meant.

use duramen_protocol::batch::ProduceError;

use crate::broker::Refusal;
use crate::io::DiskError;
use crate::storage::{ReadError, SequenceError};

/// Why not. Whether anything was done says each variant.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// No such partition on this core. Nothing was done.
    #[error("there is no such partition on this core")]
    NoPartition,
    /// The topic was deleted. What was staged of it went with it.
    #[error("the topic was deleted")]
    Deleted,
    /// The batch is not fit to be appended. Nothing was done.
    #[error(transparent)]
    Produce(#[from] ProduceError),
    /// The batch does not follow the producer's last. Nothing was done.
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    /// The batch is larger than the engine can take. Nothing was done.
    #[error("a batch of {size} bytes, and the engine takes {max}")]
    TooLarge {
        /// Bytes of the batch.
        size: u64,
        /// Bytes that can be taken.
        max: u64,
    },
    /// No room on the disk. Nothing was done.
    #[error("the disk is full, nothing was appended: {0}")]
    Full(String),
    /// The disk had failed before. Nothing was done.
    #[error("the disk failed, and nothing is appended until a restart: {0}")]
    Failed(String),
    /// The disk failed while this was under way: it may be there after a restart, or not.
    #[error("the disk failed while this was under way; it may have been persisted: {0}")]
    PerhapsPersisted(String),
    /// The server stops. Nothing was done.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// A bound is reached. Nothing was done.
    #[error("{0}")]
    Overloaded(&'static str),
    /// The broker's rules forbid it. Nothing was done.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The consumers' offsets of this partition can't be read.
    #[error("the consumers' offsets kept here can't be read: {0}")]
    BrokenOffsets(String),
    /// The client has no such subscription.
    #[error("no such subscription, or it is over")]
    NoSubscription,
    /// The client has one of that name.
    #[error("the subscription is in use")]
    SubscriptionInUse,
    /// The offset lies outside of what can be read.
    #[error("offset {offset} is out of range: {log_start} to {durable} can be read")]
    OutOfRange {
        /// The offset asked for.
        offset: u64,
        /// The first offset there is.
        log_start: u64,
        /// The offset after the last durable one.
        durable: u64,
    },
    /// The log is damaged there.
    #[error("the log is damaged: offsets {first} to {} are lost", next_good.saturating_sub(1))]
    Corrupt {
        /// The first offset lost.
        first: u64,
        /// The first one behind that can be read.
        next_good: u64,
    },
    /// The disk gave an error while reading.
    #[error(transparent)]
    Io(#[from] DiskError),
}

impl AskError {
    /// The error of a read that wanted `offset`.
    pub(super) fn of_read(error: ReadError, offset: u64) -> AskError {
        match error {
            ReadError::OutOfRange { log_start, durable } => {
                AskError::OutOfRange { offset, log_start, durable }
            }
            ReadError::Corrupt { first, next_good } => AskError::Corrupt { first, next_good },
            ReadError::Io(error) => AskError::Io(error),
            ReadError::Gone => AskError::Deleted,
            ReadError::Busy => AskError::Overloaded("too many reads are waiting for the disk"),
        }
    }
}
