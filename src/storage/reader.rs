//! Reading: from an offset to bytes, as slices of memory or ranges of a file.
//!
//! ```text
//!          sealed, or written as whole blocks            in memory
//! |=================================================|================|
//!   sendfile, where this process wrote it or has      slices of the
//!   checked it; else read, checked, sent from memory  tail          ^ durable
//! ```
//!
//! A read first finds the batch that holds its offset (see [`super::lookup`]), or goes on at a
//! [`Cursor`] where the last one ended, byte for byte. Whatever needs the disk makes the read
//! *pending*; a completion lets it take the next step, and the outcome comes as an
//! [`Event::Read`]. Cold ranges come to the page cache first (see [`super::readahead`]): a
//! `sendfile` of them would block the core.
//!
//! Nothing at or past the durable offset is ever given out. A damaged batch is an error with its
//! place; reading can go on behind it.

use std::collections::{BTreeMap, VecDeque};

use super::index_cache::IndexCache;
use super::log::{Life, LogId, Place};
use super::read_job::{Goal, Job, Step, Wait};
use super::readahead::Window;
use super::segment::Segment;
use super::store::{Event, Store};
use super::task::Task;
use crate::io::{Block, Disk, DiskError, FileId, Op, Output, Slice};
use crate::limits;

/// Names a read that is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// A place in a log's byte stream, which a reader holds between reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) place: Place,
    /// The offset of the batch that begins here, where that is known.
    pub(super) offset: Option<u64>,
}

impl Cursor {
    /// The offset of the batch that begins here, where that is known.
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the batch that holds this offset, which comes whole, however large.
    Offset(u64),
    /// Where an earlier read ended.
    Cursor(Cursor),
}

/// A piece of what was read.
#[derive(Clone, Debug)]
pub enum Piece {
    Memory(Slice),
    /// A range of an open file that is in the page cache and may be sent as it is.
    File {
        file: FileId,
        at: u64,
        len: u64,
    },
}

/// What a read gives: consecutive bytes of the log.
#[derive(Clone, Debug)]
pub struct Data {
    pub pieces: Vec<Piece>,
    /// Bytes of all pieces; 0 at the durable end.
    pub bytes: u64,
    /// Where the next read goes on.
    pub next: Cursor,
    /// The offset of the first batch, where the data begins with one and it is known.
    pub first_offset: Option<u64>,
}

/// Why nothing can be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the offset is out of range: {log_start} to {durable} can be read")]
    OutOfRange { log_start: u64, durable: u64 },
    #[error("offsets {first} to {} are damaged on disk", .next_good - 1)]
    Corrupt { first: u64, next_good: u64 },
    #[error(transparent)]
    Io(DiskError),
    #[error("the partition was deleted")]
    Gone,
    #[error("too many reads are waiting for the disk")]
    Busy,
}

/// What became of a read at once.
#[derive(Debug)]
pub enum Read {
    /// Bytes, or none at the durable end.
    Data(Data),
    /// [`Event::Read`] brings the outcome.
    Pending(ReadId),
    Error(ReadError),
}

/// An offset and its timestamp, or nothing that fits.
pub type Found = Option<(u64, i64)>;

/// The reads of a store.
#[derive(Default)]
pub(super) struct Reads {
    pub jobs: BTreeMap<u64, Job>,
    next_id: u64,
    /// Jobs that wait for their turn.
    pub queue: VecDeque<ReadId>,
    in_flight: usize,
    pub indexes: IndexCache,
    /// Sealed segments that are open, least recently opened first.
    pub opened: VecDeque<(LogId, u64)>,
}

impl Reads {
    /// Names a job.
    fn add_job(&mut self, job: Job) -> ReadId {
        self.next_id += 1;
        self.jobs.insert(self.next_id, job);
        ReadId(self.next_id)
    }

    /// Whether as many reads wait as may.
    fn are_too_many(&self) -> bool {
        self.jobs.len() - self.in_flight >= limits::READS_QUEUED
    }

