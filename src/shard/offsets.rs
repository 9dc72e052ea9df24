//! The positions of named consumers: the partitions of `__consumer_offsets` that are this core's.
//!
//! ```text
//!              read from the log's start                 durable
//! log found ──────────────────────────────> table ready ─────────> commits answered, offsets shown
//!                                            │  ^
//!                          commit, snapshot, │  │ advance, each tick
//!                          sweep             v  │
//!                                           plan ──> appended as one batch
//! ```
//! What an [`OffsetTable`] decides is appended like any batch and counts once it is durable. One
//! plan is staged after the other; a commit that the store can't take yet waits in the queue, a
//! snapshot or a step of a sweep is simply made again in a later tick. While its table is being
//! loaded, questions wait, and are then asked again.

use std::collections::{BTreeMap, VecDeque};

use duramen_protocol::batch::{BatchHeader, BatchView};
use duramen_protocol::files::journal::PartitionKey;

use crate::broker::catalog::Catalog;
use crate::broker::offsets::{CommitOffset, OFFSETS_RETENTION_MS, OffsetTable, Plan};
use crate::io::{Disk, Now};
use crate::limits;
use crate::storage::{Data, From, LogId, Piece, Read, ReadError, Refusal};

use super::error::AskError;
use super::produce::refusal_error;
use super::request::{Answer, Ask, Position, Request, Ticket};
use super::{Reader, Shard};

/// The partitions of consumers' offsets on this core.
#[derive(Default)]
pub(super) struct OffsetLogs {
    logs: BTreeMap<LogId, OffsetLog>,
}

/// One of them.
struct OffsetLog {
    table: OffsetTable,
    state: State,
    /// Commits that are not appended yet.
    queue: VecDeque<Commit>,
    /// Commits that are appended: answered once the log is durable up to there.
    acks: VecDeque<(u64, Ticket)>,
    /// Questions that came while the log was being read.
    early: Vec<Request>,
    next_sweep_us: u64,
}

enum State {
    /// Reading the log.
    Loading {
        from: From,
        rest: Vec<u8>,
        reading: bool,
    },
    Ready,
    /// The log can't be read or understood; the reason.
    Broken(String),
}

/// A consumer's commit.
struct Commit {
    ticket: Ticket,
    group: String,
    offsets: Vec<CommitOffset>,
}

impl OffsetLogs {
    /// A partition is there, whose log begins at `log_start`.
    pub fn insert(&mut self, log: LogId, log_start: u64) {
        let from = From::Offset(log_start);
        let state = State::Loading { from, rest: Vec::new(), reading: false };
        let (table, queue, acks, early) = Default::default();
        let offsets = OffsetLog { table, state, queue, acks, early, next_sweep_us: 0 };
        self.logs.insert(log, offsets);
    }

    /// Whether a commit is not answered yet.
    pub fn any_commit(&self) -> bool {
        self.logs
            .values()
            .any(|log| !log.queue.is_empty() || !log.acks.is_empty() || !log.early.is_empty())
    }
}

impl OffsetLog {
    /// A consumer's durable positions: in the partitions named, or all.
    fn positions(
        &self,
        catalog: &Catalog,
        group: &str,
        partitions: Option<&[(String, u32)]>,
    ) -> Vec<Position> {
        let Some(partitions) = partitions else {
            let all = self.table.fetch_all(catalog, group);
            let all = all.map(|(key, value)| (&key.topic, key.partition as u32, value));
            return all
                .map(|(topic, partition, value)| Position::new(topic, partition, value))
                .collect();
        };
        let found = |(topic, partition): &(String, u32)| {
            let value = self.table.fetch(catalog, group, topic, *partition)?;
            Some(Position::new(topic, *partition, value))
        };
        partitions.iter().filter_map(found).collect()
    }
}

