//! The partitions of `__consumer_offsets` that are this core's: the positions of named consumers,
//! and the groups of which this core is the coordinator ([`super::groups`]).
//!
//! ```text
//!              read from the log's start                 durable
//! log found ──────────────────────────────> table ready ─────────> commits answered, offsets shown
//!                                            │  ^
//!                          change, snapshot, │  │ advance, each tick
//!                          sweep             v  │
//!                                           plan ──> appended as one batch
//! ```
//! What an [`OffsetTable`] decides is appended like any batch and counts once it is durable. One
//! plan is staged after the other; a change that the store can't take yet waits in the queue, a
//! snapshot or a step of a sweep is simply made again in a later tick. While its table is being
//! loaded, questions wait, and are then asked again.

use std::collections::{BTreeMap, VecDeque};

use duramen_protocol::batch::{BatchHeader, BatchView};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::files::journal::PartitionKey;

use crate::broker::catalog::Catalog;
use crate::broker::groups::{Coordinator, GroupRecord, Membership, StoreId};
use crate::broker::offsets::{CommitOffset, OffsetKey, OffsetTable, Plan};
use crate::config::groups::GroupSettings;
use crate::io::{Disk, Now};
use crate::limits;
use crate::storage::{Data, From, LogId, Piece, Read, ReadError, Refusal};

use super::error::AskError;
use super::groups::{GroupAnswer, refused};
use super::produce::refusal_error;
use super::request::{Answer, Ask, Position, Request, Ticket};
use super::{Reader, Shard};

/// The partitions of consumers' offsets on this core.
#[derive(Default)]
pub(super) struct OffsetLogs {
    pub logs: BTreeMap<LogId, OffsetLog>,
    pub settings: GroupSettings,
}

/// One of them.
pub(super) struct OffsetLog {
    pub table: OffsetTable,
    pub coordinator: Coordinator<Ticket>,
    state: State,
    /// Changes that are not appended yet.
    pub queue: VecDeque<Change>,
    /// Who waits for what is appended: until the log is durable up to there.
    waiting: VecDeque<(u64, Then)>,
    /// The offset behind the last change that was appended.
    appended_to: u64,
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
    /// The table is there, its groups are not.
    Read,
    Ready,
    /// The log can't be read or understood; the reason.
    Broken(String),
}

/// Something to append, and what comes after it.
pub(super) enum Change {
    Commit {
        ticket: Ticket,
        group: String,
        offsets: Vec<CommitOffset>,
    },
    StoreGroup {
        group: String,
        record: GroupRecord,
        id: StoreId,
    },
    /// In as many batches as it takes. Nobody waits for a group that has only expired.
    DeleteGroup {
        ticket: Option<Ticket>,
        group: String,
    },
    DeleteOffsets {
        ticket: Ticket,
        group: String,
        partitions: Vec<(String, u32)>,
        answer: Answer,
    },
}

/// What comes after a change.
pub(super) enum Then {
    Nothing,
    Answer(Ticket, Answer),
    /// The coordinator goes on.
    Stored(String, StoreId),
}

/// What is to be done with the first change in the queue.
enum Step {
    Append {
        plan: Plan,
        is_last: bool,
    },
    /// Nothing is left of it to append.
    Done,
}

impl OffsetLogs {
    /// A partition is there, whose log begins at `log_start`.
    pub fn insert(&mut self, log: LogId, log_start: u64) {
        let from = From::Offset(log_start);
        let state = State::Loading { from, rest: Vec::new(), reading: false };
        let offsets = OffsetLog {
            table: OffsetTable::default(),
            coordinator: Coordinator::new(self.settings),
            state,
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            appended_to: 0,
            early: Vec::new(),
            next_sweep_us: 0,
        };
        self.logs.insert(log, offsets);
    }

    /// Whether a change is not durable yet.
    pub fn any_change(&self) -> bool {
        self.logs
            .values()
            .any(|log| !log.queue.is_empty() || !log.waiting.is_empty() || !log.early.is_empty())
    }
}

impl OffsetLog {
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// Begins the coordinator with the groups that the log has.
    fn load_groups(&mut self, now: Now) -> Result<(), String> {
        for (group, record) in self.table.group_records().map_err(|error| error.to_string())? {
            let record = GroupRecord::decode(record)
                .map_err(|error| format!("the record of the group {group:?}: {error}"))?;
            self.coordinator.load(&group, &record, now);
        }
        Ok(())
    }

    /// It can't be served.
    fn break_down(&mut self, reason: String) {
        eprintln!("duramen: consumers' groups and offsets can't be loaded: {reason}");
        self.state = State::Broken(reason);
    }

