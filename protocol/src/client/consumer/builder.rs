//! What a consumer reads, and from where.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Consumer;
use super::partition::Partition;
use crate::client::{Backoff, Client, ClientError};
use crate::native::messages::OffsetQuery;

/// The smallest window of a partition.
const WINDOW_BYTES_MIN: u32 = 16 << 10;

/// Where a consumer starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the first record there is.
    Beginning,
    /// With the first record that becomes durable from now on.
    #[default]
    End,
    /// With this offset, in each partition.
    Offset(i64),
    /// With the first record of this time or later, in ms since 1970; at the end if there is none.
    Timestamp(i64),
}

/// Describes a consumer of one topic; see [`Client::consumer`].
#[derive(Clone, Debug)]
#[must_use = "nothing is read before `open`"]
pub struct ConsumerBuilder {
    client: Client,
    topic: Arc<str>,
    start: Start,
    positions: BTreeMap<u32, i64>,
    partitions: Option<Vec<u32>>,
    window_bytes: u32,
    buffer_bytes: usize,
    until_end: bool,
}

impl ConsumerBuilder {
    pub(in crate::client) fn new(client: Client, topic: &str) -> Self {
        ConsumerBuilder {
            client,
            topic: topic.into(),
            start: Start::default(),
            positions: BTreeMap::new(),
            partitions: None,
            window_bytes: 4 << 20,
            buffer_bytes: 64 << 20,
            until_end: false,
        }
    }

    /// Where to start; at the end without this.
    pub fn start(self, start: Start) -> Self {
        ConsumerBuilder { start, ..self }
    }

    /// Where to start in some partitions, whatever [`ConsumerBuilder::start`] says: the positions of
    /// a named consumer, for instance. What was removed since is told as a [`Gap`](super::Gap).
    pub fn positions(self, positions: impl IntoIterator<Item = (u32, i64)>) -> Self {
        ConsumerBuilder { positions: positions.into_iter().collect(), ..self }
    }

    /// Which partitions to read; all without this.
    pub fn partitions(self, partitions: Option<Vec<u32>>) -> Self {
        ConsumerBuilder { partitions, ..self }
    }

    /// How many bytes of a partition may lie ready, 4 MiB without this. A batch that is larger still
    /// comes.
    pub fn window_bytes(self, window_bytes: u32) -> Self {
        ConsumerBuilder { window_bytes, ..self }
    }

    /// How many bytes of all partitions together may lie ready, 64 MiB without this: with many
    /// partitions each one's window shrinks, down to 16 KiB.
    pub fn buffer_bytes(self, buffer_bytes: usize) -> Self {
        ConsumerBuilder { buffer_bytes, ..self }
    }

    /// Ends the consumer at the durable end there is now, instead of waiting for more.
    pub fn until_end(self) -> Self {
        ConsumerBuilder { until_end: true, ..self }
    }

    /// Opens the partitions and finds where to start.
    ///
    /// # Errors
    /// When there is no such topic or partition, the offset is out of range, or the server could not
    /// be reached for [`ClientConfig::retry_for`](crate::client::ClientConfig::retry_for).
    pub async fn open(self) -> Result<Consumer, ClientError> {
        let first = self.client.look(&self.topic, 0).await?;
        let numbers = match &self.partitions {
            Some(numbers) => numbers.clone(),
            None => (0..first.partitions).collect(),
        };
        let window = self.window(numbers.len());
        let mut partitions = Vec::with_capacity(numbers.len());
        for number in numbers {
            partitions.push(self.partition(number, window).await?);
        }
        let detached = (0..partitions.len()).collect();
        let retry_for = self.client.config().retry_for;
        Ok(Consumer {
            topic: self.topic,
            pool: self.client.pool.another(),
            ready: Arc::default(),
            partitions,
            detached,
            due: Default::default(),
            finished: Default::default(),
            current: 0,
            gaps: Default::default(),
            backoff: Backoff::new(retry_for),
            retry_at: Instant::now(),
            records: Default::default(),
        })
    }

    fn window(&self, partitions: usize) -> u32 {
        let share = self.buffer_bytes / partitions.max(1);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        self.window_bytes.min(share).max(WINDOW_BYTES_MIN)
    }

    async fn partition(&self, number: u32, window: u32) -> Result<Partition, ClientError> {
        let opened = self.client.look(&self.topic, number).await?;
        let (log_start, end) = (opened.log_start, opened.durable_end);
        let position = match (self.positions.get(&number), self.start) {
            (Some(&position), _) | (None, Start::Offset(position)) => position,
            (None, Start::Beginning) => log_start,
            (None, Start::End) => end,
            (None, Start::Timestamp(timestamp_ms)) => {
                let query = OffsetQuery::Timestamp(timestamp_ms);
                let found = self.client.find_offset(&self.topic, number, query).await?;
                if found.offset < 0 { end } else { found.offset }
            }
        };
        // What lies below a stored position's log start is told as a gap: time has passed since.
        let asked = !self.positions.contains_key(&number);
        if position > end || asked && position < log_start {
            return Err(ClientError::Invalid(format!(
                "offset {position} of {}-{number} is out of range: its offsets go from {log_start} \
                 to below {end}",
                self.topic
            )));
        }
        let stop = self.until_end.then_some(end);
        Ok(Partition::new(number, &opened, position, stop, window))
    }
}
