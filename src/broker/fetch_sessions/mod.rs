//! Fetch sessions, Kafka's KIP-227: a client says once what it reads, and after that only what is
//! new of that; it is told only of partitions that have records, have moved, or have an error.
//!
//! | session id | epoch | what it is |
//! |---|---|---|
//! | any | 0 | everything is named; a session of that id ends, and a new one begins, if it can |
//! | any | -1 | everything is named; a session of that id ends, and none begins |
//! | of a session | its next one | what is named is added or changed, what is forgotten goes |
//! | of a session | another | `INVALID_FETCH_SESSION_EPOCH`: something was lost, begin anew |
//! | of none | 1 and up | `FETCH_SESSION_ID_NOT_FOUND`: begin anew |
//!
//! Epochs rise by one with each request, from the 0 that begins the session, and go on with 1 after
//! the largest. A session without partitions ends. Where no session can begin, the answer's id is 0,
//! and the client goes on naming everything.
//!
//! Sessions are kept in memory, so many a core, and so many partitions in all of them. Where there
//! is no room for one more, Kafka's rules say which goes: one that was not used for
//! [`limits::FETCH_SESSION_STALE_MS`]; or else the smallest of those that are older than that, if it
//! is smaller than the new one. Clients of one that went are told that it is not found.

mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use duramen_protocol::codes::ErrorCode;

pub use session::{Place, Standing, TopicName, Wanted};

use self::session::Session;
use crate::io::Now;
use crate::limits;

/// The epoch of a request that begins a session.
const FIRST_EPOCH: i32 = 0;
/// The epoch of a request that ends a session, or goes without.
const FINAL_EPOCH: i32 = -1;

/// What a request is: see [the table](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It stands for itself.
    Alone,
    /// It begins a session, if that can be: with the answer, by [`FetchSessions::create`].
    Full,
    /// It goes on with a session.
    Incremental(Ongoing),
}

/// A session, as a request has left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ongoing {
    /// Which.
    pub id: i32,
    epoch: i32,
    /// The numbers of its partitions, in their order.
    numbers: Vec<u64>,
}

/// The sessions of one core.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    partitions_max: usize,
    sessions: HashMap<i32, Session>,
    /// By when they were used last.
    used: BTreeSet<(u64, i32)>,
    /// By their partitions: those whose place another may take.
    evictable: BTreeSet<(usize, i32)>,
    /// Of all of them.
    partitions: usize,
}

impl FetchSessions {
    /// Room for `slots` sessions with `partitions_max` partitions in all.
    pub fn new(slots: usize, partitions_max: usize) -> FetchSessions {
        FetchSessions {
            slots,
            partitions_max,
            sessions: HashMap::new(),
            used: BTreeSet::new(),
            evictable: BTreeSet::new(),
            partitions: 0,
        }
    }

    /// Takes a request: its session and epoch, whether its topics go by id, the partitions that it
    /// names and those that it wants no more. Returns what it is, and all that is to be read.
    ///
    /// # Errors
    /// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH`, `FETCH_SESSION_TOPIC_ID_ERROR`.
    pub fn begin(
        &mut self,
        (id, epoch): (i32, i32),
        by_id: bool,
        named: Vec<Wanted>,
        forgotten: &[Place],
        now: Now,
    ) -> Result<(Kind, Vec<Wanted>), ErrorCode> {
        if epoch == FIRST_EPOCH || epoch == FINAL_EPOCH {
            self.remove(id);
            let kind = if epoch == FIRST_EPOCH { Kind::Full } else { Kind::Alone };
            return Ok((kind, named));
        }
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.goes_by_id().is_some_and(|was| was != by_id) {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        for wanted in named {
            session.put(wanted);
        }
        forgotten.iter().for_each(|place| session.forget(place));
        session.epoch = next_epoch(epoch);
        let (epoch, len, counted) = (session.epoch, session.len(), session.counted);
        if len == 0 {
            self.remove(id);
            return Ok((Kind::Alone, Vec::new()));
        }
        let (wanted, numbers) = session.wanted();
        if self.partitions - counted + len > self.partitions_max {
            self.remove(id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        self.touch(id, now);
        Ok((Kind::Incremental(Ongoing { id, epoch, numbers }), wanted))
    }

    /// Begins a session with what was asked for and what was answered, and returns its id; 0 where
    /// there is no room. `ids` are random numbers.
    pub fn create(
        &mut self,
        answered: impl ExactSizeIterator<Item = (Wanted, Standing)>,
        now: Now,
        mut ids: impl Iterator<Item = i32>,
    ) -> i32 {
        let len = answered.len();
        if len == 0 || !self.make_room(len, now) {
            return 0;
        }
        let Some(id) = ids.find(|id| *id > 0 && !self.sessions.contains_key(id)) else { return 0 };
        let epoch = next_epoch(FIRST_EPOCH);
        let mut session = Session::new(epoch, now);
        for (wanted, standing) in answered {
            let number = session.put(wanted);
            session.tell(number, &standing);
        }
        self.sessions.insert(id, session);
        self.touch(id, now);
        id
    }

    /// Notes what the client of a session is told of its partitions, as they stand in their order;
    /// whether each has to be told.
    ///
    /// # Errors
    /// `INVALID_FETCH_SESSION_EPOCH` when another request has come meanwhile.
    pub fn tell(
        &mut self,
        ongoing: &Ongoing,
        standings: impl Iterator<Item = Standing>,
    ) -> Result<Vec<bool>, ErrorCode> {
        let session = self.sessions.get_mut(&ongoing.id);
        let session = session.filter(|session| session.epoch == ongoing.epoch);
        let session = session.ok_or(ErrorCode::INVALID_FETCH_SESSION_EPOCH)?;
        let numbers = ongoing.numbers.iter().zip(standings);
        Ok(numbers.map(|(&number, standing)| session.tell(number, &standing)).collect())
    }

    /// How many sessions there are, and partitions in all of them.
    pub fn counts(&self) -> (usize, usize) {
        (self.sessions.len(), self.partitions)
    }

    /// Makes room for a session of so many partitions; whether there is.
    fn make_room(&mut self, len: usize, now: Now) -> bool {
        if self.slots == 0 || len > self.partitions_max {
            return false;
        }
        while self.sessions.len() >= self.slots || self.partitions + len > self.partitions_max {
            let stale = self.used.first().filter(|(used_us, _)| is_old(*used_us, now));
            let smaller = self.evictable.first().filter(|(its, _)| *its < len);
            let Some(id) = stale.map(|&(_, id)| id).or(smaller.map(|&(_, id)| id)) else {
                return false;
            };
            self.remove(id);
        }
        true
    }

    /// A session was used, and perhaps has more or fewer partitions.
    fn touch(&mut self, id: i32, now: Now) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        self.used.remove(&(session.used_us, id));
        self.evictable.remove(&(session.counted, id));
        self.partitions -= session.counted;
        session.used_us = now.monotonic_us;
        session.counted = session.len();
        self.used.insert((session.used_us, id));
        self.partitions += session.counted;
        if is_old(session.since_us, now) {
            self.evictable.insert((session.counted, id));
        }
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.used.remove(&(session.used_us, id));
            self.evictable.remove(&(session.counted, id));
            self.partitions -= session.counted;
        }
    }
}

fn is_old(since_us: u64, now: Now) -> bool {
    now.monotonic_us.saturating_sub(since_us) > limits::FETCH_SESSION_STALE_MS * 1000
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}
