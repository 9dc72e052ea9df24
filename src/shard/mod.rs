//! One core's partitions, and everybody who waits for something of theirs. Sans-IO.
//!
//! A [`Shard`] owns the core's [`Store`]. Questions go in through [`Shard::enqueue`], [`Shard::tick`]
//! does what can be done, and what it lets go of comes out: answers, pushes, ends. Time is an
//! argument, nothing here waits, and the same calls give the same run.
//!
//! ```text
//!              enqueue                                   Released
//! clients ───────────────> requests ─┐              ┌────────────────> clients
//!                                    v              │
//!   completions ──> durable ──> waiters ──> requests ──> chores ──> group
//!   └──────────────────────────── one tick ──────────────────────────────┘
//! ```
//!
//! Who waits, and what for:
//!
//! | file | who | for |
//! |---|---|---|
//! | [`produce`] | batches the store could not take yet | [`Event::Progress`] |
//! | [`acks`] | staged batches | their offset being durable |
//! | [`fetch`] | reads | bytes, their deadline, or room at their client |
//! | [`read_many`] | reads of many partitions | bytes of any of them, or their deadline |
//! | [`subscriptions`] | pushes | durable bytes, credit, or room at their client |
//! | `offsets` | commits of consumers' positions | their offset being durable |
//! | [`groups`] | members that join or sync | the others of their group |
//! | [`lookups`] | searches by time, deletions of records | the disk |
//!
//! Invariants:
//! - Nothing is answered or pushed past the durable offset.
//! - Appends to a partition are staged in the order in which they came.
//! - What a client was given and has not sent on is bounded ([`clients`]): a client that does not
//!   read costs its bound and no more.
//! - After the disk failed, every append is refused; reads go on.

pub mod acks;
mod catalog;
pub mod clients;
pub mod counters;
pub mod error;
pub mod fetch;
pub mod groups;
mod logs;
pub mod lookups;
mod offsets;
pub mod produce;
pub mod read_many;
pub mod request;
pub mod subscriptions;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use duramen_protocol::codes::ErrorCode;

use crate::broker::Refusal;
use crate::broker::catalog::Catalog;
use crate::config::groups::GroupSettings;
use crate::io::{Disk, DiskError, Now};
use crate::limits;
use crate::storage::{Event, LogId, Piece, ReadId, Store};

use clients::Clients;
use counters::Counters;
use error::AskError;
use fetch::{FetchId, Fetches};
use logs::Logs;
use offsets::OffsetLogs;
use read_many::ReadManys;
use request::{Answer, Ask, At, ClientId, Opened, Released, Request, Ticket};
use subscriptions::{SubscriptionKey, Subscriptions};

/// One core's partitions and waiters.
pub struct Shard<D: Disk> {
    store: Store<D>,
    logs: Logs,
    inbox: VecDeque<Request>,
    /// Bytes of the batches in `inbox` and of those that wait for the store.
    backlog_bytes: usize,
    /// Partitions whose first batch in the queue the store could not take yet.
    waiting: VecDeque<LogId>,
    clients: Clients,
    fetches: Fetches,
    read_manys: ReadManys,
    subscriptions: Subscriptions,
    offsets: OffsetLogs,
    /// Which core this is, and of how many.
    place: (u32, u32),
    catalog: Arc<Catalog>,
    /// Reads and searches that wait for the disk.
    reading: HashMap<ReadId, Reader>,
    counters: Counters,
    events: Vec<Event>,
    out: Vec<Released>,
    shutting_down: bool,
    /// The store knows that it is to stop.
    store_told: bool,
}

/// Who waits for the disk.
#[derive(Clone, Copy, Debug)]
enum Reader {
    Fetch(FetchId),
    /// A read of many partitions, and which of them.
    Many(Ticket, usize),
    Subscription(SubscriptionKey),
    Search(Ticket),
    Offsets(LogId),
}

impl<D: Disk> Shard<D> {
    /// The shard of core `core`, of `cores`, over `store`, with the partitions that `catalog` says.
    /// The groups among them go by `groups`.
    pub fn new(
        store: Store<D>,
        core: u32,
        cores: u32,
        catalog: Arc<Catalog>,
        groups: GroupSettings,
    ) -> Shard<D> {
        let mut shard = Shard {
            store,
            logs: Logs::default(),
            inbox: VecDeque::new(),
            backlog_bytes: 0,
            waiting: VecDeque::new(),
            clients: Clients::default(),
            fetches: Fetches::default(),
            read_manys: ReadManys::default(),
            subscriptions: Subscriptions::default(),
            offsets: OffsetLogs { settings: groups, ..OffsetLogs::default() },
            place: (core, cores),
            catalog: catalog.clone(),
            reading: HashMap::new(),
            counters: Counters::default(),
            events: Vec::new(),
            out: Vec::new(),
            shutting_down: false,
            store_told: false,
        };
        shard.apply(catalog);
        shard
    }

