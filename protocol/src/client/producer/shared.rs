//! What a producer and its partitions' tasks share.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ProducerConfig;
use crate::batch::{Codec, HEADER_LEN};
use crate::client::{Client, ClientError, lock};
use crate::native::messages::OpenAnswer;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) topic: Box<str>,
    pub(super) config: ProducerConfig,
    /// Of the producer as a whole; a partition that runs out of epochs takes another.
    pub(super) producer_id: i64,
    pub(super) partitions: AtomicU32,
    max_message_bytes: AtomicU32,
    /// A permit is a byte of records that may wait.
    room: Arc<Semaphore>,
    /// How many flushes are under way: nothing lingers meanwhile.
    flushes: AtomicUsize,
    /// The first failure since the last flush.
    failure: Mutex<Option<ClientError>>,
}

/// While it lives nothing lingers.
pub(super) struct Flushing<'a>(&'a AtomicUsize);

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    pub(super) fn new(
        client: Client,
        topic: &str,
        config: ProducerConfig,
        producer_id: i64,
        partition: &OpenAnswer,
    ) -> Self {
        Shared {
            client,
            topic: topic.into(),
            room: Arc::new(Semaphore::new(config.buffer_bytes)),
            config,
            producer_id,
            partitions: AtomicU32::new(partition.partitions),
            max_message_bytes: AtomicU32::new(partition.max_message_bytes),
            flushes: AtomicUsize::new(0),
            failure: Mutex::default(),
        }
    }

    /// Takes note of what the server says of the topic now.
    pub(super) fn learn(&self, partition: &OpenAnswer) {
        self.partitions.fetch_max(partition.partitions, Ordering::Relaxed);
        self.max_message_bytes.store(partition.max_message_bytes, Ordering::Relaxed);
    }

    /// Checks that a record fits into a batch. Compressed ones the server judges.
    pub(super) fn check_size(&self, bytes: usize) -> Result<(), ClientError> {
        let limit = self.max_message_bytes.load(Ordering::Relaxed) as usize;
        if self.config.compression == Codec::None && HEADER_LEN + bytes > limit {
            return Err(ClientError::Invalid(format!(
                "a record of {bytes} bytes does not fit into a batch of topic {}, whose \
                 max.message.bytes is {limit}; raise it or send smaller records",
                self.topic
            )));
        }
        Ok(())
    }

    /// Checks that there is such a partition, asking the server before saying no.
    pub(super) async fn check_partition(&self, partition: u32) -> Result<(), ClientError> {
        if partition < self.partitions.load(Ordering::Relaxed) {
            return Ok(());
        }
        let first = self.client.look(&self.topic, 0).await?;
        self.learn(&first);
        match first.partitions {
            count if partition < count => Ok(()),
            count => Err(ClientError::Invalid(format!(
                "topic {} has partitions 0 to {}, not {partition}",
                self.topic,
                count.saturating_sub(1)
            ))),
        }
    }

    /// The largest batch to collect: what was configured, or what the topic takes.
    pub(super) fn batch_bytes(&self) -> usize {
        let limit = self.max_message_bytes.load(Ordering::Relaxed) as usize;
        self.config.batch_bytes.min(limit)
    }

    /// Waits for room for a record. One larger than the whole buffer may have all of it.
    pub(super) async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ClientError> {
        self.acquire(bytes.min(self.config.buffer_bytes)).await
    }

    /// Waits until nothing waits.
    pub(super) async fn all_room(&self) -> Result<OwnedSemaphorePermit, ClientError> {
        self.acquire(self.config.buffer_bytes).await
    }

    async fn acquire(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ClientError> {
        // `ProducerConfig::check` made sure that the buffer's bytes fit.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| ClientError::Closed)
    }

    pub(super) fn begin_flush(&self) -> Flushing<'_> {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        Flushing(&self.flushes)
    }

    pub(super) fn is_flushing(&self) -> bool {
        self.flushes.load(Ordering::SeqCst) > 0
    }

    /// Remembers the first failure for the next flush.
    pub(super) fn failed(&self, error: &ClientError) {
        lock(&self.failure).get_or_insert_with(|| error.clone());
    }

    pub(super) fn take_failure(&self) -> Result<(), ClientError> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }
}
