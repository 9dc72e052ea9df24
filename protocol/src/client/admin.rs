//! One question, one answer.
//!
//! While the server can't be reached, or can't do it now, the question is asked again, for
//! [`ClientConfig::retry_for`](super::ClientConfig::retry_for). When the connection breaks before the
//! answer comes, only questions are repeated that may be asked twice.

use std::time::Duration;

use bytes::Bytes;

use super::connection::Connection;
use super::pool::Opened;
use super::{Backoff, Client, ClientError};
use crate::codes::Class;
use crate::native::field::{Call, Message};
use crate::native::messages::*;

/// What a read gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBytes {
    /// The first offset there is.
    pub log_start: i64,
    /// The offset after the last durable one.
    pub durable_end: i64,
    /// Batches; the first holds the offset asked for, the last may be cut short. See
    /// [`batches`](crate::batch::batches).
    pub bytes: Bytes,
}

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

    /// All groups of consumers, by name: those of Kafka's clients, and named native consumers.
    ///
    /// # Errors
    /// When the server can't be asked.
    pub async fn list_groups(&self) -> Result<Vec<ListedGroup>, ClientError> {
        self.ask(&ListGroups, Repeat::Harmless).await.map(|answer| answer.groups)
    }

    /// A group's members, its offsets, and how far their partitions go.
    ///
    /// # Errors
    /// When there is no such group.
    pub async fn describe_group(&self, group: &str) -> Result<DescribeGroupAnswer, ClientError> {
        self.ask(&DescribeGroup { group: group.to_owned() }, Repeat::Harmless).await
    }

    /// Removes a group without members, and its offsets.
    ///
    /// # Errors
    /// When there is no such group, or it has members.
    pub async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        self.ask(&DeleteGroup { group: group.to_owned() }, Repeat::Never).await.map(|Empty| ())
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

    /// Reads a partition's log from `read.offset` on: a question, where a
    /// [`Consumer`](super::Consumer) would be pushed to. For tools that look at a place now and then.
    ///
    /// # Errors
    /// When there is no such partition, or the offset is out of range or damaged.
    pub async fn read(
        &self,
        topic: &str,
        partition: u32,
        read: Read,
    ) -> Result<ReadBytes, ClientError> {
        let wait = Duration::from_millis(read.max_wait_ms.into());
        let (connection, mut bytes) = self.at_partition(topic, partition, &read, wait).await?;
        let head = bytes.split_to(ReadHead::LEN.min(bytes.len()));
        let ReadHead { log_start, durable_end } =
            ReadHead::decode(&head).map_err(|error| connection.breach(&error.to_string()))?;
        Ok(ReadBytes { log_start, durable_end, bytes })
    }

    /// A partition as it stands.
    pub(super) async fn look(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<OpenAnswer, ClientError> {
        let mut backoff = Backoff::new(self.config().retry_for);
        let open = Open::plain(topic, partition);
        loop {
            match self.pool.open(&open, None).await {
                Ok(Opened { connection, partition }) => {
                    give_back(&connection, partition.handle).await;
                    return Ok(partition);
                }
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

    /// Asks the core that owns a partition.
    async fn ask_partition<C: Call>(
        &self,
        topic: &str,
        partition: u32,
        call: &C,
    ) -> Result<C::Answer, ClientError> {
        let (connection, body) = self.at_partition(topic, partition, call, Duration::ZERO).await?;
        C::Answer::decode(&body).map_err(|error| connection.breach(&error.to_string()))
    }

    /// Asks the core that owns a partition, again if need be: the answer's body, and where it came
    /// from. The server may take `wait` on purpose.
    async fn at_partition<C: Call>(
        &self,
        topic: &str,
        partition: u32,
        call: &C,
        wait: Duration,
    ) -> Result<(Connection, Bytes), ClientError> {
        let mut backoff = Backoff::new(self.config().retry_for);
        let open = Open::plain(topic, partition);
        loop {
            let answer = match self.pool.open(&open, None).await {
                Ok(Opened { connection, partition }) => {
                    let body = connection.body(partition.handle, call, wait).await;
                    give_back(&connection, partition.handle).await;
                    body.map(|body| (connection, body))
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) if error.class() == Class::Fatal => return Err(error),
                Err(error) => backoff.wait(error).await?,
            }
        }
    }
}

/// Gives a handle back. If that fails its connection is gone, and the handle with it.
async fn give_back(connection: &Connection, handle: u32) {
    let _ = connection.call(handle, &CloseHandle).await;
}
