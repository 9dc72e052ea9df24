//! Making batches: what a producer does.

use bytes::BufMut;

use super::compression::{self, Codec, CompressionError};
use super::header::{Attributes, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP};
use super::layout;
use crate::wire::{Writer, varint_len, varlong_len};

/// Why a batch could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There are no records.
    #[error("a batch without records")]
    Empty,
    /// The batch would grow beyond what its length field can say.
    #[error("a batch of more than 2^31-1 bytes")]
    TooLarge,
    /// The codec failed.
    #[error(transparent)]
    Compression(#[from] CompressionError),
}

/// Collects records and turns them into one batch, with base offset 0 and leader epoch -1, for
/// the server to [`stamp`](super::stamp()).
///
/// ```
/// use duramen_protocol::batch::{BatchBuilder, BatchView, Codec};
///
/// let mut builder = BatchBuilder::new(Codec::None);
/// builder.append(1_750_000_000_000, Some(b"key"), Some(b"value"), &[("trace", Some(b"7f"))])?;
/// let batch = builder.finish()?;
///
/// let records = BatchView::parse(&batch)?.records()?;
/// let record = records.iter().next().unwrap()?;
/// assert_eq!(record.value, Some(&b"value"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    codec: Codec,
    level: Option<i32>,
    attributes: Attributes,
    /// The header's place, then the records, not compressed.
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
}

impl BatchBuilder {
    /// An empty batch whose records will be compressed with `codec`.
    pub fn new(codec: Codec) -> Self {
        BatchBuilder {
            codec,
            level: None,
            attributes: Attributes::default(),
            bytes: vec![0; layout::HEADER_LEN],
            count: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: NO_SEQUENCE,
        }
    }

    /// Makes room for `bytes` of records at once.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// How hard the codec tries, on its own scale; its own choice without this.
    pub fn set_compression_level(&mut self, level: i32) {
        self.level = Some(level);
    }

    /// Makes the batch an idempotent producer's: its first record has `base_sequence`.
    pub fn set_producer(&mut self, id: i64, epoch: i16, base_sequence: i32) {
        self.producer_id = id;
        self.producer_epoch = epoch;
        self.base_sequence = base_sequence;
    }

    /// Makes the batch part of the producer's transaction.
    pub fn set_transactional(&mut self) {
        self.attributes = self.attributes.with_transactional(true);
    }

    /// Makes the records the server's own markers.
    pub fn set_control(&mut self) {
        self.attributes = self.attributes.with_control(true);
    }

    /// Adds a record. `timestamp_ms` counts from 1970; no key and no value are different from
    /// empty ones; header names may repeat.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`]; the batch stays as it was.
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<(), BuildError> {
        let base_timestamp = if self.is_empty() { timestamp_ms } else { self.base_timestamp };
        let timestamp_delta = timestamp_ms.wrapping_sub(base_timestamp);
        // Sizes are summed in usize first: what fits there as a whole fits an i32 in its parts.
        let body_len = 1
            + varlong_len(timestamp_delta)
            + varint_len(self.count)
            + nullable_len(key)
            + nullable_len(value)
            + headers_len(headers);
        if body_len + 5 > i32::MAX as usize - self.bytes.len() {
            return Err(BuildError::TooLarge);
        }
        let out = &mut self.bytes;
        out.reserve(body_len + 5);
        out.put_varint(body_len as i32);
        out.put_i8(0);
        out.put_varlong(timestamp_delta);
        out.put_varint(self.count);
        put_nullable(out, key);
        put_nullable(out, value);
        out.put_varint(headers.len() as i32);
        for (key, value) in headers {
            put_nullable(out, Some(key.as_bytes()));
            put_nullable(out, *value);
        }
        self.max_timestamp =
            if self.count == 0 { timestamp_ms } else { self.max_timestamp.max(timestamp_ms) };
        self.base_timestamp = base_timestamp;
        self.count += 1;
        Ok(())
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch as it is, before compression.
    pub fn size_in_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// An upper bound of what one more record adds to [`BatchBuilder::size_in_bytes`].
    pub fn record_size_bound(
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> usize {
        // Length, attributes, timestamp delta and offset delta at their longest.
        const FIXED_MAX: usize = 5 + 1 + 10 + 5;
        FIXED_MAX + nullable_len(key) + nullable_len(value) + headers_len(headers)
    }

    /// Compresses the records, writes the header, and gives the whole batch.
    ///
    /// # Errors
    /// [`BuildError::Empty`] without records, otherwise what the codec says.
    pub fn finish(mut self) -> Result<Vec<u8>, BuildError> {
        if self.is_empty() {
            return Err(BuildError::Empty);
        }
        if self.codec != Codec::None {
            let records = &self.bytes[layout::HEADER_LEN..];
            let compressed = compression::compress(self.codec, self.level, records)?;
            self.bytes.truncate(layout::HEADER_LEN);
            self.bytes.extend_from_slice(&compressed);
        }
        self.write_header()?;
        Ok(self.bytes)
    }

    fn write_header(&mut self) -> Result<(), BuildError> {
        let length = i32::try_from(self.bytes.len() - layout::LOG_OVERHEAD)
            .map_err(|_| BuildError::TooLarge)?;
        let mut header = &mut self.bytes[..layout::HEADER_LEN];
        header.put_i64(0);
        header.put_i32(length);
        header.put_i32(-1);
        header.put_i8(layout::MAGIC);
        header.put_u32(0);
        header.put_i16(self.attributes.with_codec(self.codec).0);
        header.put_i32(self.count - 1);
        header.put_i64(self.base_timestamp);
        header.put_i64(self.max_timestamp);
        header.put_i64(self.producer_id);
        header.put_i16(self.producer_epoch);
        header.put_i32(self.base_sequence);
        header.put_i32(self.count);
        debug_assert!(header.is_empty());
        let crc = crc32c::crc32c(&self.bytes[layout::ATTRIBUTES..]);
        (&mut self.bytes[layout::CRC..]).put_u32(crc);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn one_record_for_tests() -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(1_750_000_000_000, Some(b"key"), Some(b"value"), &[]).unwrap();
        builder.finish().unwrap()
    }
}

fn nullable_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => varint_len(-1),
        // A length over an i32 is only summed here, never written: `append` refuses it.
        Some(bytes) => varlong_len(bytes.len() as i64) + bytes.len(),
    }
}

fn headers_len(headers: &[(&str, Option<&[u8]>)]) -> usize {
    varlong_len(headers.len() as i64)
        + headers
            .iter()
            .map(|(key, value)| nullable_len(Some(key.as_bytes())) + nullable_len(*value))
            .sum::<usize>()
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.put_varint(-1),
        Some(bytes) => {
            out.put_varint(bytes.len() as i32);
            out.put_slice(bytes);
        }
    }
}
