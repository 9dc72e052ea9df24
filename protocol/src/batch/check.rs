//! What a batch must be to be appended: the one gate between clients' bytes and the log.
//!
//! The CRC is hashed over the whole batch; of an uncompressed batch every record is walked, without
//! an allocation, so that nothing lands in the log that a reader could not take apart. Compressed
//! records stay closed: opening them would cost more than everything else together, and a client
//! that compressed garbage can read it back alone.

use super::compression::{Codec, UnknownCodec};
use super::error::BatchError;
use super::header::{BatchHeader, NO_TIMESTAMP, TimestampType};
use super::records::Record;
use super::view::BatchView;
use crate::codes::ErrorCode;
use crate::wire::{Reader, WireError};

/// What the topic allows.
#[derive(Clone, Copy, Debug)]
pub struct ProduceLimits {
    /// `max.message.bytes`: the largest batch, as it is sent, compressed or not.
    pub max_message_bytes: usize,
    /// The server's clock, in milliseconds since 1970.
    pub now_ms: i64,
    /// `message.timestamp.before.max.ms`: how far a timestamp may lie in the past.
    pub before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a timestamp may lie in the future.
    pub after_max_ms: i64,
    /// `message.timestamp.type`: with the log's own time, the producer's is not looked at.
    pub timestamp_type: TimestampType,
    /// Whether `cleanup.policy` holds `compact`: every record must have a key.
    pub compacted: bool,
}

/// Why a batch is refused. Nothing has been appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// No batch, or one that is damaged.
    #[error(transparent)]
    Batch(BatchError),
    /// More than one batch.
    #[error("{0} bytes after the batch: a produce takes exactly one batch a partition")]
    TrailingBytes(usize),
    /// Over `max.message.bytes`.
    #[error("a batch of {size} bytes, over the topic's max.message.bytes of {max}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// What the topic allows.
        max: usize,
    },
    /// Offsets are the server's to give.
    #[error("base offset {0} where a producer must leave 0")]
    BaseOffset(i64),
    /// No records, or gaps between them.
    #[error("{count} records with a last offset delta of {last_offset_delta}: it must be one less")]
    Count {
        /// The header's count of records.
        count: i32,
        /// The header's last offset delta.
        last_offset_delta: i32,
    },
    /// Control batches are the server's own.
    #[error("a control batch from a client")]
    Control,
    /// There are no transactions here yet.
    #[error("a transactional batch: transactions are not supported")]
    Transactional,
    /// Only compaction sets a delete horizon.
    #[error("a delete horizon from a client")]
    DeleteHorizon,
    /// A producer id without a valid epoch and sequence.
    #[error("producer id {producer_id} with epoch {epoch} and sequence {sequence}")]
    Producer {
        /// The header's producer id.
        producer_id: i64,
        /// The header's producer epoch.
        epoch: i16,
        /// The header's base sequence.
        sequence: i32,
    },
    /// A codec that no one knows.
    #[error(transparent)]
    Codec(UnknownCodec),
    /// The server's clock is the server's to stamp.
    #[error("a batch that says it has the log's append time already")]
    TimestampType,
    /// A record out of the topic's bounds.
    #[error("timestamp {timestamp} of record {index} is out of range: {min} to {max}")]
    Timestamp {
        /// Which record, counted from 0; of a compressed batch, its count: one of them all.
        index: i32,
        /// The timestamp, in milliseconds since 1970.
        timestamp: i64,
        /// The least one allowed.
        min: i64,
        /// The greatest one allowed.
        max: i64,
    },
    /// The header's largest timestamp is not that of the records.
    #[error("max timestamp {header} where the records' largest is {records}")]
    MaxTimestamp {
        /// What the header says.
        header: i64,
        /// The records' own, as [`super::stamp_max_timestamp`] would set it.
        records: i64,
    },
    /// A record that compaction could not treat.
    #[error("record {0} has no key, which a compacted topic needs")]
    Keyless(i32),
    /// A record's offset delta is not its place.
    #[error("record {index} has offset delta {offset_delta}")]
    OffsetDelta {
        /// Which record, counted from 0.
        index: i32,
        /// What it says of itself.
        offset_delta: i32,
    },
    /// A record's bytes make no sense.
    #[error("record {index}: {error}")]
    Record {
        /// Which record, counted from 0.
        index: i32,
        /// What, and where in the records.
        error: WireError,
    },
}