impl<D: Disk> Shard<D> {
    /// Takes an [`Ask::CommitOffsets`] or an [`Ask::FetchOffsets`].
    pub(super) fn ask_offsets(&mut self, key: PartitionKey, request: Request, now: Now) {
        let ticket = request.ticket;
        let log = self.store.find(&key);
        let found = log.and_then(|log| Some((log, self.offsets.logs.get_mut(&log)?)));
        let Some((log, offsets)) = found else {
            return self.answer(ticket, Err(AskError::NoPartition));
        };
        if offsets.queue.len() + offsets.early.len() >= limits::OFFSET_COMMITS_QUEUED {
            let error = AskError::Overloaded("too many commits of offsets are waiting");
            return self.answer(ticket, Err(error));
        }
        match (&offsets.state, request.ask) {
            (State::Loading { .. }, ask) => offsets.early.push(Request { ticket, ask }),
            (State::Broken(reason), _) => {
                let error = AskError::BrokenOffsets(reason.clone());
                self.answer(ticket, Err(error));
            }
            (State::Ready, Ask::CommitOffsets { group, offsets: wanted, .. }) => {
                offsets.queue.push_back(Commit { ticket, group, offsets: wanted });
                self.stage_commits(log, now);
            }
            (State::Ready, Ask::FetchOffsets { group, partitions, .. }) => {
                let positions = offsets.positions(&self.catalog, &group, partitions.as_deref());
                self.answer(ticket, Ok(Answer::Positions(positions)));
            }
            (State::Ready, _) => {}
        }
    }

    /// Goes on with every partition of offsets: loads, appends, answers, compacts.
    pub(super) fn tend_offsets(&mut self, now: Now) {
        let logs: Vec<LogId> = self.offsets.logs.keys().copied().collect();
        for log in logs {
            self.load_offsets(log);
            self.ask_early(log, now);
            self.stage_commits(log, now);
            self.settle_offsets(log);
            self.compact_offsets(log, now);
        }
    }

    /// Asks for the next bytes of a log that is being loaded.
    fn load_offsets(&mut self, log: LogId) {
        loop {
            let Some(state) = self.offsets.logs.get_mut(&log) else { return };
            let State::Loading { from, reading: reading @ false, .. } = &mut state.state else {
                return;
            };
            match self.store.read_to_memory(log, *from, limits::READ_BYTES as u64) {
                Read::Data(data) => self.load(log, Ok(data)),
                Read::Error(error) => self.load(log, Err(error)),
                Read::Pending(read) => {
                    *reading = true;
                    self.reading.insert(read, Reader::Offsets(log));
                }
            }
        }
    }

    /// Takes in bytes of a log that is being loaded.
    pub(super) fn load(&mut self, log: LogId, result: Result<Data, ReadError>) {
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        let State::Loading { from, rest, reading } = &mut offsets.state else { return };
        *reading = false;
        let loaded = match result {
            Ok(data) if data.bytes == 0 => Ok(true),
            Ok(data) => {
                *from = From::Cursor(data.next);
                take_in(&mut offsets.table, rest, &data.pieces).map(|()| false)
            }
            Err(error) => Err(error.to_string()),
        };
        match loaded {
            Ok(true) => offsets.state = State::Ready,
            Ok(false) => {}
            Err(reason) => {
                eprintln!("duramen: consumers' offsets can't be loaded: {reason}");
                offsets.state = State::Broken(reason);
            }
        }
    }

    /// Asks again what was asked while the log was being read.
    fn ask_early(&mut self, log: LogId, now: Now) {
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        if !matches!(offsets.state, State::Loading { .. }) {
            for request in std::mem::take(&mut offsets.early) {
                self.take(request, now);
            }
        }
    }

    /// Appends the commits in the queue, as far as the store takes them.
    fn stage_commits(&mut self, log: LogId, now: Now) {
        loop {
            let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
            let Some(Commit { ticket, group, offsets: wanted }) = offsets.queue.front() else {
                return;
            };
            let (ticket, planned) =
                (*ticket, offsets.table.commit(&self.catalog, group, wanted.clone(), now));
            let answer = match planned {
                Err(refusal) => Some(Err(AskError::Refused(refusal))),
                // There is nothing to store.
                Ok(None) => Some(Ok(Answer::Committed)),
                Ok(Some(plan)) => match self.append_plan(log, plan, now) {
                    Ok(end) => {
                        if let Some(offsets) = self.offsets.logs.get_mut(&log) {
                            offsets.acks.push_back((end, ticket));
                        }
                        None
                    }
                    Err(Refusal::Wait) => return,
                    Err(refusal) => Some(Err(refusal_error(refusal))),
                },
            };
            if let Some(offsets) = self.offsets.logs.get_mut(&log) {
                offsets.queue.pop_front();
            }
            if let Some(answer) = answer {
                self.answer(ticket, answer);
            }
        }
    }

