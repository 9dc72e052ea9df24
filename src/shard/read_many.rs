//! Reads of many partitions at once, answered together: a fetch of Kafka's protocol.
//!
//! ```text
//!          nothing waits for the disk            enough, due, or an error
//!   run ──────────────────────────────> settle ───────────────────────────> answered
//!    ^ └──> some partitions do ──> the disk answers ──> settle │ too little
//!    └─────── more durable bytes, a partition gone ─────── parked
//! ```
//! As with a read of one partition, nothing of an attempt is kept: whoever is parked runs again
//! from its start. The partitions are read in the order in which they were asked for, each with what
//! the ones before have left of `max_bytes`; only the first batch of all comes whole beyond that.
//!
//! Bounds: an attempt gives memory up to [`limits::PINNED_BYTES`] and brings [`limits::READ_BYTES`]
//! from the disk, or a single batch; what lies beyond is left to the next read. Whoever asks has one
//! such read on its way at a time.

use std::collections::{BTreeSet, HashMap};

use crate::io::{Disk, Now};
use crate::limits;
use crate::storage::{Data, From, LogId, Read, ReadError};

use super::error::AskError;
use super::request::{Answer, At, PartitionRead, ReadMany, Records, Ticket};
use super::{Reader, Shard, pinned_bytes};

/// A read under way.
struct Many {
    read: ReadMany,
    /// Its partitions, looked up once: names of logs are not used again.
    logs: Vec<Result<LogId, AskError>>,
    deadline_us: u64,
    /// Whether it is answered with whatever there is.
    due: bool,
    /// Whether the partitions know that it waits.
    is_known: bool,
    /// What this attempt has found so far, a partition each.
    found: Vec<Found>,
    /// How many of them the disk has not answered yet.
    pending: usize,
    /// There was a reason to run again meanwhile.
    woken: bool,
}

/// What was found in a partition.
enum Found {
    /// Bytes, perhaps none.
    Data(LogId, Data),
    /// It was not looked at: a bound was reached before.
    Skipped(LogId),
    /// The disk is asked.
    Pending(LogId, u64),
    Error(AskError),
}

/// What an attempt may still give.
struct Budget {
    bytes: u64,
    pinned: usize,
    from_disk: usize,
    /// Whether some bytes are given already.
    any: bool,
}

/// The reads under way, by their tickets.
#[derive(Default)]
pub(super) struct ReadManys {
    reads: HashMap<Ticket, Many>,
    deadlines: BTreeSet<(u64, Ticket)>,
}

impl ReadManys {
    /// When the next read has waited long enough.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline_us, _)| deadline_us)
    }

    /// Lets nobody wait any longer.
    pub fn all_are_due(&mut self) {
        self.deadlines = self.reads.keys().map(|&ticket| (0, ticket)).collect();
        for read in self.reads.values_mut() {
            read.deadline_us = 0;
        }
    }

    /// A read whose time is over by `now_us`. It has no deadline from here on.
    fn pop_due(&mut self, now_us: u64) -> Option<Ticket> {
        let &(deadline_us, ticket) = self.deadlines.first()?;
        if deadline_us > now_us {
            return None;
        }
        self.deadlines.pop_first();
        if let Some(many) = self.reads.get_mut(&ticket) {
            many.due = true;
        }
        Some(ticket)
    }
}

impl Budget {
    fn new(max_bytes: u32) -> Budget {
        let bytes = u64::from(max_bytes);
        Budget { bytes, pinned: limits::PINNED_BYTES, from_disk: limits::READ_BYTES, any: false }
    }

    /// How many bytes a partition may give that was asked for `max_bytes`; none when a bound is
    /// reached.
    fn allows(&self, max_bytes: u32) -> Option<u64> {
        let is_used_up = self.bytes == 0 || self.pinned == 0 || self.from_disk == 0;
        (!is_used_up).then(|| u64::from(max_bytes).clamp(1, self.bytes))
    }

