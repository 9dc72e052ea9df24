//! Batches that are staged and not yet durable, each with who wants to hear of it.
//!
//! ```text
//! durable                 next
//!    |  ack 41  ack 57  ack 60
//!    └──> rises past 57: 41 and 57 are answered, in that order
//! ```
//! A duplicate's answer waits for its original, so it may go in before later ones.

use crate::io::{Disk, Now};
use crate::storage::{Appended, LogId};

use super::Shard;
use super::error::AskError;
use super::logs::Log;
use super::request::{Answer, Ticket};

/// A staged batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ack {
    ticket: Option<Ticket>,
    base_offset: u64,
    last_offset: u64,
    log_append_time_ms: Option<i64>,
    duplicate: bool,
    since_us: u64,
}

impl Ack {
    pub fn new(ticket: Option<Ticket>, appended: &Appended, since_us: u64) -> Ack {
        let &Appended { base_offset, last_offset, log_append_time_ms, duplicate } = appended;
        Ack { ticket, base_offset, last_offset, log_append_time_ms, duplicate, since_us }
    }
}

impl Log {
    /// The first batch that waits, if it lies below `durable`.
    fn pop_ack(&mut self, durable: u64) -> Option<Ack> {
        let is_durable = self.acks.front().is_some_and(|ack| ack.last_offset < durable);
        if is_durable { self.acks.pop_front() } else { None }
    }
}

impl<D: Disk> Shard<D> {
    /// Answers `ack` once it is durable, which may be now.
    pub(super) fn await_durable(&mut self, log: LogId, ack: Ack, now: Now) {
        if ack.last_offset < self.store.status(log).durable {
            return self.acknowledge(log, &ack, now);
        }
        if let Some(state) = self.logs.get_mut(log) {
            let behind = state.acks.partition_point(|other| other.last_offset <= ack.last_offset);
            state.acks.insert(behind, ack);
        }
    }

    /// Answers what has become durable.
    pub(super) fn release_acks(&mut self, log: LogId, now: Now) {
        let durable = self.store.status(log).durable;
        while let Some(ack) = self.logs.get_mut(log).and_then(|state| state.pop_ack(durable)) {
            self.acknowledge(log, &ack, now);
        }
    }

    fn acknowledge(&mut self, log: LogId, ack: &Ack, now: Now) {
        self.counters.append_us(now.monotonic_us.saturating_sub(ack.since_us));
        let &Ack { ticket, base_offset, log_append_time_ms, duplicate, .. } = ack;
        if let Some(ticket) = ticket {
            let log_start = self.store.status(log).log_start;
            let appended =
                Answer::Appended { base_offset, log_append_time_ms, duplicate, log_start };
            self.answer(ticket, Ok(appended));
        }
    }

    /// Answers everything of a partition that is staged and not durable with an error.
    pub(super) fn fail_acks(&mut self, log: LogId, error: &AskError) {
        let Some(state) = self.logs.get_mut(log) else { return };
        for ack in std::mem::take(&mut state.acks) {
            self.counters.refusals += 1;
            if let Some(ticket) = ack.ticket {
                self.answer(ticket, Err(error.clone()));
            }
        }
    }
}
