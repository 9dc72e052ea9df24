//! A partition of a consumer: its position, its subscription, its credit.

use std::sync::Arc;

use bytes::Bytes;

use super::batch::ConsumedBatch;
use super::gap::{Gap, GapReason};
use crate::TopicId;
use crate::batch::{BatchHeader, BatchView};
use crate::client::connection::Connection;
use crate::client::pool::{Opened, Pool};
use crate::client::push::{PushBuffer, ReadyQueue, Taken};
use crate::client::{ClientConfig, ClientError};
use crate::codes::ErrorCode;
use crate::native::ErrorDetail;
use crate::native::messages::{Open, OpenAnswer, Subscribe};

/// A partition of a consumer.
///
/// `window` bytes are spread over what the server may still push, what lies in the buffer, and what
/// was taken but not yet renewed. A batch that is larger gets what it lacks as an extra, which is
/// kept back once it was taken.
#[derive(Debug)]
pub(super) struct Partition {
    number: u32,
    topic_id: TopicId,
    /// The core that owned it when last asked.
    owner: u16,
    /// The first offset not taken yet.
    position: i64,
    /// The first offset that the application was not given.
    pub(super) consumed: i64,
    /// Where to end.
    stop: Option<i64>,
    window: u32,
    opened: Option<Opened>,
    subscription: Option<Subscription>,
    /// Where a batch failed its check: the second time it counts as lost.
    suspect: Option<i64>,
    durable_end: i64,
}

#[derive(Debug)]
struct Subscription {
    connection: Connection,
    id: u32,
    buffer: Arc<PushBuffer>,
    /// Bytes taken and not renewed.
    due: u32,
    /// Bytes granted beyond the window.
    extra: u32,
}

/// What an attempt to subscribe came to.
pub(super) enum Attach {
    Done,
    /// Records are gone; the position has moved behind them.
    Gap(Gap),
}

