//! Reads that may wait: for bytes, until their deadline, for room at their client, for the disk.
//!
//! A parked read, woken, simply runs again from its start: nothing of an earlier attempt is kept.
//! It is answered once it finds `min_bytes`, or anything at all when it is due, or an error.

use std::collections::{BTreeSet, HashMap};

use crate::io::{Disk, Now};
use crate::storage::{Data, From, LogId, Read, ReadError, ReadId};

use super::error::AskError;
use super::request::{Answer, Ask, ClientId, Records, Released, Ticket};
use super::{Reader, Shard, pinned_bytes};

/// Names a parked read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FetchId(pub u64);

/// A read under way.
#[derive(Clone, Copy, Debug)]
struct Fetch {
    ticket: Ticket,
    log: LogId,
    offset: u64,
    min_bytes: u64,
    max_bytes: usize,
    deadline_us: u64,
    /// Whether it is answered with whatever there is.
    due: bool,
    state: State,
}

/// What a read waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// More durable bytes, or its deadline.
    Parked,
    /// Room at its client.
    Stalled,
    /// The disk. `woken`: there was a reason to run again meanwhile.
    Reading { woken: bool },
}

/// The reads under way.
#[derive(Default)]
pub(super) struct Fetches {
    fetches: HashMap<FetchId, Fetch>,
    deadlines: BTreeSet<(u64, FetchId)>,
    named: u64,
}

impl Fetches {
    /// When the next read has waited long enough.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline_us, _)| deadline_us)
    }

    /// Lets nobody wait any longer.
    pub fn all_are_due(&mut self) {
        self.deadlines = self.deadlines.iter().map(|&(_, id)| (0, id)).collect();
        for (id, fetch) in &mut self.fetches {
            fetch.due |= !self.deadlines.contains(&(0, *id));
            fetch.deadline_us = 0;
        }
    }

    fn insert(&mut self, fetch: Fetch) -> FetchId {
        self.named += 1;
        let id = FetchId(self.named);
        self.fetches.insert(id, fetch);
        self.deadlines.insert((fetch.deadline_us, id));
        id
    }

    fn remove(&mut self, id: FetchId) -> Option<Fetch> {
        let fetch = self.fetches.remove(&id)?;
        self.deadlines.remove(&(fetch.deadline_us, id));
        Some(fetch)
    }

    /// A read whose time is over by `now_us`. It has no deadline from here on.
    fn pop_due(&mut self, now_us: u64) -> Option<FetchId> {
        let &(deadline_us, id) = self.deadlines.first()?;
        if deadline_us > now_us {
            return None;
        }
        self.deadlines.pop_first();
        if let Some(fetch) = self.fetches.get_mut(&id) {
            fetch.due = true;
        }
        Some(id)
    }
}

impl<D: Disk> Shard<D> {
    /// Takes an [`Ask::Read`].
    pub(super) fn fetch(&mut self, ticket: Ticket, ask: &Ask, now: Now) {
        let &Ask::Read { log, offset, min_bytes, max_bytes, max_wait_ms } = ask else { return };
        let Some(state) = self.logs.get_mut(log) else {
            return self.answer(ticket, Err(AskError::Deleted));
        };
        let fetch = Fetch {
            ticket,
            log,
            offset,
            min_bytes: u64::from(min_bytes),
            max_bytes: max_bytes as usize,
            deadline_us: now.plus_ms(u64::from(max_wait_ms)),
            due: max_wait_ms == 0 || min_bytes == 0 || self.shutting_down,
            state: State::Parked,
        };
        let id = self.fetches.insert(fetch);
        state.fetches.push(id);
        self.counters.reads += 1;
        self.run_fetch(id);
    }

    /// There is a reason to run a read again.
    fn wake_fetch(&mut self, id: FetchId) {
        let Some(fetch) = self.fetches.fetches.get_mut(&id) else { return };
        match &mut fetch.state {
            State::Parked => self.run_fetch(id),
            State::Reading { woken } => *woken = true,
            State::Stalled => {}
        }
    }

    /// Its client has room again.
    pub(super) fn unstall_fetch(&mut self, id: FetchId) {
        self.set_state(id, State::Parked);
        self.run_fetch(id);
    }

    fn set_state(&mut self, id: FetchId, state: State) {
        if let Some(fetch) = self.fetches.fetches.get_mut(&id) {
            fetch.state = state;
        }
    }

    /// Runs a read from its start.
    fn run_fetch(&mut self, id: FetchId) {
        let Some(&fetch) = self.fetches.fetches.get(&id) else { return };
        let client = fetch.ticket.client;
        let room = self.clients.room(client);
        if room == 0 {
            self.set_state(id, State::Stalled);
            return self.clients.stall_fetch(client, id);
        }
        let max_bytes = fetch.max_bytes.min(room);
        match self.store.read(fetch.log, From::Offset(fetch.offset), max_bytes as u64) {
            Read::Data(data) => self.fetched(id, Ok(data)),
            Read::Error(error) => self.fetched(id, Err(error)),
            Read::Pending(read) => {
                self.set_state(id, State::Reading { woken: false });
                self.reading.insert(read, Reader::Fetch(id));
            }
        }
    }

