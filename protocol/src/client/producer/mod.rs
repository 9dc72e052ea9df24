//! The producer: batches by bytes and time, pipelines, and rides out a restart of the server.
//!
//! ```text
//! send ──room in the buffer──> queue of the partition: [sealed][sealed][open, growing]
//!                                   │ the partition's task takes them, in order
//!                                   v
//!                     pipeline: [sent][sent][sent] ──append──> the core that owns the partition
//!                                   │ answers, in order
//!                                   v
//!                               Delivery of each record
//! ```
//! A record belongs to a partition: the one it names, else the one of its key's hash as Kafka's
//! clients compute it, else one for a while and then the next.
//!
//! What is promised:
//! - **Idempotent** (the default): every record that is delivered is in the log once, and records of
//!   a partition are in the order of their `send`. A record whose delivery failed is in the log once
//!   or not at all; the error's class says whether it may be.
//! - **Not idempotent**: a record may be there twice after a lost connection, and records in flight
//!   at the same time may change places.
//! - **[`Acks::None`]**: delivery says only that the operating system took the bytes.

mod batch;
mod config;
mod delivery;
mod pipeline;
mod queue;
mod record;
mod shared;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::{Client, ClientError, lock};
use crate::batch::BatchBuilder;
use crate::native::NO_PRODUCER_ID;

pub use config::{Acks, ProducerConfig};
pub use delivery::{Delivery, Receipt};
pub use record::OutRecord;

use pipeline::Pipeline;
use queue::Queue;
use shared::Shared;

/// Appends records to one topic. Its methods take `&self`: share it in an `Arc`.
///
/// Dropped without [`Producer::close`] it forgets what was not sent yet.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    partitions: std::sync::Mutex<Partitions>,
}

/// The partitions' queues, and the tasks that empty them.
#[derive(Debug, Default)]
struct Partitions {
    queues: Vec<Arc<Queue>>,
    tasks: JoinSet<()>,
    sticky: Sticky,
}

/// Where records without a key go: a partition at a time, so that batches grow large.
#[derive(Debug, Default)]
struct Sticky {
    partition: u32,
    bytes: usize,
}

impl Producer {
    pub(super) async fn open(
        client: Client,
        topic: &str,
        config: ProducerConfig,
    ) -> Result<Producer, ClientError> {
        config.check()?;
        let partition = client.look(topic, 0).await?;
        let producer_id = if config.is_idempotent() {
            client.allocate_producer_id().await?.producer_id
        } else {
            NO_PRODUCER_ID
        };
        let shared = Arc::new(Shared::new(client, topic, config, producer_id, &partition));
        Ok(Producer { shared, partitions: std::sync::Mutex::default() })
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.shared.topic
    }

    /// How many partitions the topic has, as far as the producer knows.
    pub fn partitions(&self) -> u32 {
        self.shared.partitions.load(Ordering::Relaxed)
    }

    /// Takes a record, once there is room for it. The [`Delivery`] tells when it is durable; it may
    /// be dropped, and [`Producer::flush`] used instead.
    ///
    /// Stopping to wait for this future leaves the record unsent.
    ///
    /// # Errors
    /// When the record is too large for the topic or its partition does not exist; nothing is sent
    /// then.
    pub async fn send(&self, record: OutRecord) -> Result<Delivery, ClientError> {
        let headers: Vec<(&str, Option<&[u8]>)> =
            record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let bytes = BatchBuilder::record_size_bound(key, value, &headers);
        self.shared.check_size(bytes)?;
        if let Some(partition) = record.partition {
            self.shared.check_partition(partition).await?;
        }
        let room = self.shared.room(bytes).await?;
        let queue = self.queue(&record, bytes);
        queue.push(&record, &headers, bytes, room)
    }

    /// Waits until every record sent before is delivered or has failed. Later sends wait meanwhile.
    ///
    /// # Errors
    /// With the first failure since the last flush.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let flushing = self.shared.begin_flush();
        self.queues().iter().for_each(|queue| queue.wake());
        // Every batch gives its room back once it is delivered or has failed, and those who ask for
        // room later stand behind.
        let all = self.shared.all_room().await;
        drop(flushing);
        drop(all?);
        self.shared.take_failure()
    }

    /// Flushes, then ends.
    ///
    /// # Errors
    /// As for [`Producer::flush`].
    pub async fn close(self) -> Result<(), ClientError> {
        self.flush().await
        // Dropping the set of tasks ends them; there is nothing left for them to do.
    }

    fn queues(&self) -> Vec<Arc<Queue>> {
        lock(&self.partitions).queues.clone()
    }

    /// The queue of the record's partition; its task is started with it.
    fn queue(&self, record: &OutRecord, bytes: usize) -> Arc<Queue> {
        let count = self.partitions();
        let mut partitions = lock(&self.partitions);
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => crate::murmur2::partition_for_key(key, count),
            (None, None) => partitions.sticky.next(bytes, count, self.shared.config.batch_bytes),
        };
        while partitions.queues.len() <= partition as usize {
            let partition = partitions.queues.len() as u32;
            let queue = Arc::new(Queue::new(Arc::clone(&self.shared)));
            let pipeline = Pipeline::new(Arc::clone(&self.shared), Arc::clone(&queue), partition);
            partitions.tasks.spawn(pipeline.run());
            partitions.queues.push(queue);
        }
        Arc::clone(&partitions.queues[partition as usize])
    }
}

impl Sticky {
    fn next(&mut self, bytes: usize, partitions: u32, batch_bytes: usize) -> u32 {
        if self.bytes > 0 && self.bytes + bytes > batch_bytes {
            *self = Sticky { partition: (self.partition + 1) % partitions.max(1), bytes: 0 };
        }
        self.bytes += bytes;
        self.partition
    }
}