    /// The partitions' disk.
    pub fn disk(&self) -> &D {
        self.store.disk()
    }

    /// Puts a question in the queue; the next tick takes it.
    pub fn enqueue(&mut self, request: Request) {
        if let Ask::Append { batch, silent, .. } = &request.ask {
            if self.shutting_down {
                let ticket = (!silent).then_some(request.ticket);
                return self.refuse(ticket, AskError::ShuttingDown);
            }
            self.backlog_bytes += batch.len();
        }
        self.inbox.push_back(request);
    }

    /// Whether so many bytes wait to be staged that nobody should bring more.
    pub fn is_congested(&self) -> bool {
        self.backlog_bytes > limits::BACKLOG_BYTES
    }

    /// One turn. What was let go of is appended to `out`. Returns when the next turn is due at
    /// the latest, on the monotonic clock in microseconds.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Released>) -> Option<u64> {
        self.collect(now);
        self.stage_waiting(now);
        let more_requests = self.take_requests(now);
        self.serve_due_fetches(now);
        self.serve_due_read_manys(now);
        self.tend_offsets(now);
        let more_pushes = self.push_to_subscribers();
        let chores = self.store.advance(now);
        out.append(&mut self.out);
        let more = more_requests || more_pushes || self.store.has_events();
        let again = more.then_some(now.monotonic_us);
        let reads = [self.fetches.next_deadline(), self.read_manys.next_deadline()];
        [again, chores, self.offsets_deadline()].into_iter().chain(reads).flatten().min()
    }

    /// Takes what the disk has done, and releases whoever waited for it.
    fn collect(&mut self, now: Now) {
        let mut events = std::mem::take(&mut self.events);
        self.store.collect(now, &mut events);
        for event in events.drain(..) {
            match event {
                Event::Durable(log) => self.durable_rose(log, now),
                Event::Read(id, result) => self.read_done(id, result),
                Event::Found(id, result) => self.search_done(id, result),
                Event::LogStart(log) => self.log_start_rose(log),
                Event::Passed(key) => self.logs.passed.push(key),
                Event::Failed => self.disk_failed(now),
                // Tried again in every tick.
                Event::Progress => {}
            }
        }
        self.events = events;
    }

    /// Answers questions, as many as a tick has time for. Whether some are left.
    fn take_requests(&mut self, now: Now) -> bool {
        let mut budget = limits::TICK_APPEND_BYTES;
        while let Some(request) = self.inbox.pop_front() {
            if let Ask::Append { batch, .. } = &request.ask {
                budget = budget.saturating_sub(batch.len());
            }
            self.take(request, now);
            if budget == 0 {
                break;
            }
        }
        !self.inbox.is_empty()
    }

    fn take(&mut self, Request { ticket, ask }: Request, now: Now) {
        match ask {
            Ask::Append { at, batch, silent } => self.append(ticket, at, batch, silent, now),
            Ask::Open { key, producer } => {
                let opened = self.open(&key, producer);
                self.answer(ticket, opened);
            }
            Ask::CommitOffsets { key, .. }
            | Ask::FetchOffsets { key, .. }
            | Ask::Group { key, .. } => {
                self.ask_offsets(key, Request { ticket, ask }, now);
            }
            Ask::Status { key } => {
                let log = self.store.find(&key).ok_or(AskError::NoPartition);
                let status = log.map(|log| Answer::Status(self.store.status(log)));
                self.answer(ticket, status);
            }
            Ask::Snapshot => {
                let snapshot = self.snapshot();
                self.answer(ticket, Ok(Answer::Snapshot(Box::new(snapshot))));
            }
            Ask::Read { .. } => self.fetch(ticket, &ask, now),
            Ask::ReadMany(read) => self.read_many(ticket, *read, now),
            Ask::Hurry => self.hurry(ticket),
            Ask::Subscribe { log, subscription, offset, credit_bytes } => {
                let result = self.subscribe(ticket.client, log, subscription, offset, credit_bytes);
                self.answer(ticket, result);
            }
            Ask::Credit { subscription, bytes } => {
                self.add_credit((ticket.client, subscription), bytes);
            }
            Ask::Unsubscribe { subscription } => {
                let result = self.unsubscribe((ticket.client, subscription));
                self.answer(ticket, result);
            }
            Ask::FindOffset { at, query } => match self.log_at(at) {
                Ok(log) => self.find_offset(ticket, log, query),
                Err(error) => self.answer(ticket, Err(error)),
            },
            Ask::DeleteRecords { at, before } => match self.clients_log_at(at) {
                Ok(log) => self.delete_records(ticket, log, before),
                Err(error) => self.answer(ticket, Err(error)),
            },
            Ask::FindEpochEnd { key, epoch } => {
                let log = self.log_at(At::Key(key));
                let end = log.map(|log| Answer::EpochEnd(self.store.epoch_end(log, epoch)));
                self.answer(ticket, end);
            }
            Ask::Sent { bytes, pinned } => self.sent(ticket.client, bytes, pinned),
            Ask::Leave => self.leave(ticket.client),
        }
    }

    /// The log of a partition.
    fn log_at(&self, at: At) -> Result<LogId, AskError> {
        match at {
            At::Log(log) => Ok(log),
            At::Key(key) => self.store.find(&key).ok_or(AskError::NoPartition),
        }
    }

    /// Likewise, of one that clients may change: what the broker keeps for itself is not theirs.
    fn clients_log_at(&self, at: At) -> Result<LogId, AskError> {
        let log = self.log_at(at)?;
        if self.offsets.logs.contains_key(&log) {
            let code = ErrorCode::INVALID_REQUEST;
            let message = "the topic is the server's own: it can be read, not changed".to_owned();
            return Err(AskError::Refused(Refusal { code, message }));
        }
        Ok(log)
    }

    fn open(
        &self,
        key: &duramen_protocol::files::journal::PartitionKey,
        producer: Option<(i64, i16)>,
    ) -> Result<Answer, AskError> {
        let log = self.store.find(key).ok_or(AskError::NoPartition)?;
        let config = self.logs.get(log).ok_or(AskError::NoPartition)?.config.clone();
        let known = producer.map(|(id, epoch)| self.store.last_durable(log, id, epoch));
        let status = self.store.status(log);
        let producer = known.unwrap_or_default();
        Ok(Answer::Opened(Box::new(Opened { log, status, config, producer })))
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Answer, AskError>) {
        self.out.push(Released::Answer { ticket, result });
    }

    /// The client's bytes are on their way: whoever waited for room there goes on.
    fn sent(&mut self, client: ClientId, bytes: usize, pinned: usize) {
        let Some(stalled) = self.clients.sent(client, bytes, pinned) else { return };
        for fetch in stalled.fetches {
            self.unstall_fetch(fetch);
        }
        for subscription in stalled.subscriptions {
            self.unstall_subscription(subscription);
        }
    }

    fn leave(&mut self, client: ClientId) {
        self.clients.remove(client);
        self.drop_fetches(client);
        self.drop_subscriptions(client);
    }

    /// More of a partition is durable.
    fn durable_rose(&mut self, log: LogId, now: Now) {
        self.release_acks(log, now);
        self.wake_fetches(log);
        self.wake_read_manys(log);
        self.wake_subscribers(log);
    }

    /// The disk failed: nothing is acknowledged any more.
    fn disk_failed(&mut self, now: Now) {
        let reason = self.failure();
        let (perhaps, not) = (AskError::PerhapsPersisted(reason.clone()), AskError::Failed(reason));
        for log in self.logs.ids() {
            self.fail_acks(log, &perhaps);
            self.fail_deletions(log, &perhaps);
            self.fail_queued(log, &not);
        }
        self.waiting.clear();
        self.fail_changes(&perhaps, &not, now);
    }

    /// Why the disk is not written to any more, if it is not.
    pub fn failed(&self) -> Option<&DiskError> {
        self.store.failed()
    }

    /// What the disk died of.
    fn failure(&self) -> String {
        self.store.failed().map_or_else(|| "unknown".to_owned(), |error| error.to_string())
    }

    /// Begins to stop: requests that are in the queue are still taken, appends that come later are
    /// refused, subscriptions end, reads are answered with what there is.
    pub fn begin_shutdown(&mut self) {
        self.shutting_down = true;
        self.end_subscriptions(|_| true, &AskError::ShuttingDown);
        self.fetches.all_are_due();
        self.read_manys.all_are_due();
        self.refuse_group_calls();
    }

    /// Whether an append or a change of offsets or groups is not durable yet.
    fn is_busy(&self) -> bool {
        self.logs.any_append() || self.offsets.any_change()
    }

    /// Lets the store stop, once everything that was accepted is answered. Whether it has.
    pub fn shut_down(&mut self) -> bool {
        if !self.shutting_down || !self.inbox.is_empty() || self.is_busy() {
            return false;
        }
        if !self.store_told {
            self.store_told = true;
            self.store.begin_shutdown();
        }
        self.store.is_shut_down()
    }
}

/// How many of these bytes are held in memory.
pub fn pinned_bytes(pieces: &[Piece]) -> usize {
    let memory = |piece: &Piece| match piece {
        Piece::Memory(slice) => slice.len(),
        Piece::File { .. } => 0,
    };
    pieces.iter().map(memory).sum()
}

#[cfg(test)]
mod tests;
