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
//! [`Event::Read`]. Cold ranges are read through the disk's own threads, never by a `sendfile`
//! that would block the core.
//!
//! Nothing at or past the durable offset is ever given out. A damaged batch is an error with its
//! place; reading can go on behind it.

use std::collections::{BTreeMap, VecDeque};

use duramen_protocol::batch::BatchView;

use super::index_cache::IndexCache;
use super::log::{Life, LogId, Place};
use super::search::Target;
use super::segment::{FileState, Phase, Segment};
use super::store::{Canary, Event, Store};
use super::task::Task;
use crate::io::{Block, Disk, DiskError, FileId, Mode, Op, Output, Slice};
use crate::limits;
use duramen_protocol::files::segment::SegmentFile;

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

/// What a pending read wants in the end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    Bytes { from: From, max_bytes: u64, to_memory: bool },
    Find(Target),
}

/// What a pending read has learnt.
#[derive(Debug)]
pub(super) struct Job {
    pub log: LogId,
    pub goal: Goal,
    /// What the operation in flight brings.
    pub wait: Wait,
    /// Bytes wanted from where the read in flight begins; what the file lacks is in memory.
    pub want: u64,
    /// Of these, what the file was asked for.
    pub asked: u64,
    /// The batch that the read begins with, once found: its place, offset and length.
    pub found: Option<FoundBatch>,
    /// Where a scan for the batch stands.
    pub scan: Option<Place>,
    /// The segment of a search by time.
    pub segment: Option<u64>,
    /// An index led nowhere: scan without it.
    pub distrusts_index: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct FoundBatch {
    pub place: Place,
    pub offset: u64,
    pub len: u64,
}

/// What an operation of a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// In the queue, nothing in flight.
    Turn,
    Open {
        base: u64,
        file: FileId,
    },
    Index {
        base: u64,
        kind: SegmentFile,
    },
    /// Headers for a scan.
    Scan {
        at: Place,
    },
    /// Bytes that may be sent as they are.
    Fetch {
        at: Place,
    },
    /// Bytes that must be checked first.
    Check {
        at: Place,
    },
    /// A batch whose records a search looks at.
    Records {
        at: Place,
    },
    /// Looking for the next good batch behind a damaged one.
    Resync {
        bad: Place,
        at: Place,
        first: u64,
    },
}

