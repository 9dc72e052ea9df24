//! The body of an error answer.
//!
//! The [`ErrorCode`] stands in the frame's header, where a successful answer has its flags; the body
//! says it in words, with the numbers that help to go on. [`USED`] names the codes that the protocol
//! answers with; after those in [`CLOSING`] the server closes the connection.

use crate::codes::ErrorCode;
use crate::wire::{Reader, WireError, Writer};

use super::field::{Field, Message};

/// The codes that answer native requests.
pub const USED: &[ErrorCode] = &[
    ErrorCode::UNKNOWN_SERVER_ERROR,
    ErrorCode::OFFSET_OUT_OF_RANGE,
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::OFFSET_METADATA_TOO_LARGE,
    ErrorCode::INVALID_TOPIC_EXCEPTION,
    ErrorCode::INVALID_GROUP_ID,
    ErrorCode::INVALID_TIMESTAMP,
    ErrorCode::UNSUPPORTED_SASL_MECHANISM,
    ErrorCode::UNSUPPORTED_VERSION,
    ErrorCode::TOPIC_ALREADY_EXISTS,
    ErrorCode::INVALID_PARTITIONS,
    ErrorCode::INVALID_CONFIG,
    ErrorCode::INVALID_REQUEST,
    ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode::INVALID_PRODUCER_EPOCH,
    ErrorCode::SASL_AUTHENTICATION_FAILED,
    ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
    ErrorCode::INVALID_RECORD,
    ErrorCode::PERHAPS_PERSISTED,
    ErrorCode::STORAGE_FULL,
    ErrorCode::OVERLOADED,
    ErrorCode::SHUTTING_DOWN,
    ErrorCode::STALE_HANDLE,
    ErrorCode::UNKNOWN_HANDLE,
    ErrorCode::NOT_SUPPORTED,
    ErrorCode::PROTOCOL_ERROR,
    ErrorCode::FRAME_TOO_LARGE,
    ErrorCode::UNKNOWN_SUBSCRIPTION,
    ErrorCode::STORAGE_FAILED,
    ErrorCode::CORRUPT_LOG,
];

/// The codes after which the server closes the connection.
pub const CLOSING: &[ErrorCode] = &[
    ErrorCode::UNSUPPORTED_SASL_MECHANISM,
    ErrorCode::UNSUPPORTED_VERSION,
    ErrorCode::SASL_AUTHENTICATION_FAILED,
    ErrorCode::PROTOCOL_ERROR,
    ErrorCode::FRAME_TOO_LARGE,
];

/// The body of an error answer, with the code that stands in its header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ErrorAnswer {
    /// From the frame's header.
    pub code: ErrorCode,
    /// What is wrong, where, and what to do, for people to read.
    pub message: String,
    /// What a client needs to go on.
    pub detail: ErrorDetail,
}

/// The numbers that come with some error codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorDetail {
    /// There are none.
    #[default]
    None,
    /// With [`ErrorCode::OFFSET_OUT_OF_RANGE`]: what can be read.
    Range {
        /// The first offset there is.
        log_start: i64,
        /// The offset after the last durable one.
        durable_end: i64,
    },
    /// With [`ErrorCode::CORRUPT_LOG`]: what can't be read.
    Corrupt {
        /// The first offset lost.
        first: i64,
        /// The first offset after it that can be read.
        next_good: i64,
    },
    /// With [`ErrorCode::NOT_LEADER_OR_FOLLOWER`].
    Owner {
        /// The core that owns the partition.
        core: u16,
    },
    /// With the codes that say that something is too large.
    Limit {
        /// The largest allowed, in bytes.
        bytes: u64,
    },
    /// With [`ErrorCode::UNSUPPORTED_VERSION`].
    Versions {
        /// The lowest version the server speaks.
        min: u16,
        /// The highest.
        max: u16,
    },
}

impl ErrorAnswer {
    /// An error without numbers.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorAnswer { code, message: message.into(), detail: ErrorDetail::None }
    }

    /// The same with numbers.
    pub fn with(self, detail: ErrorDetail) -> Self {
        ErrorAnswer { detail, ..self }
    }

    /// The error of a frame with this code in its header and this body.
    ///
    /// # Errors
    /// When the body is not an error's.
    pub fn decode(code: ErrorCode, body: &[u8]) -> Result<Self, WireError> {
        <Self as Message>::decode(body).map(|error| ErrorAnswer { code, ..error })
    }
}

/// The body alone: the code stands in the header, and is `NONE` in what [`Field::take`] gives.
impl Field for ErrorAnswer {
    const MIN_LEN: usize = 3;

    fn put<W: Writer>(&self, out: &mut W) {
        self.message.put(out);
        self.detail.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let (message, detail) = (Field::take(from)?, Field::take(from)?);
        Ok(ErrorAnswer { code: ErrorCode::NONE, message, detail })
    }
}

impl Message for ErrorAnswer {}

impl Field for ErrorDetail {
    const MIN_LEN: usize = 1;

    fn put<W: Writer>(&self, out: &mut W) {
        match *self {
            ErrorDetail::None => out.put_u8(0),
            ErrorDetail::Range { log_start, durable_end } => {
                out.put_u8(1);
                out.put_i64_le(log_start);
                out.put_i64_le(durable_end);
            }
            ErrorDetail::Corrupt { first, next_good } => {
                out.put_u8(2);
                out.put_i64_le(first);
                out.put_i64_le(next_good);
            }
            ErrorDetail::Owner { core } => {
                out.put_u8(3);
                out.put_u16_le(core);
            }
            ErrorDetail::Limit { bytes } => {
                out.put_u8(4);
                out.put_u64_le(bytes);
            }
            ErrorDetail::Versions { min, max } => {
                out.put_u8(5);
                out.put_u16_le(min);
                out.put_u16_le(max);
            }
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        Ok(match from.u8()? {
            0 => ErrorDetail::None,
            1 => ErrorDetail::Range { log_start: from.i64_le()?, durable_end: from.i64_le()? },
            2 => ErrorDetail::Corrupt { first: from.i64_le()?, next_good: from.i64_le()? },
            3 => ErrorDetail::Owner { core: from.u16_le()? },
            4 => ErrorDetail::Limit { bytes: from.u64_le()? },
            5 => ErrorDetail::Versions { min: from.u16_le()?, max: from.u16_le()? },
            _ => return Err(before.error("an unknown kind of error detail")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Class;

    #[test]
    fn the_specification_lists_every_code_with_its_class() {
        let spec = include_str!("../../SPEC.md");
        for code in USED {
            let class = match code.class() {
                Class::Retriable => "retriable",
                Class::PerhapsApplied => "perhaps applied",
                Class::Fatal if CLOSING.contains(code) => "fatal, closes",
                Class::Fatal => "fatal",
            };
            let name = code.name().expect("a code of the table");
            let row = format!("| {} | {name} | {class} |", code.0);
            assert!(spec.contains(&row), "SPEC.md has no row {row}");
        }
        let rows = spec.lines().filter(|line| {
            ["| retriable |", "| perhaps applied |", "| fatal |", "| fatal, closes |"]
                .iter()
                .any(|class| line.contains(class))
        });
        assert_eq!(rows.count(), USED.len(), "SPEC.md has rows for other codes");
    }
}
