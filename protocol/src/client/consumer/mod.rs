//! The consumer: subscribes, and merges what the server pushes.
//!
//! ```text
//! partition 0 ── PushBuffer ─┐
//! partition 1 ── PushBuffer ─┼─ in turn ─> next_batch ─> application
//! partition 2 ── PushBuffer ─┘                 └─ credit renewed
//! ```
//! A partition's records come in order; between partitions there is none. Credit is renewed for what
//! the application has taken: one that takes nothing gets nothing more, and no buffer grows beyond
//! its window.
//!
//! When the connection breaks, the consumer connects again and goes on with the next offset: nothing
//! is missed, nothing comes twice. Records that can't be had are a [`Gap`], told once, and reading
//! goes on behind it.
//!
//! Nothing happens outside of a call: while nobody calls, a broken connection stays broken. Each
//! call may be dropped half-way without loss.

mod batch;
mod builder;
mod gap;
mod partition;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::connection::Connection;
use super::pool::Pool;
use super::push::{ReadyQueue, Taken};
use super::{Backoff, ClientError};
use crate::codes::Class;

pub use batch::{ConsumedBatch, ConsumedRecord};
pub use builder::{ConsumerBuilder, Start};
pub use gap::{Gap, GapReason};

use partition::{Attach, Partition};

/// What comes next.
#[derive(Clone, Debug)]
pub enum Item {
    /// Records.
    Batch(ConsumedBatch),
    /// Records that can't be had.
    Gap(Gap),
}

/// Reads one topic, some or all of its partitions. Use either [`Consumer::next_batch`] or
/// [`Consumer::next`] with one consumer, not both.
#[derive(Debug)]
pub struct Consumer {
    topic: Arc<str>,
    pool: Pool,
    ready: Arc<ReadyQueue>,
    partitions: Vec<Partition>,
    /// Which partitions have no subscription but should have one.
    detached: VecDeque<usize>,
    /// Which partitions have gathered enough credit to renew.
    due: VecDeque<usize>,
    /// Subscriptions that are not wanted any more.
    finished: VecDeque<(Connection, u32)>,
    /// What was found out on the way and is to be told.
    gaps: VecDeque<Gap>,
    /// The partition of the last batch.
    current: usize,
    /// What is left of that batch, for [`Consumer::next`].
    records: VecDeque<ConsumedRecord>,
    backoff: Backoff,
    /// Not before then is it tried again to subscribe.
    retry_at: Instant,
}

impl Consumer {
    /// The next batch, or the next gap; none once a consumer that reads until the end is there.
    ///
    /// # Errors
    /// When the server could not be reached for `retry_for`, or the topic is gone. Calling again
    /// tries again.
    pub async fn next_batch(&mut self) -> Result<Option<Item>, ClientError> {
        loop {
            if let Some(gap) = self.gaps.pop_front() {
                return Ok(Some(Item::Gap(gap)));
            }
            self.renew_credit().await;
            self.unsubscribe().await;
            self.attach_all().await?;
            if !self.gaps.is_empty() {
                continue;
            }
            if self.partitions.iter().all(Partition::is_done) {
                return Ok(None);
            }
            let Some(index) = self.ready.pop() else {
                self.news().await;
                continue;
            };
            if let Some(batch) = self.take(index)? {
                return Ok(Some(Item::Batch(batch)));
            }
        }
    }

