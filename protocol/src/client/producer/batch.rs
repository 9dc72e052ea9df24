//! A batch of a producer: first it grows, then it is sent and its fate decided.

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::ProducerConfig;
use super::delivery::{Decider, Delivery, Receipt};
use super::record::OutRecord;
use crate::batch::{BatchBuilder, layout};
use crate::client::ClientError;
use crate::client::connection::PendingAppend;
use crate::native::NO_PRODUCER_ID;

/// A batch that takes more records.
#[derive(Debug)]
pub(super) struct Growing {
    builder: BatchBuilder,
    fate: Decider,
    room: Option<OwnedSemaphorePermit>,
    begun: Instant,
}

/// Whose batch it is, and its place among that producer's in the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    pub(super) base_sequence: i32,
}

/// A batch as it is sent.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) bytes: Bytes,
    pub(super) identity: Identity,
    /// How many batches the partition's pipeline had before.
    pub(super) number: u64,
    pub(super) count: i32,
    pub(super) begun: Instant,
    /// Whether it was sent and what came of that is unknown: it may only be sent again as it is.
    pub(super) exposed: bool,
    /// The append under way, and when it was sent.
    pub(super) pending: Option<(PendingAppend, Instant)>,
    fate: Decider,
    /// Given back with the batch.
    _room: Option<OwnedSemaphorePermit>,
}

impl Growing {
    pub(super) fn new(config: &ProducerConfig) -> Self {
        let mut builder = BatchBuilder::new(config.compression);
        if let Some(level) = config.compression_level {
            builder.set_compression_level(level);
        }
        Growing { builder, fate: Decider::default(), room: None, begun: Instant::now() }
    }

    pub(super) fn begun(&self) -> Instant {
        self.begun
    }

    /// Whether a record of at most `bytes` fits; the first one always does.
    pub(super) fn has_room(&self, bytes: usize, limit: usize) -> bool {
        self.builder.is_empty() || self.builder.size_in_bytes() + bytes <= limit
    }

    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.builder.size_in_bytes() >= limit
    }

    pub(super) fn append(
        &mut self,
        record: &OutRecord,
        headers: &[(&str, Option<&[u8]>)],
        timestamp_ms: i64,
        room: OwnedSemaphorePermit,
    ) -> Result<Delivery, ClientError> {
        let index = self.builder.len() as u32;
        self.builder
            .append(timestamp_ms, record.key.as_deref(), record.value.as_deref(), headers)
            .map_err(|error| ClientError::Invalid(error.to_string()))?;
        match &mut self.room {
            Some(mine) => mine.merge(room),
            none => *none = Some(room),
        }
        Ok(self.fate.delivery(index))
    }

    /// The bytes to send. On failure the batch's fate is decided.
    pub(super) fn seal(mut self, identity: Identity, number: u64) -> Result<Sealed, ClientError> {
        let Identity { producer_id, epoch, base_sequence } = identity;
        if producer_id != NO_PRODUCER_ID {
            self.builder.set_producer(producer_id, epoch, base_sequence);
        }
        let count = self.builder.len() as i32;
        let bytes = self.builder.finish().map_err(|error| {
            let error = ClientError::Invalid(error.to_string());
            self.fate.decide(Err(error.clone()));
            error
        })?;
        Ok(Sealed {
            bytes: bytes.into(),
            identity,
            number,
            count,
            begun: self.begun,
            exposed: false,
            pending: None,
            fate: self.fate,
            _room: self.room,
        })
    }

    pub(super) fn fail(self, error: &ClientError) {
        self.fate.decide(Err(error.clone()));
    }
}

impl Identity {
    /// The identity of the batch behind one of `count` records. After 2^31 - 1 comes 0.
    pub(super) fn after(self, count: i32) -> Self {
        Identity { base_sequence: self.base_sequence.wrapping_add(count) & i32::MAX, ..self }
    }
}

impl Sealed {
    pub(super) fn last_sequence(&self) -> i32 {
        self.identity.base_sequence.wrapping_add(self.count - 1) & i32::MAX
    }

    /// Gives a batch that is surely not in the log another identity.
    pub(super) fn restamp(&mut self, identity: Identity) {
        debug_assert!(!self.exposed, "a batch that may be in the log keeps its identity");
        let mut bytes = Vec::from(std::mem::take(&mut self.bytes));
        bytes[layout::PRODUCER_ID..][..8].copy_from_slice(&identity.producer_id.to_be_bytes());
        bytes[layout::PRODUCER_EPOCH..][..2].copy_from_slice(&identity.epoch.to_be_bytes());
        bytes[layout::BASE_SEQUENCE..][..4].copy_from_slice(&identity.base_sequence.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[layout::ATTRIBUTES..]);
        bytes[layout::CRC..][..4].copy_from_slice(&crc.to_be_bytes());
        self.bytes = bytes.into();
        self.identity = identity;
    }

    pub(super) fn deliver(self, first: Receipt) {
        self.fate.decide(Ok(first));
    }

    pub(super) fn fail(self, error: &ClientError) {
        self.fate.decide(Err(error.clone()));
    }
}
