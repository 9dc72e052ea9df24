//! The client: asynchronous, on tokio.
//!
//! [`Client`] asks for topics, offsets and statistics. A [`Producer`] batches, pipelines, and by
//! default is idempotent: it reconnects and repeats without duplicates and without changing the
//! order. A [`Consumer`] subscribes: the server pushes what becomes durable, as far as the consumer
//! keeps up.
//!
//! ```no_run
//! use duramen_protocol::client::{Client, OutRecord, ProducerConfig, Start};
//! use duramen_protocol::native::messages::CreateTopic;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("127.0.0.1:7070").await?;
//! let topic = CreateTopic { name: "events".into(), if_not_exists: true, ..Default::default() };
//! client.create_topic(topic).await?;
//!
//! let producer = client.producer("events", ProducerConfig::default()).await?;
//! let delivery = producer.send(OutRecord::new("hello").with_key("greeting")).await?;
//! let receipt = delivery.await?;
//! println!("durable: {}-{:?}", receipt.partition, receipt.offset);
//! producer.close().await?;
//!
//! let mut consumer = client.consumer("events").start(Start::Beginning).until_end().open().await?;
//! while let Some(record) = consumer.next().await? {
//!     println!("{} {:?}", record.offset, record.value);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//! ```text
//! Client ─ admin        one question, one answer, repeated where that is harmless
//! Producer ─ queue ─ pipeline    a queue and a task a partition
//! Consumer ─ PushBuffer          a buffer a subscription, merged in turn
//!     └ Pool ─ Connection        one a core: a task reads, a task writes
//! ```
//! Every queue has a bound that the configuration names, and fullness waits where the caller is:
//! [`Producer::send`] waits for room, and a consumer whose `next` nobody calls grants no credit.

mod admin;
mod backoff;
mod config;
mod connection;
mod consumer;
mod error;
mod pool;
mod producer;
mod push;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use admin::ReadBytes;
pub use config::ClientConfig;
pub use consumer::{
    ConsumedBatch, ConsumedRecord, Consumer, ConsumerBuilder, Gap, GapReason, Item, Start,
};
pub use error::ClientError;
pub use producer::{Acks, Delivery, OutRecord, Producer, ProducerConfig, Receipt};

use backoff::Backoff;
use pool::Pool;

/// A server, as its clients see it. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Arc<Pool>,
}

impl Client {
    /// Connects to `HOST:PORT` with the defaults of [`ClientConfig`].
    ///
    /// # Errors
    /// When the server could not be reached for [`ClientConfig::retry_for`], or does not speak the
    /// protocol.
    pub async fn connect(server: impl Into<String>) -> Result<Client, ClientError> {
        Client::with_config(ClientConfig::new(server)).await
    }

    /// Connects.
    ///
    /// # Errors
    /// As for [`Client::connect`].
    pub async fn with_config(config: ClientConfig) -> Result<Client, ClientError> {
        let mut backoff = Backoff::new(config.retry_for);
        let pool = Arc::new(Pool::new(config));
        while let Err(error) = pool.any().await {
            match error.class() {
                crate::codes::Class::Fatal => return Err(error),
                _ => backoff.wait(error).await?,
            }
        }
        Ok(Client { pool })
    }

    /// How this client connects.
    pub fn config(&self) -> &ClientConfig {
        self.pool.config()
    }

    /// A producer for one topic.
    ///
    /// # Errors
    /// When there is no such topic, the configuration makes no sense, or the server could not be
    /// reached for [`ClientConfig::retry_for`].
    pub async fn producer(
        &self,
        topic: &str,
        config: ProducerConfig,
    ) -> Result<Producer, ClientError> {
        Producer::open(self.clone(), topic, config).await
    }

    /// Begins to describe a consumer of one topic.
    pub fn consumer(&self, topic: &str) -> ConsumerBuilder {
        ConsumerBuilder::new(self.clone(), topic)
    }
}

/// Locks; a panic elsewhere leaves nothing half-done under any of the client's locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