    /// Names a job and puts it at the end of the queue.
    pub fn queue_job(&mut self, job: Job) -> ReadId {
        let id = self.add_job(job);
        self.queue.push_back(id);
        id
    }
}

impl<D: Disk> Store<D> {
    /// Reads at most `max_bytes` of a log, save that the batch at an offset comes whole.
    pub fn read(&mut self, log: LogId, from: From, max_bytes: u64) -> Read {
        self.read_bytes(log, Goal::Bytes { from, max_bytes, to_memory: false })
    }

    /// The same, for those who look at the bytes themselves: every piece is in memory.
    pub fn read_to_memory(&mut self, log: LogId, from: From, max_bytes: u64) -> Read {
        self.read_bytes(log, Goal::Bytes { from, max_bytes, to_memory: true })
    }

    fn read_bytes(&mut self, log: LogId, goal: Goal) -> Read {
        match self.start(log, goal) {
            Started::Data(data) => Read::Data(data),
            Started::Pending(id) => Read::Pending(id),
            Started::Error(error) => Read::Error(error),
            Started::Found(_) => unreachable!("a read that found an offset"),
        }
    }

    pub(super) fn start(&mut self, log: LogId, goal: Goal) -> Started {
        let mut job = Job::new(log, goal);
        loop {
            return match self.run_job(&mut job) {
                Step::Again => continue,
                Step::Data(data) => Started::Data(data),
                Step::Found(found) => Started::Found(found),
                Step::Error(error) => Started::Error(error),
                Step::Op(wait, op) => self.pend(job, Some((wait, op))),
                Step::Bring(window) => self.pend_window(job, window),
                Step::Park => self.pend(job, None),
            };
        }
    }

    fn pend(&mut self, mut job: Job, op: Option<(Wait, Op)>) -> Started {
        if self.reads.are_too_many() {
            return Started::Error(ReadError::Busy);
        }
        let id = match op {
            Some((wait, op)) if self.reads.in_flight < limits::READS_IN_FLIGHT => {
                job.wait = wait;
                let id = self.reads.add_job(job);
                self.submit_read(id, op);
                id
            }
            _ => {
                self.undo(op.map(|o| o.0), job.log);
                self.reads.queue_job(job)
            }
        };
        Started::Pending(id)
    }

    fn pend_window(&mut self, job: Job, window: Window) -> Started {
        if self.reads.are_too_many() {
            return Started::Error(ReadError::Busy);
        }
        let id = self.reads.add_job(job);
        self.readahead.want(window, Some(id));
        Started::Pending(id)
    }

    /// An operation that was planned is not submitted after all.
    fn undo(&mut self, wait: Option<Wait>, log: LogId) {
        if let Some(Wait::Open { base, .. }) = wait {
            self.open_failed(log, base);
        }
    }

    fn submit_read(&mut self, id: ReadId, op: Op) {
        self.reads.in_flight += 1;
        if let Some((log, wait)) = self.reads.jobs.get(&id.0).map(|j| (j.log, j.wait)) {
            if let Some(log) = self.logs.get_mut(log) {
                log.in_flight += 1;
            }
            if let Some(segment) = self.visited(log, wait) {
                segment.visitors += 1;
            }
        }
        self.tasks.submit(Task::Read(id), op);
    }

    /// The segment whose files an operation names, by which they can't be removed meanwhile.
    fn visited(&mut self, log: LogId, wait: Wait) -> Option<&mut Segment> {
        let (Wait::Open { base, .. } | Wait::Index { base, .. }) = wait else { return None };
        self.logs.get_mut(log)?.segment_mut(base)
    }

    /// An operation of a read is done.
    pub(super) fn read_step(&mut self, id: ReadId, result: Result<Output, DiskError>) {
        self.reads.in_flight -= 1;
        if let Some(mut job) = self.reads.jobs.remove(&id.0) {
            let log = job.log;
            if let Some(log) = self.logs.get_mut(log) {
                log.in_flight -= 1;
            }
            if let Some(segment) = self.visited(log, job.wait) {
                segment.visitors -= 1;
            }
            let step = match result {
                Ok(output) => self.learn(&mut job, output),
                Err(error) => self.read_failed(&job, error),
            };
            self.go_on(id, job, step);
            self.delete_segments(log);
            self.consider_trashing(log);
        }
        self.wake_reads();
    }

