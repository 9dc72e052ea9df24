//! A batch of changes to a table: to be appended, or read from the log.

use duramen_protocol::batch::{BatchBuilder, BatchError, BatchView, Codec};
use duramen_protocol::wire::WireError;

use super::records::{OffsetKey, OffsetValue};
use super::staged_map::{LogBytes, entry_bytes};
use crate::io::Now;

/// Changes of a table that are not in the log yet: one batch, which is durable as a whole or not
/// at all.
///
/// A plan is appended and then given to [`super::OffsetTable::staged`], or dropped.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) changes: Vec<Change>,
    /// The log's end for which the changes were worked out.
    pub(super) log_end: i64,
    /// Whether the batch is part of a snapshot.
    pub(super) is_snapshot: bool,
}

/// A key's new value, or none to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Offset(OffsetKey, Option<OffsetValue>),
    /// A record of another kind.
    Other(Vec<u8>, Option<Vec<u8>>),
}

/// A batch in the log of `__consumer_offsets` that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLog {
    #[error("the batch at offset {offset} of __consumer_offsets can't be read: {error}")]
    Batch { offset: i64, error: BatchError },
    #[error("the record at offset {offset} of __consumer_offsets is not understood: {error}")]
    Record { offset: i64, error: WireError },
    #[error("the record at offset {offset} of __consumer_offsets has no key")]
    NoKey { offset: i64 },
    #[error("the batch at offset {offset} of __consumer_offsets belongs to a transaction")]
    Transaction { offset: i64 },
}

impl Plan {
    /// How many records it has; never none.
    #[expect(clippy::len_without_is_empty, reason = "tables give out no empty plan")]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// The batch, with base offset 0, not compressed.
    pub fn to_batch(&self, now: Now) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.reserve(self.log_bytes() as usize);
        for change in &self.changes {
            let (key, value) = change.encode();
            builder
                .append(now.wall_ms, Some(&key), value.as_deref(), &[])
                .expect("a plan's bytes are bounded far below what a batch can hold");
        }
        builder.finish().expect("a plan has records, and they are not compressed")
    }

    /// No less than the length of its records.
    pub(super) fn log_bytes(&self) -> u64 {
        self.changes.iter().map(Change::log_bytes).sum()
    }
}

impl Change {
    fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Change::Offset(key, value) => (key.encode(), value.as_ref().map(OffsetValue::encode)),
            Change::Other(key, value) => (key.clone(), value.clone()),
        }
    }

    /// No less than the length of its record.
    pub(super) fn log_bytes(&self) -> u64 {
        match self {
            Change::Offset(key, Some(value)) => entry_bytes(key, value),
            Change::Offset(key, None) => entry_bytes(key, &Vec::new()),
            Change::Other(key, value) => entry_bytes(key, value.as_ref().unwrap_or(&Vec::new())),
        }
    }
}

/// The changes that a batch of the log holds. Control batches hold none.
///
/// # Errors
/// When the batch is not understood.
pub(super) fn read(batch: &BatchView<'_>) -> Result<Vec<Change>, InvalidLog> {
    let (header, offset) = (batch.header(), batch.header().base_offset);
    if header.attributes.is_control() {
        return Ok(Vec::new());
    }
    if header.attributes.is_transactional() {
        return Err(InvalidLog::Transaction { offset });
    }
    let unreadable = |error| InvalidLog::Batch { offset, error };
    let records = batch.records().map_err(unreadable)?;
    let mut changes = Vec::new();
    for record in &records {
        let record = record.map_err(unreadable)?;
        let offset = record.offset;
        let key = record.key.ok_or(InvalidLog::NoKey { offset })?;
        let change = read_change(key, record.value);
        changes.push(change.map_err(|error| InvalidLog::Record { offset, error })?);
    }
    Ok(changes)
}

fn read_change(key: &[u8], value: Option<&[u8]>) -> Result<Change, WireError> {
    Ok(match OffsetKey::decode(key)? {
        Some(key) => Change::Offset(key, value.map(OffsetValue::decode).transpose()?),
        None => Change::Other(key.to_vec(), value.map(<[u8]>::to_vec)),
    })
}

impl LogBytes for OffsetKey {
    fn log_bytes(&self) -> usize {
        10 + self.group.len() + self.topic.len()
    }
}

impl LogBytes for OffsetValue {
    fn log_bytes(&self) -> usize {
        48 + self.metadata.len()
    }
}