    /// Appends a plan's batch. Returns the offset behind it.
    fn append_plan(&mut self, log: LogId, plan: Plan, now: Now) -> Result<u64, Refusal> {
        let batch = plan.to_batch(now);
        let header = BatchHeader::parse(&batch)
            .unwrap_or_else(|error| panic!("a batch that we built is none: {error}"));
        let appended = self.store.append(log, &batch, &header, now)?;
        if let Some(offsets) = self.offsets.logs.get_mut(&log) {
            offsets.table.staged(plan, appended.base_offset as i64, batch.len() as u64);
        }
        Ok(appended.last_offset + 1)
    }

    /// Answers the commits that are durable, and lets go of what a snapshot has replaced.
    fn settle_offsets(&mut self, log: LogId) {
        let durable = self.store.status(log).durable;
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        if !matches!(offsets.state, State::Ready) {
            return;
        }
        let log_start = offsets.table.advance(durable as i64);
        let done = offsets.acks.partition_point(|(end, _)| *end <= durable);
        for (_, ticket) in Vec::from_iter(offsets.acks.drain(..done)) {
            self.answer(ticket, Ok(Answer::Committed));
        }
        if let Some(log_start) = log_start {
            // What can't be removed now is removed after the next snapshot.
            let _ = self.store.delete_records(log, log_start as u64);
        }
    }

    /// Writes a batch of a snapshot, or a step of a sweep, if it is time.
    fn compact_offsets(&mut self, log: LogId, now: Now) {
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        let idle = offsets.queue.is_empty() && matches!(offsets.state, State::Ready);
        if !idle || self.shutting_down {
            return;
        }
        if let Some(plan) = offsets.table.snapshot() {
            // Refused: it is made again by the next tick.
            let _ = self.append_plan(log, plan, now);
        } else if offsets.next_sweep_us <= now.monotonic_us {
            let swept =
                offsets.table.sweep(&self.catalog, now, OFFSETS_RETENTION_MS, |_group| false);
            if swept.finished {
                offsets.next_sweep_us = now.plus_ms(limits::OFFSET_SWEEP_MS);
            }
            if let Some(plan) = swept.plan {
                // Refused: the next sweep finds the same.
                let _ = self.append_plan(log, plan, now);
            }
        }
    }

    /// When offsets have to be looked at again, though nothing happens.
    pub(super) fn offsets_deadline(&self) -> Option<u64> {
        let idle = |offsets: &&OffsetLog| {
            offsets.queue.is_empty() && matches!(offsets.state, State::Ready)
        };
        let logs = self.offsets.logs.values();
        let sweep = logs.filter(idle).map(|offsets| offsets.next_sweep_us).min();
        sweep.filter(|_| !self.shutting_down)
    }

    /// Answers all commits with an error: those that are appended with `perhaps`, the others with
    /// `not`.
    pub(super) fn fail_commits(&mut self, perhaps: &AskError, not: &AskError) {
        let mut failed = Vec::new();
        for offsets in self.offsets.logs.values_mut() {
            failed.extend(offsets.acks.drain(..).map(|(_, ticket)| (ticket, perhaps)));
            failed.extend(offsets.queue.drain(..).map(|commit| (commit.ticket, not)));
            failed.extend(offsets.early.drain(..).map(|request| (request.ticket, not)));
        }
        for (ticket, error) in failed {
            self.answer(ticket, Err(error.clone()));
        }
    }
}

/// Gives the whole batches of `rest` and `pieces` to the table; what is cut short stays in `rest`.
fn take_in(table: &mut OffsetTable, rest: &mut Vec<u8>, pieces: &[Piece]) -> Result<(), String> {
    for piece in pieces {
        match piece {
            Piece::Memory(slice) => rest.extend_from_slice(slice),
            Piece::File { .. } => return Err("a file where memory was asked for".to_owned()),
        }
    }
    let mut at = 0;
    while let Some(bytes) = BatchHeader::peek_size(&rest[at..]) {
        let Some(batch) = rest[at..].get(..bytes) else { break };
        let batch = BatchView::parse(batch).map_err(|error| error.to_string())?;
        table.replay(&batch).map_err(|error| error.to_string())?;
        at += bytes;
    }
    rest.drain(..at);
    Ok(())
}
