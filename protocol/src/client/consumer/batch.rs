//! What a consumer gives: batches as they came, and the records in them.

use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{BatchError, BatchHeader, BatchView, Record};
use crate::client::ClientError;

/// A batch, checked against its CRC. Its first records may lie below what was asked for, its last
/// ones beyond the end that was set: [`ConsumedBatch::records`] leaves those out.
#[derive(Clone, Debug)]
pub struct ConsumedBatch {
    pub(super) topic: Arc<str>,
    pub(super) partition: u32,
    pub(super) bytes: Bytes,
    pub(super) header: BatchHeader,
    /// The first offset wanted.
    pub(super) from: i64,
    /// The first offset no longer wanted.
    pub(super) until: i64,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: i64,
    /// In ms since 1970.
    pub timestamp_ms: i64,
    /// The key, if there is one.
    pub key: Option<Bytes>,
    /// The value, if there is one.
    pub value: Option<Bytes>,
    /// Names and values beside it. Names are UTF-8, unless somebody was careless.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl ConsumedBatch {
    /// The topic.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The batch's bytes, as they are on disk.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The first offset in the batch that was asked for, if there is one.
    pub fn first_offset(&self) -> Option<i64> {
        let first = self.header.base_offset.max(self.from);
        (first < self.until && first <= self.header.last_offset()).then_some(first)
    }

    /// The records, each a part of the batch's bytes, or of what they decompress to: at most
    /// [`MAX_DECOMPRESSED_BYTES`](crate::batch::MAX_DECOMPRESSED_BYTES).
    ///
    /// # Errors
    /// [`ClientError::Unreadable`]: a client compressed or wrote nonsense, or the codec is not
    /// compiled in.
    pub fn records(&self) -> Result<Vec<ConsumedRecord>, ClientError> {
        self.parse_records().map_err(|error| ClientError::Unreadable {
            topic: self.topic.to_string(),
            partition: self.partition,
            first: self.header.base_offset,
            last: self.header.last_offset(),
            reason: error.to_string(),
        })
    }

    /// Calls `each` with every record, borrowed: the fastest way through a batch. Stops at the first
    /// error.
    ///
    /// # Errors
    /// As for [`ConsumedBatch::records`].
    pub fn for_each(&self, mut each: impl FnMut(&Record<'_>)) -> Result<(), BatchError> {
        let records = BatchView::parse_unhashed(&self.bytes)?.records()?;
        for record in &records {
            let record = record?;
            if (self.from..self.until).contains(&record.offset) {
                each(&record);
            }
        }
        Ok(())
    }

    fn parse_records(&self) -> Result<Vec<ConsumedRecord>, BatchError> {
        let view = BatchView::parse_unhashed(&self.bytes)?;
        let records = view.records()?;
        let owner = self.owner(view.record_bytes(), records.bytes());
        let slice = |part: &[u8]| slice_of(&owner, records.bytes(), part);
        let mut out = Vec::new();
        for record in &records {
            let record = record?;
            if !(self.from..self.until).contains(&record.offset) {
                continue;
            }
            out.push(ConsumedRecord {
                topic: Arc::clone(&self.topic),
                partition: self.partition,
                offset: record.offset,
                timestamp_ms: record.timestamp,
                key: record.key.map(slice),
                value: record.value.map(slice),
                headers: record
                    .headers()
                    .map(|header| (slice(header.key), header.value.map(slice)))
                    .collect(),
            });
        }
        Ok(out)
    }

    /// The records' bytes, owned: the batch's own, or a copy of the decompressed ones.
    fn owner(&self, compressed: &[u8], records: &[u8]) -> Bytes {
        if std::ptr::eq(compressed, records) {
            self.bytes.slice(self.bytes.len() - records.len()..)
        } else {
            Bytes::copy_from_slice(records)
        }
    }
}

/// The part of `owner` that `part` is of `whole`: both hold the same bytes.
fn slice_of(owner: &Bytes, whole: &[u8], part: &[u8]) -> Bytes {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    match start.checked_add(part.len()) {
        Some(end) if end <= owner.len() && !part.is_empty() => owner.slice(start..end),
        _ => Bytes::copy_from_slice(part),
    }
}
