//! Appending: check, stage, and the queue of what could not be staged yet.
//!
//! The store takes a batch at once, refuses it for good, or says *wait*: for memory, or for space
//! in a segment that is being made. Then the batch stays at the head of its partition's queue, and
//! what comes behind it queues up too, so that the order holds. Other partitions go on. The queues'
//! bytes are bounded by those who bring them: see [`Shard::is_congested`].

use bytes::Bytes;
use duramen_protocol::batch::{BatchHeader, ProduceLimits, check_produce};

use crate::config::topic::TopicConfig;
use crate::io::{Disk, Now};
use crate::storage::{Appended, LogId, Refusal};

use super::Shard;
use super::acks::Ack;
use super::error::AskError;
use super::request::{At, Ticket};

/// A batch up to this size is copied when it has to wait: it may be all that is left of a read
/// buffer many times as large.
const COPY_BYTES: usize = 64 << 10;

/// A batch on its way to the store, checked.
#[derive(Debug)]
pub(super) struct Queued {
    /// Who wants to hear of it; nobody, if silent.
    pub ticket: Option<Ticket>,
    pub batch: Bytes,
    pub header: BatchHeader,
    /// When it came, on the monotonic clock.
    pub since_us: u64,
}

impl Queued {
    /// The same, holding no memory but its own.
    fn apart(mut self) -> Queued {
        if self.batch.len() <= COPY_BYTES {
            self.batch = Bytes::copy_from_slice(&self.batch);
        }
        self
    }
}

/// What became of an attempt to stage a batch.
enum Attempt {
    Settled,
    Wait(Queued),
}

impl<D: Disk> Shard<D> {
    /// Checks a batch and stages it, or queues it behind those that wait.
    pub(super) fn append(&mut self, ticket: Ticket, at: At, batch: Bytes, silent: bool, now: Now) {
        self.backlog_bytes -= batch.len();
        let ticket = (!silent).then_some(ticket);
        let checked =
            self.clients_log_at(at).and_then(|log| Ok((log, self.check(log, &batch, now)?)));
        let (log, header) = match checked {
            Ok(checked) => checked,
            Err(error) => return self.refuse(ticket, error),
        };
        let queued = Queued { ticket, batch, header, since_us: now.monotonic_us };
        match self.logs.get_mut(log) {
            Some(state) if !state.queue.is_empty() => {
                self.backlog_bytes += queued.batch.len();
                state.queue.push_back(queued.apart());
            }
            _ => {
                if let Attempt::Wait(queued) = self.stage(log, queued, now) {
                    self.wait(log, queued);
                }
            }
        }
    }

    fn check(&self, log: LogId, batch: &[u8], now: Now) -> Result<BatchHeader, AskError> {
        let state = self.logs.get(log).ok_or(AskError::Deleted)?;
        Ok(check_produce(batch, &produce_limits(&state.config, now))?)
    }

    fn stage(&mut self, log: LogId, queued: Queued, now: Now) -> Attempt {
        let refusal = match self.store.append(log, &queued.batch, &queued.header, now) {
            Ok(appended) => {
                self.staged(log, &queued, &appended, now);
                return Attempt::Settled;
            }
            Err(Refusal::Wait) => return Attempt::Wait(queued),
            Err(refusal) => refusal,
        };
        self.refuse(queued.ticket, refusal_error(refusal));
        Attempt::Settled
    }

    fn staged(&mut self, log: LogId, queued: &Queued, appended: &Appended, now: Now) {
        self.counters.batches += 1;
        self.counters.batch_bytes += queued.batch.len() as u64;
        self.counters.records += u64::from(queued.header.count.unsigned_abs());
        self.counters.duplicates += u64::from(appended.duplicate);
        self.await_durable(log, Ack::new(queued.ticket, appended, queued.since_us), now);
    }

    /// Puts a batch at the end of its partition's queue.
    fn wait(&mut self, log: LogId, queued: Queued) {
        let Some(state) = self.logs.get_mut(log) else {
            return self.refuse(queued.ticket, AskError::Deleted);
        };
        if state.queue.is_empty() {
            self.waiting.push_back(log);
        }
        self.counters.waits += 1;
        self.backlog_bytes += queued.batch.len();
        state.queue.push_back(queued.apart());
    }

    /// Tries the head of each queue again, and what stands behind it as far as that goes.
    pub(super) fn stage_waiting(&mut self, now: Now) {
        for _ in 0..self.waiting.len() {
            let Some(log) = self.waiting.pop_front() else { return };
            if !self.stage_queue(log, now) {
                self.waiting.push_back(log);
            }
        }
    }

    /// Stages a partition's queue from its head. Whether nothing is left of it.
    fn stage_queue(&mut self, log: LogId, now: Now) -> bool {
        while let Some(queued) = self.logs.get_mut(log).and_then(|state| state.queue.pop_front()) {
            let bytes = queued.batch.len();
            if let Attempt::Wait(queued) = self.stage(log, queued, now) {
                if let Some(state) = self.logs.get_mut(log) {
                    state.queue.push_front(queued);
                }
                return false;
            }
            self.backlog_bytes -= bytes;
        }
        true
    }

    /// Answers everything in a partition's queue with an error. Nothing of it was staged.
    pub(super) fn fail_queued(&mut self, log: LogId, error: &AskError) {
        let Some(state) = self.logs.get_mut(log) else { return };
        for queued in std::mem::take(&mut state.queue) {
            self.backlog_bytes -= queued.batch.len();
            self.refuse(queued.ticket, error.clone());
        }
    }

    /// Counts a batch as refused, and says so where somebody waits.
    pub(super) fn refuse(&mut self, ticket: Option<Ticket>, error: AskError) {
        self.counters.refusals += 1;
        if let Some(ticket) = ticket {
            self.answer(ticket, Err(error));
        }
    }
}

fn produce_limits(config: &TopicConfig, now: Now) -> ProduceLimits {
    ProduceLimits {
        max_message_bytes: config.max_message_bytes as usize,
        now_ms: now.wall_ms,
        before_max_ms: config.timestamp_before_max_ms,
        after_max_ms: config.timestamp_after_max_ms,
        timestamp_type: config.timestamp_type,
        compacted: config.compact,
    }
}

pub(super) fn refusal_error(refusal: Refusal) -> AskError {
    match refusal {
        Refusal::Full(reason) => AskError::Full(reason),
        Refusal::Failed(reason) => AskError::Failed(reason),
        Refusal::Sequence(error) => AskError::Sequence(error),
        Refusal::TooLarge { size, limit } => AskError::TooLarge { size, max: limit },
        Refusal::Gone => AskError::Deleted,
        Refusal::ShuttingDown => AskError::ShuttingDown,
        Refusal::Wait => AskError::Overloaded("the batch has to wait"),
    }
}