    /// Whether offsets may be committed in this name.
    fn check_commit(&mut self, member: &Membership, now: Now) -> Result<(), AskError> {
        let checked = match self.coordinator.check_commit(member, now) {
            Some(checked) => checked,
            None if member.generation < 0 => Ok(()),
            // Without a group there are no generations.
            None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
        };
        checked.map_err(|code| refused(code, code.text()))
    }

    /// What is to be done with the first change, if there is one.
    fn first_step(&self, catalog: &Catalog, now: Now) -> Option<Result<Step, AskError>> {
        let planned = match self.queue.front()? {
            Change::Commit { group, offsets, .. } => {
                self.table.commit(catalog, group, offsets.clone(), now)
            }
            Change::StoreGroup { group, record, .. } => self.table.store_group(group, record),
            Change::DeleteGroup { group, .. } => Ok(self.table.delete_group(group)),
            Change::DeleteOffsets { group, partitions, .. } => {
                self.table.delete_offsets(group, partitions)
            }
        };
        let is_last = !matches!(self.queue.front(), Some(Change::DeleteGroup { .. }));
        let step = |plan: Option<Plan>| match plan {
            Some(plan) => Step::Append { plan, is_last },
            None => Step::Done,
        };
        Some(planned.map(step).map_err(AskError::Refused))
    }

    /// The first change is appended: whoever asked for it waits until it is durable.
    fn first_is_appended(&mut self) {
        let then = self.queue.pop_front().map_or(Then::Nothing, Change::then);
        self.waiting.push_back((self.appended_to, then));
    }

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
    /// Takes an [`Ask::CommitOffsets`], an [`Ask::FetchOffsets`] or an [`Ask::Group`].
    pub(super) fn ask_offsets(&mut self, key: PartitionKey, request: Request, now: Now) {
        let ticket = request.ticket;
        let log = self.store.find(&key);
        let found = log.and_then(|log| Some((log, self.offsets.logs.get_mut(&log)?)));
        let Some((log, offsets)) = found else {
            return self.answer(ticket, Err(AskError::NoPartition));
        };
        if offsets.queue.len() + offsets.early.len() >= limits::OFFSET_COMMITS_QUEUED {
            let error = AskError::Overloaded("too many changes of groups and offsets are waiting");
            return self.answer(ticket, Err(error));
        }
        match (&offsets.state, request.ask) {
            (State::Loading { .. } | State::Read, ask) => {
                offsets.early.push(Request { ticket, ask })
            }
            (State::Broken(reason), _) => {
                let error = AskError::BrokenOffsets(reason.clone());
                self.answer(ticket, Err(error));
            }
            (State::Ready, Ask::CommitOffsets { member, offsets: wanted, .. }) => {
                match offsets.check_commit(&member, now) {
                    Ok(()) => {
                        let group = member.group;
                        offsets.queue.push_back(Change::Commit { ticket, group, offsets: wanted });
                        self.stage_changes(log, now);
                    }
                    Err(error) => self.answer(ticket, Err(error)),
                }
            }
            (State::Ready, Ask::Group { ask, .. }) => self.ask_group(log, ticket, *ask, now),
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
            self.load_groups(log, now);
            self.ask_early(log, now);
            self.advance_groups(log, now);
            self.stage_changes(log, now);
            self.settle_offsets(log, now);
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
            Ok(true) => offsets.state = State::Read,
            Ok(false) => {}
            Err(reason) => offsets.break_down(reason),
        }
    }

    /// Begins with the groups of a log that was read.
    fn load_groups(&mut self, log: LogId, now: Now) {
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        if matches!(offsets.state, State::Read) {
            offsets.state = State::Ready;
            if let Err(reason) = offsets.load_groups(now) {
                offsets.break_down(reason);
            }
        }
    }

    /// Asks again what was asked while the log was being read.
    fn ask_early(&mut self, log: LogId, now: Now) {
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        if !matches!(offsets.state, State::Loading { .. } | State::Read) {
            for request in std::mem::take(&mut offsets.early) {
                self.take(request, now);
            }
        }
    }

    /// Appends the changes in the queue, as far as the store takes them.
    pub(super) fn stage_changes(&mut self, log: LogId, now: Now) {
        loop {
            let Some(offsets) = self.offsets.logs.get(&log) else { return };
            let Some(step) = offsets.first_step(&self.catalog, now) else { return };
            let appended = match step {
                Ok(Step::Append { plan, is_last }) => match self.append_plan(log, plan, now) {
                    Ok(()) => Ok(is_last),
                    Err(Refusal::Wait) => return,
                    Err(refusal) => Err(refusal_error(refusal)),
                },
                Ok(Step::Done) => Ok(true),
                Err(error) => Err(error),
            };
            let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
            match appended {
                Ok(true) => offsets.first_is_appended(),
                Ok(false) => {}
                Err(error) => {
                    let then = offsets.queue.pop_front().map_or(Then::Nothing, Change::then);
                    self.go_on(log, then, Err(error), now);
                }
            }
        }
    }