impl Partition {
    pub(super) fn new(
        number: u32,
        opened: &OpenAnswer,
        position: i64,
        stop: Option<i64>,
        window: u32,
    ) -> Self {
        Partition {
            number,
            topic_id: opened.topic_id,
            owner: opened.core,
            position,
            consumed: position,
            stop,
            window,
            opened: None,
            subscription: None,
            suspect: None,
            durable_end: opened.durable_end,
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Whether there is nothing more to read.
    pub(super) fn is_done(&self) -> bool {
        self.stop.is_some_and(|stop| self.position >= stop)
    }

    pub(super) fn lag(&self) -> i64 {
        let told = self.subscription.as_ref().map_or(0, |live| live.buffer.durable_end());
        (told.max(self.durable_end) - self.consumed).max(0)
    }

    /// Opens the partition, if need be, and subscribes.
    pub(super) async fn attach(
        &mut self,
        pool: &Pool,
        topic: &Arc<str>,
        ready: &Arc<ReadyQueue>,
        index: usize,
    ) -> Result<Attach, ClientError> {
        if self.opened.as_ref().is_none_or(|opened| opened.connection.is_closed()) {
            self.opened = Some(self.open(pool, topic).await?);
        }
        let Some(opened) = &self.opened else { return Ok(Attach::Done) };
        let connection = opened.connection.clone();
        let buffer = Arc::new(PushBuffer::new(index, Arc::clone(ready), self.window));
        let subscribe = Subscribe { offset: self.position, credit_bytes: self.window };
        let handle = opened.partition.handle;
        match connection.subscribe(handle, &subscribe, Arc::clone(&buffer)).await {
            Ok(answer) => {
                self.durable_end = answer.durable_end;
                self.subscription = Some(Subscription {
                    connection,
                    id: answer.subscription,
                    buffer,
                    due: 0,
                    extra: 0,
                });
                Ok(Attach::Done)
            }
            Err(error) => {
                if error.needs_reopening() {
                    self.opened = None;
                }
                self.gap(topic, &error).map(Attach::Gap).ok_or(error)
            }
        }
    }

    async fn open(&mut self, pool: &Pool, topic: &Arc<str>) -> Result<Opened, ClientError> {
        let open = Open::plain(topic, self.number);
        let opened = pool.open(&open, Some(self.owner)).await?;
        if opened.partition.topic_id != self.topic_id {
            return Err(ClientError::TopicReplaced { topic: topic.to_string() });
        }
        self.owner = opened.partition.core;
        self.durable_end = opened.partition.durable_end;
        Ok(opened)
    }

    /// Forgets the subscription and gives its connection and id; its handle stays.
    pub(super) fn detach(&mut self) -> Option<(Connection, u32)> {
        self.subscription.take().map(|live| (live.connection, live.id))
    }

    /// What lies ready, if there is a subscription.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let live = self.subscription.as_ref()?;
        Some(live.buffer.take(live.connection.hello().max_frame_bytes as usize))
    }

    /// Checks a batch and moves behind it. None if nothing in it is for the application.
    pub(super) fn accept(
        &mut self,
        topic: &Arc<str>,
        bytes: Bytes,
    ) -> Result<Option<ConsumedBatch>, BadBatch> {
        let header = *BatchView::parse(&bytes).map_err(|_| BadBatch::of(&bytes))?.header();
        if let Some(live) = &mut self.subscription {
            let kept_back = live.extra.min(bytes.len() as u32);
            live.extra -= kept_back;
            live.due += bytes.len() as u32 - kept_back;
        }
        let from = self.position;
        if self.is_done() || header.last_offset() < from {
            return Ok(None);
        }
        self.position = header.next_offset();
        self.suspect = None;
        let until = self.stop.unwrap_or(i64::MAX);
        self.consumed = self.position.min(until);
        let (topic, partition) = (Arc::clone(topic), self.number);
        let batch = ConsumedBatch { topic, partition, bytes, header, from, until };
        // With control records and emptied batches the position moves, and that is all.
        let wanted = !header.attributes.is_control() && header.count > 0;
        Ok((wanted && batch.first_offset().is_some()).then_some(batch))
    }

    /// A batch did not pass its check. It is asked for once more; if it comes again like that, it is
    /// lost.
    pub(super) fn unreadable(&mut self, topic: &Arc<str>, reason: &BadBatch) -> Option<Gap> {
        self.abandon();
        let again = self.suspect.replace(self.position) == Some(self.position);
        let next = reason.next_offset.filter(|next| again && *next > self.position)?;
        Some(self.pass_over(topic, next, GapReason::Corrupt))
    }

    /// The bytes pushed are no batches.
    pub(super) fn nonsense(&mut self, config: &ClientConfig) -> ClientError {
        self.abandon();
        ClientError::Protocol {
            server: config.server.clone(),
            reason: format!("what it pushes for partition {} are no batches", self.number),
        }
    }

    /// Closes the connection, whose bytes can't be trusted.
    fn abandon(&mut self) {
        self.subscription = None;
        if let Some(opened) = self.opened.take() {
            opened.connection.close("it carried a batch that does not pass its check");
        }
    }

    /// The gap that an error tells of; the position moves behind it.
    pub(super) fn gap(&mut self, topic: &Arc<str>, error: &ClientError) -> Option<Gap> {
        let ClientError::Server(error) = error else { return None };
        let (next, reason) = match (error.code, error.detail) {
            (ErrorCode::OFFSET_OUT_OF_RANGE, ErrorDetail::Range { log_start, .. }) => {
                (log_start, GapReason::Removed)
            }
            (ErrorCode::CORRUPT_LOG, ErrorDetail::Corrupt { next_good, .. }) => {
                (next_good, GapReason::Corrupt)
            }
            _ => return None,
        };
        (next > self.position).then(|| self.pass_over(topic, next, reason))
    }

    fn pass_over(&mut self, topic: &Arc<str>, next: i64, reason: GapReason) -> Gap {
        let (topic, first) = (Arc::clone(topic), self.position);
        self.position = next;
        self.consumed = next;
        Gap { topic, partition: self.number, first, next, reason }
    }

    /// A batch larger than the window lacks `missing` bytes.
    pub(super) fn starved(&mut self, missing: u32) {
        if let Some(live) = &mut self.subscription {
            let beyond = missing.saturating_sub(live.due);
            live.due += beyond;
            live.extra += beyond;
        }
    }

    /// Whether so much was taken that it is time to renew credit.
    pub(super) fn is_credit_due(&self) -> bool {
        self.subscription.as_ref().is_some_and(|live| live.due >= self.window / 2)
    }

    /// What is to be renewed: where, and how much.
    pub(super) fn credit_due(&self) -> Option<(&Connection, u32, u32)> {
        let live = self.subscription.as_ref().filter(|live| live.due > 0)?;
        Some((&live.connection, live.id, live.due))
    }

    /// Takes note that the credit due is renewed now; gives how much it is.
    pub(super) fn grant(&mut self) -> u32 {
        let Some(live) = &mut self.subscription else { return 0 };
        let bytes = std::mem::take(&mut live.due);
        live.buffer.grant(bytes);
        bytes
    }
}

/// A batch that did not pass its check, and the offset behind it if that can be told.
pub(super) struct BadBatch {
    pub(super) next_offset: Option<i64>,
}

impl BadBatch {
    pub(super) fn of(bytes: &[u8]) -> Self {
        BadBatch { next_offset: BatchHeader::parse(bytes).ok().map(|header| header.next_offset()) }
    }
}