    /// The disk has answered a read.
    pub(super) fn read_done(&mut self, read: ReadId, result: Result<Data, ReadError>) {
        match self.reading.remove(&read) {
            Some(Reader::Fetch(id)) => self.fetch_read(id, result),
            Some(Reader::Many(ticket, index)) => self.many_read(ticket, index, result),
            Some(Reader::Subscription(key)) => self.subscription_read(key, result),
            Some(Reader::Offsets(log)) => self.load(log, result),
            Some(Reader::Search(_)) | None => {}
        }
    }

    fn fetch_read(&mut self, id: FetchId, result: Result<Data, ReadError>) {
        let Some(&fetch) = self.fetches.fetches.get(&id) else { return };
        self.set_state(id, State::Parked);
        self.fetched(id, result);
        if fetch.state == (State::Reading { woken: true }) {
            self.wake_fetch(id);
        }
    }

    fn fetched(&mut self, id: FetchId, result: Result<Data, ReadError>) {
        let Some(&fetch) = self.fetches.fetches.get(&id) else { return };
        let enough = match &result {
            Ok(data) => {
                fetch.due || data.bytes >= fetch.min_bytes || !self.is_at_end(fetch.log, data)
            }
            Err(_) => true,
        };
        match result {
            // It stays parked, and runs again when more is durable or when it is due.
            Ok(_) if !enough => {}
            Ok(data) => self.answer_fetch(id, data),
            Err(error) => {
                self.counters.read_errors += 1;
                self.forget_fetch(id);
                self.answer(fetch.ticket, Err(AskError::of_read(error, fetch.offset)));
            }
        }
    }

    /// Whether nothing durable lies behind these bytes. What was cut short, by a bound or at a
    /// segment's end, has more behind it.
    pub(super) fn is_at_end(&mut self, log: LogId, data: &Data) -> bool {
        match self.store.read(log, From::Cursor(data.next), 1) {
            Read::Data(next) => next.bytes == 0,
            // Nobody waits for that read.
            Read::Pending(_) => false,
            Read::Error(_) => true,
        }
    }

    fn answer_fetch(&mut self, id: FetchId, data: Data) {
        let Some(fetch) = self.forget_fetch(id) else { return };
        let records = self.give(fetch.ticket.client, fetch.log, data);
        let (ticket, result) = (fetch.ticket, Ok(Answer::Records(records)));
        self.out.push(Released::Answer { ticket, result });
    }

    /// Bytes for a client, with the partition's bounds of this moment.
    pub(super) fn give(&mut self, client: ClientId, log: LogId, data: Data) -> Records {
        let status = self.store.status(log);
        let (bytes, pinned) = (data.bytes as usize, pinned_bytes(&data.pieces));
        self.clients.give(client, bytes, pinned);
        self.counters.read_bytes += data.bytes;
        self.counters.read_bytes_from_memory += pinned as u64;
        Records {
            log_start: status.log_start,
            durable: status.durable,
            pieces: data.pieces,
            bytes,
            first_offset: data.first_offset,
        }
    }

    fn forget_fetch(&mut self, id: FetchId) -> Option<Fetch> {
        let fetch = self.fetches.remove(id)?;
        if let Some(state) = self.logs.get_mut(fetch.log) {
            state.fetches.retain(|other| *other != id);
        }
        Some(fetch)
    }

    /// Runs the reads that have waited long enough.
    pub(super) fn serve_due_fetches(&mut self, now: Now) {
        while let Some(id) = self.fetches.pop_due(now.monotonic_us) {
            self.wake_fetch(id);
        }
    }

    /// Runs the reads that wait for more of a partition.
    pub(super) fn wake_fetches(&mut self, log: LogId) {
        let waiting = self.logs.get(log).map(|state| state.fetches.clone());
        for id in waiting.unwrap_or_default() {
            self.wake_fetch(id);
        }
    }

    /// Answers all reads of a partition with an error.
    pub(super) fn fail_fetches(&mut self, log: LogId, error: &AskError) {
        let waiting = self.logs.get(log).map(|state| state.fetches.clone());
        for id in waiting.unwrap_or_default() {
            if let Some(fetch) = self.forget_fetch(id) {
                self.answer(fetch.ticket, Err(error.clone()));
            }
        }
    }

    /// Forgets the reads of a client that is gone.
    pub(super) fn drop_fetches(&mut self, client: ClientId) {
        let of_client =
            |(id, fetch): (&FetchId, &Fetch)| (fetch.ticket.client == client).then_some(*id);
        let gone: Vec<FetchId> = self.fetches.fetches.iter().filter_map(of_client).collect();
        for id in gone {
            self.forget_fetch(id);
        }
    }
}
