//! How a producer works.

use std::time::Duration;

use crate::batch::Codec;
use crate::client::ClientError;

/// The most batches an idempotent producer may have unacknowledged in a partition: the server
/// remembers as many.
pub(super) const IDEMPOTENT_IN_FLIGHT: usize = 5;

/// When a record counts as delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Once it is on stable storage.
    #[default]
    Durable,
    /// Once the operating system took it. It may get lost, and there is no offset.
    None,
}

/// How a producer works.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// How long a batch waits for more records while there would be room to send it. 0 sends at
    /// once; batches still grow while others are in flight.
    pub linger: Duration,
    /// A batch is full with so many bytes, before compression. A larger record makes a batch alone.
    pub batch_bytes: usize,
    /// How batches are compressed.
    pub compression: Codec,
    /// How hard to compress, on the codec's own scale.
    pub compression_level: Option<i32>,
    /// When a record counts as delivered.
    pub acks: Acks,
    /// Whether repeated batches are told from new ones. Never with [`Acks::None`].
    pub idempotent: bool,
    /// How many batches of a partition may be unacknowledged, at most 5 if idempotent.
    pub max_in_flight: usize,
    /// How many bytes of records may wait in the producer, all partitions together, before `send`
    /// waits.
    pub buffer_bytes: usize,
    /// How long to try before a record's delivery fails.
    pub delivery_timeout: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        ProducerConfig {
            linger: Duration::ZERO,
            batch_bytes: 256 << 10,
            compression: Codec::None,
            compression_level: None,
            acks: Acks::Durable,
            idempotent: true,
            max_in_flight: IDEMPOTENT_IN_FLIGHT,
            buffer_bytes: 32 << 20,
            delivery_timeout: Duration::from_secs(120),
        }
    }
}

impl ProducerConfig {
    /// Whether repeated batches are told from new ones: as asked for, but without answers there is
    /// nothing to repeat after.
    pub fn is_idempotent(&self) -> bool {
        self.idempotent && self.acks == Acks::Durable
    }

    pub(super) fn check(&self) -> Result<(), ClientError> {
        let invalid = |what: &str| Err(ClientError::Invalid(what.to_owned()));
        if self.max_in_flight == 0 {
            return invalid("max_in_flight is 0: nothing could be sent");
        }
        if self.is_idempotent() && self.max_in_flight > IDEMPOTENT_IN_FLIGHT {
            return invalid("max_in_flight is over 5, which an idempotent producer can't have");
        }
        if self.batch_bytes == 0 || self.buffer_bytes == 0 {
            return invalid("batch_bytes or buffer_bytes is 0: nothing could be collected");
        }
        if u32::try_from(self.buffer_bytes).is_err() {
            return invalid("buffer_bytes is over 4 GiB");
        }
        Ok(())
    }
}