    /// Appends a plan's batch.
    fn append_plan(&mut self, log: LogId, plan: Plan, now: Now) -> Result<(), Refusal> {
        let batch = plan.to_batch(now);
        let header = BatchHeader::parse(&batch)
            .unwrap_or_else(|error| panic!("a batch that we built is none: {error}"));
        let appended = self.store.append(log, &batch, &header, now)?;
        if let Some(offsets) = self.offsets.logs.get_mut(&log) {
            offsets.table.staged(plan, appended.base_offset as i64, batch.len() as u64);
            offsets.appended_to = appended.last_offset + 1;
        }
        Ok(())
    }

    /// What a change was for is durable, or is not to be.
    fn go_on(&mut self, log: LogId, then: Then, result: Result<(), AskError>, now: Now) {
        match then {
            Then::Nothing => {}
            Then::Answer(ticket, answer) => self.answer(ticket, result.map(|()| answer)),
            Then::Stored(group, id) => self.group_stored(log, &group, id, result, now),
        }
    }

    /// Goes on behind the changes that are durable, and lets go of what a snapshot has replaced.
    fn settle_offsets(&mut self, log: LogId, now: Now) {
        let durable = self.store.status(log).durable;
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        if !matches!(offsets.state, State::Ready) {
            return;
        }
        let log_start = offsets.table.advance(durable as i64);
        let done = offsets.waiting.partition_point(|(end, _)| *end <= durable);
        for (_, then) in Vec::from_iter(offsets.waiting.drain(..done)) {
            self.go_on(log, then, Ok(()), now);
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
            self.sweep_offsets(log, now);
        }
    }

    /// Finds offsets that have expired, and groups that are over.
    fn sweep_offsets(&mut self, log: LogId, now: Now) {
        let retention_ms = self.offsets.settings.offsets_retention_ms;
        let Some(OffsetLog { table, coordinator, next_sweep_us, .. }) =
            self.offsets.logs.get_mut(&log)
        else {
            return;
        };
        let age = |key: &OffsetKey| coordinator.offset_age(&key.group, &key.topic);
        let swept = table.sweep(&self.catalog, now, retention_ms, age);
        if swept.finished {
            *next_sweep_us = now.plus_ms(limits::OFFSET_SWEEP_MS);
            self.end_groups(log);
        }
        if let Some(plan) = swept.plan {
            // Refused: the next sweep finds the same.
            let _ = self.append_plan(log, plan, now);
        }
    }

    /// When offsets have to be looked at again, though nothing happens.
    pub(super) fn offsets_deadline(&self) -> Option<u64> {
        let idle = |offsets: &&OffsetLog| {
            offsets.queue.is_empty() && matches!(offsets.state, State::Ready)
        };
        let logs = self.offsets.logs.values();
        let sweep = logs.filter(idle).map(|offsets| offsets.next_sweep_us).min();
        let ready = self.offsets.logs.values().filter(|offsets| offsets.is_ready());
        let groups = ready.filter_map(|offsets| offsets.coordinator.next_deadline()).min();
        sweep.into_iter().chain(groups).min().filter(|_| !self.shutting_down)
    }

    /// Answers whoever waits for a change with an error: for those that are appended with `perhaps`,
    /// for the others with `not`.
    pub(super) fn fail_changes(&mut self, perhaps: &AskError, not: &AskError, now: Now) {
        let mut failed = Vec::new();
        for (log, offsets) in &mut self.offsets.logs {
            failed.extend(offsets.waiting.drain(..).map(|(_, then)| (*log, then, perhaps)));
            failed.extend(offsets.queue.drain(..).map(|change| (*log, change.then(), not)));
            let early = offsets.early.drain(..).map(|request| request.ticket);
            let early = early.map(|ticket| Then::Answer(ticket, Answer::Committed));
            failed.extend(early.map(|then| (*log, then, not)));
        }
        for (log, then, error) in failed {
            self.go_on(log, then, Err(error.clone()), now);
        }
    }
}

impl Change {
    /// What comes after it.
    fn then(self) -> Then {
        match self {
            Change::Commit { ticket, .. } => Then::Answer(ticket, Answer::Committed),
            Change::StoreGroup { group, id, .. } => Then::Stored(group, id),
            Change::DeleteGroup { ticket: None, .. } => Then::Nothing,
            Change::DeleteGroup { ticket: Some(ticket), .. } => {
                Then::Answer(ticket, Answer::Group(GroupAnswer::Deleted))
            }
            Change::DeleteOffsets { ticket, answer, .. } => Then::Answer(ticket, answer),
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