    /// Takes the bytes found, unless they are too many and not the first.
    fn take(&mut self, data: &Data) -> bool {
        let pinned = pinned_bytes(&data.pieces);
        if self.any && (data.bytes > self.bytes || pinned > self.pinned) {
            return false;
        }
        self.bytes = self.bytes.saturating_sub(data.bytes);
        self.pinned = self.pinned.saturating_sub(pinned);
        self.any |= data.bytes > 0;
        true
    }

    /// Takes what the disk will bring at most.
    fn reserve(&mut self, max_bytes: u64) {
        self.bytes = self.bytes.saturating_sub(max_bytes);
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        self.from_disk = self.from_disk.saturating_sub(max_bytes);
        self.any = true;
    }
}

impl<D: Disk> Shard<D> {
    /// Takes an [`super::request::Ask::ReadMany`].
    pub(super) fn read_many(&mut self, ticket: Ticket, read: ReadMany, now: Now) {
        let deadline_us = now.plus_ms(u64::from(read.max_wait_ms));
        let at_once = read.max_wait_ms == 0 || read.min_bytes == 0 || read.partitions.is_empty();
        let due = at_once || self.shutting_down;
        let log_of = |partition: &PartitionRead| self.log_at(At::Key(partition.key));
        let logs = read.partitions.iter().map(log_of).collect();
        let (found, pending) = (Vec::new(), 0);
        let (is_known, woken) = (false, false);
        let many = Many { read, logs, deadline_us, due, is_known, found, pending, woken };
        if !due {
            self.read_manys.deadlines.insert((deadline_us, ticket));
        }
        self.read_manys.reads.insert(ticket, many);
        self.counters.reads += 1;
        self.run_read_many(ticket);
    }

    /// Runs a read from its start.
    fn run_read_many(&mut self, ticket: Ticket) {
        let Some(mut many) = self.read_manys.reads.remove(&ticket) else { return };
        let mut budget = Budget::new(many.read.max_bytes);
        many.found.clear();
        many.woken = false;
        for (index, (partition, log)) in many.read.partitions.iter().zip(&many.logs).enumerate() {
            let found = match log {
                Ok(log) => self.read_partition(*log, partition, &mut budget, (ticket, index)),
                Err(error) => Found::Error(error.clone()),
            };
            many.pending += usize::from(matches!(found, Found::Pending(..)));
            many.found.push(found);
        }
        let is_done = many.pending == 0;
        self.read_manys.reads.insert(ticket, many);
        if is_done {
            self.settle_read_many(ticket);
        }
    }

    fn read_partition(
        &mut self,
        log: LogId,
        partition: &PartitionRead,
        budget: &mut Budget,
        (ticket, index): (Ticket, usize),
    ) -> Found {
        let Some(max_bytes) = budget.allows(partition.max_bytes) else {
            return Found::Skipped(log);
        };
        match self.store.read(log, From::Offset(partition.offset), max_bytes) {
            Read::Data(data) if budget.take(&data) => Found::Data(log, data),
            Read::Data(_) => Found::Skipped(log),
            Read::Error(error) => Found::Error(AskError::of_read(error, partition.offset)),
            Read::Pending(read) => {
                budget.reserve(max_bytes);
                self.reading.insert(read, Reader::Many(ticket, index));
                Found::Pending(log, partition.offset)
            }
        }
    }

    /// The disk has answered for a partition.
    pub(super) fn many_read(
        &mut self,
        ticket: Ticket,
        index: usize,
        result: Result<Data, ReadError>,
    ) {
        let Some(many) = self.read_manys.reads.get_mut(&ticket) else { return };
        let Some(found) = many.found.get_mut(index) else { return };
        if let Found::Pending(log, offset) = *found {
            *found = match result {
                Ok(data) => Found::Data(log, data),
                Err(error) => Found::Error(AskError::of_read(error, offset)),
            };
            many.pending -= 1;
        }
        if many.pending == 0 {
            self.settle_read_many(ticket);
        }
    }

