//! The fixed part of a batch, as plain values.

use super::compression::{Codec, UnknownCodec};
use super::error::BatchError;
use super::layout;
use crate::wire::{Reader, WireError};

/// Stands for "no producer id": the batch is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// Stands for "no sequence".
pub const NO_SEQUENCE: i32 = -1;
/// Stands for "no timestamp".
pub const NO_TIMESTAMP: i64 = -1;

/// Whose clock a batch's timestamps come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's: each record has its own.
    CreateTime,
    /// The log's: all records have the batch's `max_timestamp`.
    LogAppendTime,
}

/// The bits that say how to read a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// How the records are compressed.
    ///
    /// # Errors
    /// For the three numbers that no codec has.
    pub fn codec(self) -> Result<Codec, UnknownCodec> {
        Codec::from_id((self.0 & Self::CODEC) as u8)
    }

    /// Whose clock the timestamps come from.
    pub fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// Whether the records are the server's own markers, which consumers don't see.
    pub fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// Whether the base timestamp holds the time from which tombstones may be dropped instead.
    pub fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// The same with another codec.
    pub fn with_codec(self, codec: Codec) -> Self {
        Attributes(self.0 & !Self::CODEC | i16::from(codec.id()))
    }

    /// The same with another timestamp type.
    pub fn with_timestamp_type(self, kind: TimestampType) -> Self {
        self.with(Self::LOG_APPEND_TIME, kind == TimestampType::LogAppendTime)
    }

    /// The same, transactional or not.
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same, control or not.
    pub fn with_control(self, on: bool) -> Self {
        self.with(Self::CONTROL, on)
    }

    fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    fn with(self, bit: i16, on: bool) -> Self {
        Attributes(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// The 61 bytes before a batch's records. See the [module](super) for where each field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record.
    pub base_offset: i64,
    /// Bytes of the batch after its first 12.
    pub length: i32,
    /// The leader epoch in which the batch was appended.
    pub leader_epoch: i32,
    /// The version of the format: 2.
    pub magic: i8,
    /// CRC32C of everything from the attributes on.
    pub crc: u32,
    /// How to read the batch.
    pub attributes: Attributes,
    /// The last record's offset less the base offset.
    pub last_offset_delta: i32,
    /// What the records' timestamps are relative to; the delete horizon if there is one.
    pub base_timestamp: i64,
    /// The largest timestamp of a record, in milliseconds since 1970.
    pub max_timestamp: i64,
    /// The idempotent producer's id, or [`NO_PRODUCER_ID`].
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The sequence number of the first record, or [`NO_SEQUENCE`].
    pub base_sequence: i32,
    /// How many records there are.
    pub count: i32,
}

impl BatchHeader {
    /// Reads the header that `bytes` start with: magic, length and counts make sense, the CRC has
    /// not been looked at, and the records need not be there.
    ///
    /// # Errors
    /// [`BatchError::Truncated`] with less than [`layout::HEADER_LEN`] bytes, otherwise what
    /// makes no sense.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let header = BatchHeader::read(&mut Reader::new(bytes)).map_err(|_| {
            // A batch of another version may be shorter than our header.
            match bytes.get(layout::MAGIC_BYTE) {
                Some(&magic) if magic as i8 != layout::MAGIC => BatchError::Magic(magic as i8),
                _ => BatchError::Truncated { needed: layout::HEADER_LEN, have: bytes.len() },
            }
        })?;
        header.check()?;
        Ok(header)
    }

    /// The size in bytes of the batch that starts here, from its first 12 bytes alone. `None` if
    /// fewer are there or the length can't be true.
    pub fn peek_size(bytes: &[u8]) -> Option<usize> {
        let length = Reader::new(bytes.get(layout::LENGTH..)?).i32().ok()?;
        (length >= layout::MIN_LENGTH).then(|| layout::LOG_OVERHEAD + length as usize)
    }

    fn read(reader: &mut Reader<'_>) -> Result<BatchHeader, WireError> {
        Ok(BatchHeader {
            base_offset: reader.i64()?,
            length: reader.i32()?,
            leader_epoch: reader.i32()?,
            magic: reader.i8()?,
            crc: reader.u32()?,
            attributes: Attributes(reader.i16()?),
            last_offset_delta: reader.i32()?,
            base_timestamp: reader.i64()?,
            max_timestamp: reader.i64()?,
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
            base_sequence: reader.i32()?,
            count: reader.i32()?,
        })
    }

    fn check(&self) -> Result<(), BatchError> {
        if self.magic != layout::MAGIC {
            return Err(BatchError::Magic(self.magic));
        }
        if self.length < layout::MIN_LENGTH {
            return Err(BatchError::Length(self.length));
        }
        let (count, last_offset_delta) = (self.count, self.last_offset_delta);
        if count < 0 || last_offset_delta < 0 || i64::from(count) > i64::from(last_offset_delta) + 1
        {
            return Err(BatchError::Counts { count, last_offset_delta });
        }
        // So that `next_offset` can't overflow.
        if self.base_offset < 0 || self.base_offset > i64::MAX - i64::from(last_offset_delta) - 1 {
            return Err(BatchError::BaseOffset(self.base_offset));
        }
        Ok(())
    }

    /// Bytes of the whole batch, header included.
    pub fn size_in_bytes(&self) -> usize {
        layout::LOG_OVERHEAD + self.length as usize
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// The offset after the last record: the next batch's first.
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// Whether an idempotent producer sent the batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// The sequence number of the last record, or [`NO_SEQUENCE`]. After 2^31-1 comes 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            return NO_SEQUENCE;
        }
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// The timestamp of the first record, in milliseconds since 1970. `None` where it can't be
    /// told without opening the records: there are none, or a delete horizon stands in its place.
    pub fn first_timestamp(&self) -> Option<i64> {
        match self.attributes.timestamp_type() {
            TimestampType::LogAppendTime => Some(self.max_timestamp),
            _ if self.attributes.has_delete_horizon() || self.count == 0 => None,
            TimestampType::CreateTime => Some(self.base_timestamp),
        }
    }

    /// The time, in milliseconds since 1970, from which the batch's tombstones may be dropped.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.attributes.has_delete_horizon().then_some(self.base_timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero() {
        let bytes = super::super::BatchBuilder::one_record_for_tests();
        let mut header = BatchHeader::parse(&bytes).unwrap();
        assert_eq!(header.last_sequence(), NO_SEQUENCE);
        header.last_offset_delta = 3;
        header.base_sequence = i32::MAX - 1;
        assert_eq!(header.last_sequence(), 1);
        header.base_sequence = 77;
        assert_eq!(header.last_sequence(), 80);
    }

    #[test]
    fn size_needs_twelve_bytes() {
        let bytes = super::super::BatchBuilder::one_record_for_tests();
        assert_eq!(BatchHeader::peek_size(&bytes[..12]), Some(bytes.len()));
        assert_eq!(BatchHeader::peek_size(&bytes[..11]), None);
        assert_eq!(BatchHeader::peek_size(&[0; 12]), None);
        assert_eq!(BatchHeader::peek_size(&[0xff; 12]), None, "a negative length");
    }

    #[test]
    fn nonsense_is_refused() {
        let bytes = super::super::BatchBuilder::one_record_for_tests();
        let with = |at: usize, new: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[at..at + new.len()].copy_from_slice(new);
            BatchHeader::parse(&bytes).unwrap_err()
        };
        assert_eq!(with(layout::MAGIC_BYTE, &[1]), BatchError::Magic(1));
        assert_eq!(with(layout::LENGTH, &48i32.to_be_bytes()), BatchError::Length(48));
        assert_eq!(
            with(layout::BASE_OFFSET, &i64::MAX.to_be_bytes()),
            BatchError::BaseOffset(i64::MAX)
        );
        assert_eq!(
            with(layout::COUNT, &2i32.to_be_bytes()),
            BatchError::Counts { count: 2, last_offset_delta: 0 }
        );
        assert_eq!(
            BatchHeader::parse(&bytes[..60]),
            Err(BatchError::Truncated { needed: 61, have: 60 })
        );
    }
}