/// One step of a read.
pub(super) enum Step {
    Data(Data),
    Found(Found),
    Error(ReadError),
    /// An operation whose completion lets the read go on.
    Op(Wait, Op),
    /// Another step, without the disk.
    Again,
    /// Somebody else's operation will let it go on.
    Park,
}

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
    opened: VecDeque<(LogId, u64)>,
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
        let mut job = Job {
            log,
            goal,
            wait: Wait::Turn,
            want: 0,
            asked: 0,
            found: None,
            scan: None,
            segment: None,
            distrusts_index: false,
        };
        loop {
            return match self.run_job(&mut job) {
                Step::Again => continue,
                Step::Data(data) => Started::Data(data),
                Step::Found(found) => Started::Found(found),
                Step::Error(error) => Started::Error(error),
                Step::Op(wait, op) => self.pend(job, Some((wait, op))),
                Step::Park => self.pend(job, None),
            };
        }
    }

    fn pend(&mut self, mut job: Job, op: Option<(Wait, Op)>) -> Started {
        if self.reads.queue.len() >= limits::READS_QUEUED {
            return Started::Error(ReadError::Busy);
        }
        self.reads.next_id += 1;
        let id = ReadId(self.reads.next_id);
        match op {
            Some((wait, op)) if self.reads.in_flight < limits::READS_IN_FLIGHT => {
                job.wait = wait;
                self.reads.jobs.insert(id.0, job);
                self.submit_read(id, op);
            }
            _ => {
                self.undo(op.map(|o| o.0), job.log);
                self.reads.jobs.insert(id.0, job);
                self.reads.queue.push_back(id);
            }
        }
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
    fn go_on(&mut self, id: ReadId, mut job: Job, mut step: Step) {
        loop {
            match step {
                Step::Again => step = self.run_job(&mut job),
                Step::Data(data) => return self.events.push(Event::Read(id, Ok(data))),
                Step::Found(found) => return self.events.push(Event::Found(id, Ok(found))),
                Step::Error(error) => {
                    let event = match job.goal {
                        Goal::Bytes { .. } => Event::Read(id, Err(error)),
                        Goal::Find(_) => Event::Found(id, Err(error)),
                    };
                    return self.events.push(event);
                }
                Step::Op(wait, op) => {
                    job.wait = wait;
                    self.reads.jobs.insert(id.0, job);
                    return self.submit_read(id, op);
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
        if self.canary(Canary::ServePastDurable) { log.next } else { log.durable }
    }

    /// Bytes from a place on: `max_bytes` at most, `at_least` of which belong together.
    fn supply(&mut self, job: &mut Job, cursor: Cursor, max_bytes: u64, at_least: u64) -> Step {
        let past = self.canary(Canary::ServePastDurable);
        let Some(log) = self.logs.get(job.log) else { return Step::Error(ReadError::Gone) };
        let Some(segment) = log.segment(cursor.place.base) else {
            let (log_start, durable) = (log.log_start, log.durable);
            return Step::Error(ReadError::OutOfRange { log_start, durable });
        };
        let position = cursor.place.position;
        let durable = if past { segment.end } else { segment.durable };
        if position >= durable {
            return match log.segment_after(segment.base) {
                Some(next) if position >= segment.end => {
                    let place = Place { base: next.base, position: 0 };
                    let cursor = Cursor { place, offset: Some(next.base) };
                    if let Goal::Bytes { from, .. } = &mut job.goal {
                        *from = From::Cursor(cursor);
                    }
                    Step::Again
                }
                _ => Step::Data(Data::empty(cursor)),
            };
        }
        let trusted = segment.trusted.reach(position);
        let in_memory = segment.tail.range().filter(|r| r.start <= position);
        // A block that was read back is no better than the file.
        if let Some(held) = in_memory.filter(|_| trusted > position) {
            let most = max_bytes.min(limits::PINNED_BYTES as u64).max(at_least);
            let to = durable.min(position.saturating_add(most)).min(held.end).min(trusted);
            let pieces = segment.tail.slices(position..to).into_iter().map(Piece::Memory);
            self.counters.read_memory_bytes += to - position;
            return Step::Data(Data::new(pieces.collect(), to - position, cursor));
        }
        self.supply_from_file(job, cursor, max_bytes, durable)
    }

    fn supply_from_file(
        &mut self,
        job: &mut Job,
        cursor: Cursor,
        max_bytes: u64,
        durable: u64,
    ) -> Step {
        let Place { base, position } = cursor.place;
        let file = match self.readable(job.log, base) {
            Ok(file) => file,
            Err(step) => return step,
        };
        let block_bytes = self.block_bytes;
        let Some(segment) = self.logs.get(job.log).and_then(|l| l.segment(base)) else {
            return Step::Again;
        };
        let trusted = segment.trusted.reach(position);
        if trusted <= position {
            let end = segment.trusted.next_start(position).unwrap_or(u64::MAX).min(durable);
            let want = (end - position).min(limits::READ_BYTES as u64);
            return self.read_file(job, Wait::Check { at: cursor.place }, cursor.place, want);
        }
        let settled = segment.settled(block_bytes);
        let held = segment.tail.range().map_or(u64::MAX, |r| r.start);
        let len = (trusted.min(durable).min(held) - position).min(max_bytes);
        let in_settled = settled.saturating_sub(position).min(len);
        // A batch that must come whole may go on behind what is settled.
        let at_least = job.found.filter(|f| f.place == cursor.place).map_or(1, |f| f.len);
        let to_memory = matches!(job.goal, Goal::Bytes { to_memory: true, .. });
        let may_be_sent = !to_memory && in_settled >= at_least;
        if may_be_sent && self.tasks.disk.resident(file, position, in_settled) {
            self.counters.read_file_bytes += in_settled;
            let piece = Piece::File { file, at: position, len: in_settled };
            return Step::Data(Data::new(vec![piece], in_settled, cursor));
        }
        let want = len.min(limits::READ_BYTES as u64);
        self.read_file(job, Wait::Fetch { at: cursor.place }, cursor.place, want)
    }

    /// Reads `want` bytes at a place; those that are in memory are added when the others came.
    pub(super) fn read_file(&mut self, job: &mut Job, wait: Wait, at: Place, want: u64) -> Step {
        let file = match self.readable(job.log, at.base) {
            Ok(file) => file,
            Err(step) => return step,
        };
        let Some(segment) = self.logs.get(job.log).and_then(|l| l.segment(at.base)) else {
            return Step::Again;
        };
        job.want = want.min(segment.durable.saturating_sub(at.position));
        let settled = segment.settled(self.block_bytes);
        if at.position + job.want > settled && segment.tail.range().is_none() {
            // The block behind may be written while it is read: it comes to memory first.
            self.load_block(job.log, at.base);
            return Step::Park;
        }
        let Some(segment) = self.logs.get(job.log).and_then(|l| l.segment(at.base)) else {
            return Step::Again;
        };
        let len = job.want.min(segment.file_len(at.position));
        job.asked = len;
        if len == 0 {
            return self.learn_bytes(job, wait, exactly(0));
        }
        Step::Op(wait, Op::Read { file, at: at.position, into: exactly(len) })
    }

    /// What a read from the file brought, with what memory has behind it.
    fn with_tail(&self, job: &Job, at: Place, block: Block) -> Block {
        let missing = job.want.saturating_sub(block.len() as u64);
        let from = at.position + block.len() as u64;
        let segment = self.logs.get(job.log).and_then(|l| l.segment(at.base));
        let tail = segment.map(|s| &s.tail).filter(|t| t.reaches(from) && missing > 0);
        let Some((tail, range)) = tail.and_then(|t| Some((t, t.range()?))) else { return block };
        let to = range.end.min(from + missing);
        let mut whole = exactly(block.len() as u64 + to - from);
        whole.append(&block);
        tail.visit(from..to, |bytes| {
            whole.append(bytes);
        });
        whole
    }

    /// The segment's file, open for reading.
    pub(super) fn readable(&mut self, id: LogId, base: u64) -> Result<FileId, Step> {
        let Some(log) = self.logs.get_mut(id) else { return Err(Step::Error(ReadError::Gone)) };
        let path = log.path(base, SegmentFile::Log);
        let Some(segment) = log.segment_mut(base) else { return Err(Step::Again) };
        match segment.file {
            FileState::Open(file) => Ok(file),
            FileState::Opening => Err(Step::Park),
            FileState::Closed => {
                segment.file = FileState::Opening;
                let file = self.tasks.new_file();
                let op = Op::Open { file, path, mode: Mode::Read };
                Err(Step::Op(Wait::Open { base, file }, op))
            }
        }
    }

    fn read_failed(&mut self, job: &Job, error: DiskError) -> Step {
        match job.wait {
            Wait::Open { base, .. } => self.open_failed(job.log, base),
            // Without an index a scan begins at the segment's start.
            Wait::Index { base, kind } => {
                self.reads.indexes.put(job.log, base, kind, Vec::new());
                return Step::Again;
            }
            _ => {}
        }
        Step::Error(ReadError::Io(error))
    }

    /// Takes in what an operation brought.
    fn learn(&mut self, job: &mut Job, output: Output) -> Step {
        match (job.wait, output) {
            (Wait::Open { base, file }, Output::Opened { .. }) => {
                self.opened_to_read(job.log, base, file);
                Step::Again
            }
            (Wait::Index { base, kind }, Output::Bytes(bytes)) => {
                self.reads.indexes.put(job.log, base, kind, bytes);
                Step::Again
            }
            (wait, Output::Read(block)) => self.learn_bytes(job, wait, block),
            (wait, output) => panic!("{wait:?} ended with {output:?}"),
        }
    }

    fn learn_bytes(&mut self, job: &mut Job, wait: Wait, block: Block) -> Step {
        let at = match wait {
            Wait::Scan { at } | Wait::Fetch { at } | Wait::Check { at } => at,
            Wait::Records { at } | Wait::Resync { at, .. } => at,
            Wait::Turn | Wait::Open { .. } | Wait::Index { .. } => {
                panic!("{wait:?} ended with bytes")
            }
        };
        let whole_file = block.len() as u64 == job.asked;
        let block = self.with_tail(job, at, block);
        if whole_file && (block.len() as u64) < job.want {
            // What was in memory went to the file meanwhile.
            return Step::Again;
        }
        match wait {
            Wait::Fetch { .. } => self.fetched(job, at, block),
            Wait::Check { .. } => self.check_range(job, at, block),
            Wait::Records { .. } => match job.found {
                Some(batch) => self.search_records(job, batch, &block),
                None => Step::Again,
            },
            Wait::Resync { bad, first, .. } => self.resynced(job, bad, at, first, &block),
            _ => self.scanned(job, at, &block),
        }
    }

    fn opened_to_read(&mut self, id: LogId, base: u64, file: FileId) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else {
            self.tasks.close(file);
            return;
        };
        segment.file = FileState::Open(file);
        segment.writable = false;
        self.reads.opened.push_back((id, base));
        if self.reads.opened.len() > limits::SEALED_OPEN {
            self.close_oldest();
        }
    }

    fn close_oldest(&mut self) {
        let Some((id, base)) = self.reads.opened.pop_front() else { return };
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        if let FileState::Open(file) = segment.file {
            if !segment.writable && segment.phase == Phase::Sealed {
                segment.file = FileState::Closed;
                self.tasks.close(file);
            }
        }
    }

    /// The cursor of a read for bytes whose data begins at `at`.
    fn cursor_at(job: &Job, at: Place) -> Cursor {
        Cursor { place: at, offset: job.offset_at(at) }
    }

    fn fetched(&mut self, job: &mut Job, at: Place, block: Block) -> Step {
        let len = block.len() as u64;
        if len == 0 {
            return self.begin_resync(job, at);
        }
        let wanted = job.found.filter(|f| f.place == at).map_or(0, |f| f.len);
        if len < wanted && job.want < wanted {
            // A batch larger than one read.
            return self.read_file(job, Wait::Fetch { at }, at, wanted);
        }
        self.counters.read_memory_bytes += len;
        let slice = block.slice(0..block.len());
        Step::Data(Data::new(vec![Piece::Memory(slice)], len, Self::cursor_at(job, at)))
    }

    /// Checks whole batches and trusts them from now on.
    fn check_range(&mut self, job: &mut Job, at: Place, block: Block) -> Step {
        let mut good = 0;
        let mut offset = None;
        while let Ok(batch) = BatchView::parse(&block[good..]) {
            let header = batch.header();
            if header.base_offset < at.base as i64 {
                break;
            }
            offset = Some(header.next_offset() as u64);
            good += batch.bytes().len();
        }
        if good == 0 {
            return match duramen_protocol::batch::BatchHeader::peek_size(&block) {
                Some(size) if size > block.len() && self.may_be_whole(job.log, at, size) => {
                    self.read_file(job, Wait::Check { at }, at, size as u64)
                }
                _ => self.begin_resync(job, at),
            };
        }
        let end = at.position + good as u64;
        if let Some(segment) = self.logs.get_mut(job.log).and_then(|l| l.segment_mut(at.base)) {
            segment.trusted.add(at.position..end);
        }
        let Goal::Bytes { max_bytes, .. } = job.goal else { return Step::Again };
        let at_least = job.found.filter(|f| f.place == at).map_or(0, |f| f.len);
        let len = (good as u64).min(max_bytes.max(at_least));
        self.counters.read_memory_bytes += len;
        let slice = block.slice(0..len as usize);
        let mut data = Data::new(vec![Piece::Memory(slice)], len, Self::cursor_at(job, at));
        if len == good as u64 {
            data.next.offset = offset;
        }
        Step::Data(data)
    }

    /// Whether a batch of `size` bytes fits what is durable of the segment.
    fn may_be_whole(&self, id: LogId, at: Place, size: usize) -> bool {
        let segment = self.logs.get(id).and_then(|l| l.segment(at.base));
        segment.is_some_and(|s| at.position + size as u64 <= s.durable)
            && size <= limits::BATCH_BYTES_MAX
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
    fn empty(cursor: Cursor) -> Data {
        Data { pieces: Vec::new(), bytes: 0, next: cursor, first_offset: None }
    }

    fn new(pieces: Vec<Piece>, bytes: u64, from: Cursor) -> Data {
        let place = Place { base: from.place.base, position: from.place.position + bytes };
        let next = Cursor { place, offset: None };
        Data { pieces, bytes, next, first_offset: from.offset }
    }
}

/// A block into which a read brings `len` bytes and no more.
pub(super) fn exactly(len: u64) -> Block {
    Block::with_room(len as usize)
}