    /// Answers a read, nothing of which waits for the disk, or parks it.
    fn settle_read_many(&mut self, ticket: Ticket) {
        let Some(mut many) = self.read_manys.reads.remove(&ticket) else { return };
        if self.is_enough(&many) {
            self.read_manys.deadlines.remove(&(many.deadline_us, ticket));
            return self.answer_read_many(ticket, many);
        }
        many.found.clear();
        if !std::mem::replace(&mut many.is_known, true) {
            for log in many.logs.iter().flatten() {
                let log = self.logs.get_mut(*log);
                log.into_iter().for_each(|log| log.read_manys.push(ticket));
            }
        }
        let woken = many.woken;
        self.read_manys.reads.insert(ticket, many);
        if woken {
            self.run_read_many(ticket);
        }
    }

    fn is_enough(&mut self, many: &Many) -> bool {
        let mut bytes = 0;
        for found in &many.found {
            match found {
                Found::Data(_, data) => bytes += data.bytes,
                Found::Error(_) => return true,
                Found::Skipped(_) | Found::Pending(..) => {}
            }
        }
        if many.due || bytes >= u64::from(many.read.min_bytes) {
            return true;
        }
        // Where a bound has cut the bytes short, waiting brings no more.
        many.found.iter().any(|found| match found {
            Found::Data(log, data) => data.bytes > 0 && !self.is_at_end(*log, data),
            Found::Skipped(_) => true,
            Found::Pending(..) | Found::Error(_) => false,
        })
    }

    fn answer_read_many(&mut self, ticket: Ticket, many: Many) {
        if many.is_known {
            for log in many.logs.iter().flatten() {
                let log = self.logs.get_mut(*log);
                log.into_iter().for_each(|log| log.read_manys.retain(|other| *other != ticket));
            }
        }
        let mut answers = Vec::with_capacity(many.found.len());
        for found in many.found {
            answers.push(match found {
                Found::Data(log, data) => Ok(self.records(log, Some(data))),
                Found::Skipped(log) | Found::Pending(log, _) => Ok(self.records(log, None)),
                Found::Error(error) => {
                    self.counters.read_errors += 1;
                    Err(error)
                }
            });
        }
        self.answer(ticket, Ok(Answer::Many(answers)));
    }

    /// What was found, with the partition's bounds of this moment.
    fn records(&mut self, log: LogId, data: Option<Data>) -> Records {
        let status = self.store.status(log);
        let (log_start, durable) = (status.log_start, status.durable);
        let Some(data) = data else {
            return Records {
                log_start,
                durable,
                pieces: Vec::new(),
                bytes: 0,
                first_offset: None,
            };
        };
        self.counters.read_bytes += data.bytes;
        self.counters.read_bytes_from_memory += pinned_bytes(&data.pieces) as u64;
        let Data { pieces, bytes, first_offset, .. } = data;
        Records { log_start, durable, pieces, bytes: bytes as usize, first_offset }
    }

    /// There is a reason to run a read again.
    pub(super) fn wake_read_many(&mut self, ticket: Ticket) {
        let Some(many) = self.read_manys.reads.get_mut(&ticket) else { return };
        match many.pending {
            0 => self.run_read_many(ticket),
            _ => many.woken = true,
        }
    }

    /// Runs the reads that wait for more of a partition.
    pub(super) fn wake_read_manys(&mut self, log: LogId) {
        let waiting = self.logs.get(log).map(|state| state.read_manys.clone());
        for ticket in waiting.unwrap_or_default() {
            self.wake_read_many(ticket);
        }
    }

    /// Runs the reads that have waited long enough.
    pub(super) fn serve_due_read_manys(&mut self, now: Now) {
        while let Some(ticket) = self.read_manys.pop_due(now.monotonic_us) {
            self.wake_read_many(ticket);
        }
    }

    /// Answers a read now, with what there is.
    pub(super) fn hurry(&mut self, ticket: Ticket) {
        if let Some(many) = self.read_manys.reads.get_mut(&ticket) {
            many.due = true;
            self.wake_read_many(ticket);
        }
    }
}
