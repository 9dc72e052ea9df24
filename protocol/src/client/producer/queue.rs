//! A partition's batches that were not sent yet: some are full, the last one grows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::batch::Growing;
use super::delivery::Delivery;
use super::record::OutRecord;
use super::shared::Shared;
use crate::client::{ClientError, lock};

/// The batches of one partition, oldest first. What they hold is bounded by the producer's buffer.
#[derive(Debug)]
pub(super) struct Queue {
    shared: Arc<Shared>,
    batches: Mutex<VecDeque<Growing>>,
    /// For the one task that takes from here.
    news: Notify,
}

/// What there is to take.
pub(super) enum Next {
    Batch(Growing),
    /// One that may still grow, until then.
    Lingers(Instant),
    Nothing,
}

impl Queue {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Queue { shared, batches: Mutex::default(), news: Notify::new() }
    }

    /// Adds a record that takes at most `bytes`, with its room in the buffer.
    pub(super) fn push(
        &self,
        record: &OutRecord,
        headers: &[(&str, Option<&[u8]>)],
        bytes: usize,
        room: OwnedSemaphorePermit,
    ) -> Result<Delivery, ClientError> {
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(now_ms);
        let limit = self.shared.batch_bytes();
        let mut batches = lock(&self.batches);
        let seals = !batches.back().is_some_and(|last| last.has_room(bytes, limit));
        if seals {
            batches.push_back(Growing::new(&self.shared.config));
        }
        let Some(last) = batches.back_mut() else { return Err(ClientError::Closed) };
        let appended = last.append(record, headers, timestamp_ms, room);
        if appended.is_err() && seals {
            batches.pop_back();
        }
        let delivery = appended?;
        // A task that has been told of a batch looks again by itself when its time comes.
        if seals {
            drop(batches);
            self.news.notify_one();
        }
        Ok(delivery)
    }

    /// Takes the oldest batch, if it is full, has lingered long enough, or is wanted now.
    pub(super) fn next(&self) -> Next {
        let mut batches = lock(&self.batches);
        let Some(first) = batches.front() else { return Next::Nothing };
        let until = first.begun() + self.shared.config.linger;
        let ripe = batches.len() > 1
            || self.shared.config.linger.is_zero()
            || first.is_full(self.shared.batch_bytes())
            || self.shared.is_flushing()
            || until <= Instant::now();
        match ripe {
            true => batches.pop_front().map_or(Next::Nothing, Next::Batch),
            false => Next::Lingers(until),
        }
    }

    /// Takes everything, to fail it.
    pub(super) fn drain(&self) -> VecDeque<Growing> {
        std::mem::take(&mut *lock(&self.batches))
    }

    /// Takes what has been waiting since before `then`, to fail it.
    pub(super) fn drain_begun_before(&self, then: Instant) -> Vec<Growing> {
        let mut batches = lock(&self.batches);
        let old = batches.iter().take_while(|batch| batch.begun() < then).count();
        batches.drain(..old).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.batches).is_empty()
    }

    /// Makes the task look.
    pub(super) fn wake(&self) {
        self.news.notify_one();
    }

    /// Waits for news; one that nobody waited for is kept.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