    /// Takes steps until the read is done or needs the disk.
    pub(super) fn go_on(&mut self, id: ReadId, mut job: Job, mut step: Step) {
        loop {
            match step {
                Step::Again => step = self.run_job(&mut job),
                Step::Data(data) => return self.events.push(Event::Read(id, Ok(data))),
                Step::Found(_) if matches!(job.goal, Goal::Rebuild { .. }) => return,
                Step::Found(found) => return self.events.push(Event::Found(id, Ok(found))),
                Step::Error(error) => {
                    let event = match job.goal {
                        Goal::Bytes { .. } => Event::Read(id, Err(error)),
                        Goal::Find(_) => Event::Found(id, Err(error)),
                        Goal::Rebuild { .. } => return,
                    };
                    return self.events.push(event);
                }
                Step::Op(wait, op) => {
                    job.wait = wait;
                    self.reads.jobs.insert(id.0, job);
                    return self.submit_read(id, op);
                }
                Step::Bring(window) => {
                    job.wait = Wait::Turn;
                    self.reads.jobs.insert(id.0, job);
                    return self.readahead.want(window, Some(id));
                }
                Step::Park => {
                    job.wait = Wait::Turn;
                    self.reads.jobs.insert(id.0, job);
                    return self.reads.queue.push_back(id);
                }
            }
        }
    }

    /// Reads that wait look again, once each: some operation was done.
    pub(super) fn wake_reads(&mut self) {
        for _ in 0..self.reads.queue.len() {
            if self.reads.in_flight >= limits::READS_IN_FLIGHT {
                return;
            }
            let Some(id) = self.reads.queue.pop_front() else { return };
            if let Some(job) = self.reads.jobs.remove(&id.0) {
                self.go_on(id, job, Step::Again);
            }
        }
    }

    fn run_job(&mut self, job: &mut Job) -> Step {
        let living = |l: &&super::log::Log| l.life == Life::Living;
        if self.logs.get(job.log).filter(living).is_none() {
            return Step::Error(ReadError::Gone);
        }
        match job.goal {
            Goal::Find(target) => self.search(job, target),
            Goal::Rebuild { base } => self.rebuild(job, base),
            Goal::Bytes { from: From::Cursor(cursor), max_bytes, .. } => {
                self.supply(job, cursor, max_bytes, 0)
            }
            Goal::Bytes { from: From::Offset(offset), max_bytes, .. } => match job.found {
                None => self.locate(job, offset),
                Some(batch) => {
                    let cursor = Cursor { place: batch.place, offset: Some(batch.offset) };
                    self.supply(job, cursor, max_bytes.max(batch.len), batch.len)
                }
            },
        }
    }

    /// The offset behind the last that may be shown.
    pub(super) fn shown(&self, log: &super::log::Log) -> u64 {
        if canary!(ServePastDurable) { log.next } else { log.durable }
    }
}

/// What a read came to at once.
pub(super) enum Started {
    Data(Data),
    Found(Found),
    Pending(ReadId),
    Error(ReadError),
}

impl Data {
    pub(super) fn empty(cursor: Cursor) -> Data {
        Data { pieces: Vec::new(), bytes: 0, next: cursor, first_offset: None }
    }

    pub(super) fn new(pieces: Vec<Piece>, bytes: u64, from: Cursor) -> Data {
        let place = Place { base: from.place.base, position: from.place.position + bytes };
        let next = Cursor { place, offset: None };
        Data { pieces, bytes, next, first_offset: from.offset }
    }
}

/// A block into which a read brings `len` bytes and no more.
pub(super) fn exactly(len: u64) -> Block {
    Block::with_room(len as usize)
}