    /// The next record; none once a consumer that reads until the end is there.
    ///
    /// # Errors
    /// As for [`Consumer::next_batch`]; [`ClientError::Gap`] and [`ClientError::Unreadable`] say that
    /// records can't be had: the next call goes on behind them.
    pub async fn next(&mut self) -> Result<Option<ConsumedRecord>, ClientError> {
        loop {
            if let Some(record) = self.records.pop_front() {
                // Behind the last one the batch may go on with offsets that compaction removed.
                let next = self.records.front().map_or(record.offset + 1, |next| next.offset);
                self.partitions[self.current].consumed = next;
                return Ok(Some(record));
            }
            match self.next_batch().await? {
                None => return Ok(None),
                Some(Item::Gap(gap)) => return Err(ClientError::Gap { gap }),
                Some(Item::Batch(batch)) => {
                    self.records = batch.records()?.into();
                    // Back from the batch's end to what was really given.
                    if let Some(first) = self.records.front() {
                        self.partitions[self.current].consumed = first.offset;
                    }
                }
            }
        }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partitions read, each with the offset to go on with after what was given so far: what to
    /// commit.
    pub fn positions(&self) -> Vec<(u32, i64)> {
        self.partitions.iter().map(|partition| (partition.number(), partition.consumed)).collect()
    }

    /// How many records lie between what was given and each partition's durable end, as far as the
    /// server has told.
    pub fn lag(&self) -> Vec<(u32, i64)> {
        self.partitions.iter().map(|partition| (partition.number(), partition.lag())).collect()
    }

    /// Takes from the partition whose turn it is.
    fn take(&mut self, index: usize) -> Result<Option<ConsumedBatch>, ClientError> {
        let partition = &mut self.partitions[index];
        let batch = match partition.take() {
            None | Some(Taken::Nothing) => return Ok(None),
            Some(Taken::Starved(missing)) => {
                partition.starved(missing);
                self.due.push_back(index);
                return Ok(None);
            }
            Some(Taken::Batch(bytes)) => match partition.accept(&self.topic, bytes) {
                Ok(batch) => batch,
                Err(reason) => {
                    self.gaps.extend(partition.unreadable(&self.topic, &reason));
                    self.detached.push_back(index);
                    return Ok(None);
                }
            },
            Some(Taken::Nonsense) => {
                self.detached.push_back(index);
                return Err(partition.nonsense(self.pool.config()));
            }
            Some(Taken::End(reason)) => {
                partition.detach();
                self.detached.push_back(index);
                return self.ended(index, reason).map(|()| None);
            }
        };
        if partition.is_done() {
            self.finished.extend(partition.detach());
        } else if partition.is_credit_due() {
            self.due.push_back(index);
        }
        self.current = index;
        Ok(batch)
    }

    /// A subscription is over: why?
    fn ended(&mut self, index: usize, reason: ClientError) -> Result<(), ClientError> {
        match self.partitions[index].gap(&self.topic, &reason) {
            Some(gap) => self.gaps.push_back(gap),
            None if reason.class() == Class::Fatal => return Err(reason),
            None => {}
        }
        Ok(())
    }

    /// Renews credit of those that are due. A connection that broke says so elsewhere.
    async fn renew_credit(&mut self) {
        while let Some(&index) = self.due.front() {
            if let Some((connection, subscription, _)) = self.partitions[index].credit_due() {
                let connection = connection.clone();
                // What happens from here to the end does not wait, so that nothing is sent twice.
                if let Ok(slot) = connection.slot().await {
                    let bytes = self.partitions[index].grant();
                    if bytes > 0 {
                        Connection::send_credit(slot, subscription, bytes);
                    }
                }
            }
            self.due.pop_front();
        }
    }

    /// Ends subscriptions that are not wanted any more. Whether that succeeds is all one: no credit
    /// is renewed for them.
    async fn unsubscribe(&mut self) {
        while let Some((connection, subscription)) = self.finished.front() {
            let (connection, subscription) = (connection.clone(), *subscription);
            let _ = connection.unsubscribe(subscription).await;
            self.finished.pop_front();
        }
    }

    /// Subscribes wherever there should be a subscription, as far as it is time to try.
    async fn attach_all(&mut self) -> Result<(), ClientError> {
        while let Some(&index) = self.detached.front() {
            let partition = &mut self.partitions[index];
            if !partition.is_done() {
                if self.retry_at > Instant::now() {
                    return Ok(());
                }
                match partition.attach(&self.pool, &self.topic, &self.ready, index).await {
                    Ok(Attach::Done) => self.backoff.reset(),
                    Ok(Attach::Gap(gap)) => {
                        self.gaps.push_back(gap);
                        return Ok(());
                    }
                    Err(error) if error.class() == Class::Fatal => return Err(error),
                    Err(error) => {
                        self.retry_at = Instant::now() + self.backoff.delay(error)?;
                        return Ok(());
                    }
                }
            }
            self.detached.pop_front();
        }
        Ok(())
    }

    /// Waits until a partition has something to take, or it is time to try to subscribe again.
    async fn news(&self) {
        tokio::select! {
            () = self.ready.filled() => {}
            () = sleep_until(self.retry_at), if !self.detached.is_empty() => {}
        }
    }
}
