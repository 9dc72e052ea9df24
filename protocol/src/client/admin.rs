//! One question, one answer.
//!
//! While the server can't be reached, or can't do it now, the question is asked again, for
//! [`ClientConfig::retry_for`](super::ClientConfig::retry_for). When the connection breaks before the
//! answer comes, only questions are repeated that may be asked twice.

use super::pool::Opened;
use super::{Backoff, Client, ClientError};
use crate::codes::Class;
use crate::native::field::Call;
use crate::native::messages::*;

/// Whether a request may be made twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It comes to the same.
    Harmless,
    /// The second one would fail, or do more: a break before the answer is an error.
    Never,
}

impl Client {
    /// Makes a topic.
    ///
    /// # Errors
    /// What the server answers: the name is taken or invalid, or a configuration is.
    pub async fn create_topic(&self, topic: CreateTopic) -> Result<CreateTopicAnswer, ClientError> {
        let repeat = if topic.if_not_exists { Repeat::Harmless } else { Repeat::Never };
        self.ask(&topic, repeat).await
    }

    /// Removes a topic and its records.
    ///
    /// # Errors
    /// When there is no such topic.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClientError> {
        self.ask(&DeleteTopic { name: name.to_owned() }, Repeat::Never).await.map(|Empty| ())
    }

    /// All topics, by name.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn list_topics(&self) -> Result<Vec<ListedTopic>, ClientError> {
        self.ask(&ListTopics, Repeat::Harmless).await.map(|answer| answer.topics)
    }

    /// A topic's partitions and configuration.
    ///
    /// # Errors
    /// When there is no such topic.
    pub async fn describe_topic(&self, name: &str) -> Result<DescribeTopicAnswer, ClientError> {
        self.ask(&DescribeTopic { name: name.to_owned() }, Repeat::Harmless).await
    }

    /// Changes a topic's configuration, or adds partitions.
    ///
    /// # Errors
    /// When there is no such topic, or what is asked for is not valid; nothing is changed then.
    pub async fn alter_topic(&self, change: AlterTopic) -> Result<(), ClientError> {
        // Setting what is set already changes nothing.
        self.ask(&change, Repeat::Harmless).await.map(|Empty| ())
    }

    /// Finds an offset of a partition: the first, the next, by timestamp.
    ///
    /// # Errors
    /// When there is no such partition.
    pub async fn find_offset(
        &self,
        topic: &str,
        partition: u32,
        query: OffsetQuery,
    ) -> Result<FindOffsetAnswer, ClientError> {
        self.ask_partition(topic, partition, &FindOffset { query }).await
    }

    /// Removes a partition's records below `before`, or all durable ones with -1. Gives the first
    /// offset there is now.
    ///
    /// # Errors
    /// When there is no such partition, or `before` lies above its end.
    pub async fn delete_records(
        &self,
        topic: &str,
        partition: u32,
        before: i64,
    ) -> Result<i64, ClientError> {
        let answer = self.ask_partition(topic, partition, &DeleteRecords { before }).await?;
        Ok(answer.log_start)
    }

    /// Stores positions of the consumer named `group`: all, durable, or none.
    ///
    /// # Errors
    /// When a partition is unknown, or a name or metadata is too long.
    pub async fn commit_offsets(
        &self,
        group: &str,
        offsets: Vec<CommittedOffset>,
    ) -> Result<(), ClientError> {
        let commit = CommitOffsets { group: group.to_owned(), offsets };
        self.ask(&commit, Repeat::Harmless).await.map(|Empty| ())
    }

    /// The positions stored for the consumer named `group`; of some partitions, or of all.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn fetch_offsets(
        &self,
        group: &str,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<Vec<CommittedOffset>, ClientError> {
        let fetch = FetchOffsets { group: group.to_owned(), partitions };
        self.ask(&fetch, Repeat::Harmless).await.map(|answer| answer.offsets)
    }

    /// The server's counters and facts.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn stats(&self) -> Result<StatsAnswer, ClientError> {
        self.ask(&Stats, Repeat::Harmless).await
    }

    /// Asks whether the server is there.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ping(&self) -> Result<(), ClientError> {
        self.ask(&Ping { echo: Vec::new() }, Repeat::Harmless).await.map(|_| ())
    }

    /// A producer id that nobody else has.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn allocate_producer_id(&self) -> Result<AllocateProducerIdAnswer, ClientError> {
        // An id that got lost on the way is never used; there are 2^63.
        self.ask(&AllocateProducerId, Repeat::Harmless).await
    }

    /// What the server said of itself when it was last connected to: version, cores, id, limits.
    ///
    /// # Errors
    /// When it can't be reached now.
    pub async fn server(&self) -> Result<HelloAnswer, ClientError> {
        self.pool.any().await.map(|connection| connection.hello().clone())
    }

    /// Opens a partition on the core that owns it, trying as long as that may help.
    pub(super) async fn open(&self, open: &Open) -> Result<Opened, ClientError> {
        let mut backoff = Backoff::new(self.config().retry_for);
        loop {
            match self.pool.open(open, None).await {
                Ok(opened) => return Ok(opened),
                Err(error) if error.class() == Class::Fatal => return Err(error),
                Err(error) => backoff.wait(error).await?,
            }
        }
    }

    /// Opens a partition, asking `hint` first. Tries once.
    pub(super) async fn open_once(
        &self,
        open: &Open,
        hint: Option<u16>,
    ) -> Result<Opened, ClientError> {
        self.pool.open(open, hint).await
    }

    /// Asks any core.
    async fn ask<C: Call>(&self, call: &C, repeat: Repeat) -> Result<C::Answer, ClientError> {
        let mut backoff = Backoff::new(self.config().retry_for);
        loop {
            let error = match self.ask_once(call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error.class() {
                Class::Retriable => backoff.wait(error).await?,
                Class::PerhapsApplied if repeat == Repeat::Harmless => backoff.wait(error).await?,
                _ => return Err(error),
            }
        }
    }

    async fn ask_once<C: Call>(&self, call: &C) -> Result<C::Answer, ClientError> {
        self.pool.any().await?.call(0, call).await
    }

    /// Asks the core that owns a partition. All such questions may be repeated.
    async fn ask_partition<C: Call>(
        &self,
        topic: &str,
        partition: u32,
        call: &C,
    ) -> Result<C::Answer, ClientError> {
        let mut backoff = Backoff::new(self.config().retry_for);
        let open = Open::plain(topic, partition);
        loop {
            match self.ask_partition_once(&open, call).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.class() == Class::Fatal => return Err(error),
                Err(error) => backoff.wait(error).await?,
            }
        }
    }

    async fn ask_partition_once<C: Call>(
        &self,
        open: &Open,
        call: &C,
    ) -> Result<C::Answer, ClientError> {
        let Opened { connection, partition } = self.pool.open(open, None).await?;
        let answer = connection.call(partition.handle, call).await;
        // The answer counts, whether or not the handle could be given back.
        let _ = connection.call(partition.handle, &CloseHandle).await;
        answer
    }
}