impl ProduceError {
    /// The code to answer with, as Kafka answers.
    pub fn code(&self) -> ErrorCode {
        match self {
            ProduceError::Batch(BatchError::Crc { .. }) => ErrorCode::CORRUPT_MESSAGE,
            ProduceError::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
            ProduceError::Transactional => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            ProduceError::Codec(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            ProduceError::TimestampType
            | ProduceError::Timestamp { .. }
            | ProduceError::MaxTimestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
            _ => ErrorCode::INVALID_RECORD,
        }
    }
}

/// Checks the bytes that a producer sent for one partition: exactly one batch that may be
/// stamped and stored as it is.
///
/// # Errors
/// With the first thing that is wrong.
pub fn check_produce(bytes: &[u8], limits: &ProduceLimits) -> Result<BatchHeader, ProduceError> {
    // Before anything is hashed, so that a refusal is cheap.
    let view = BatchView::parse_unhashed(bytes).map_err(ProduceError::Batch)?;
    let header = *view.header();
    let size = header.size_in_bytes();
    if size > limits.max_message_bytes {
        return Err(ProduceError::TooLarge { size, max: limits.max_message_bytes });
    }
    if bytes.len() > size {
        return Err(ProduceError::TrailingBytes(bytes.len() - size));
    }
    let codec = check_header(&header)?;
    view.check_crc().map_err(ProduceError::Batch)?;
    match codec {
        Codec::None => check_records(view.record_bytes(), &header, limits)?,
        _ => check_timestamp(header.count, header.max_timestamp, limits)?,
    }
    Ok(header)
}

fn check_header(header: &BatchHeader) -> Result<Codec, ProduceError> {
    let BatchHeader { count, last_offset_delta, attributes, .. } = *header;
    if header.base_offset != 0 {
        return Err(ProduceError::BaseOffset(header.base_offset));
    }
    if count < 1 || count - 1 != last_offset_delta {
        return Err(ProduceError::Count { count, last_offset_delta });
    }
    if attributes.is_transactional() {
        return Err(ProduceError::Transactional);
    }
    if attributes.is_control() {
        return Err(ProduceError::Control);
    }
    if attributes.has_delete_horizon() {
        return Err(ProduceError::DeleteHorizon);
    }
    if attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(ProduceError::TimestampType);
    }
    if header.has_producer_id() && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(ProduceError::Producer {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            sequence: header.base_sequence,
        });
    }
    attributes.codec().map_err(ProduceError::Codec)
}

fn check_records(
    bytes: &[u8],
    header: &BatchHeader,
    limits: &ProduceLimits,
) -> Result<(), ProduceError> {
    let mut reader = Reader::new(bytes);
    let mut max_timestamp = i64::MIN;
    for index in 0..header.count {
        let record = Record::read(&mut reader, header)
            .map_err(|error| ProduceError::Record { index, error })?;
        if record.offset_delta != index {
            return Err(ProduceError::OffsetDelta { index, offset_delta: record.offset_delta });
        }
        if limits.compacted && record.key.is_none() {
            return Err(ProduceError::Keyless(index));
        }
        check_timestamp(index, record.timestamp, limits)?;
        max_timestamp = max_timestamp.max(record.timestamp);
    }
    reader.finish().map_err(|error| ProduceError::Record { index: header.count, error })?;
    if max_timestamp != header.max_timestamp {
        return Err(ProduceError::MaxTimestamp {
            header: header.max_timestamp,
            records: max_timestamp,
        });
    }
    Ok(())
}

#[inline]
fn check_timestamp(index: i32, timestamp: i64, limits: &ProduceLimits) -> Result<(), ProduceError> {
    if timestamp == NO_TIMESTAMP || limits.timestamp_type == TimestampType::LogAppendTime {
        return Ok(());
    }
    let min = limits.now_ms.saturating_sub(limits.before_max_ms);
    let max = limits.now_ms.saturating_add(limits.after_max_ms);
    if timestamp < min || timestamp > max {
        return Err(ProduceError::Timestamp { index, timestamp, min, max });
    }
    Ok(())
}
