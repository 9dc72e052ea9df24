//! Supplying bytes: what a read gives from memory, by `sendfile`, or from the disk.
//!
//! Bytes that this process staged, or has checked once, are *trusted* and may be sent unseen.
//! Others are read, whole batches are held against their checksums, and what was read is sent.
//! A block that may still be written is never read from the file: it comes to memory first.

use duramen_protocol::batch::{BatchHeader, BatchView};
use duramen_protocol::files::segment::SegmentFile;

use super::log::{LogId, Place};
use super::read_job::{Goal, Job, Step, Wait};
use super::reader::{Cursor, Data, From, Piece, ReadError, exactly};
use super::segment::{FileState, Phase};
use super::store::Store;
use crate::io::{Block, Disk, DiskError, FileId, Mode, Op, Output};
use crate::limits;

impl<D: Disk> Store<D> {
    /// Bytes from a place on: `max_bytes` at most, `at_least` of which belong together.
    pub(super) fn supply(
        &mut self,
        job: &mut Job,
        cursor: Cursor,
        max_bytes: u64,
        at_least: u64,
    ) -> Step {
        let past = canary!(ServePastDurable);
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
            return self.read_cold(job, Wait::Check { at: cursor.place }, cursor.place, want);
        }
        let settled = segment.settled(block_bytes);
        let held = segment.tail.range().map_or(u64::MAX, |r| r.start);
        let len = (trusted.min(durable).min(held) - position).min(max_bytes);
        let in_settled = settled.saturating_sub(position).min(len);
        // A batch that must come whole may go on behind what is settled.
        let at_least = job.found.filter(|f| f.place == cursor.place).map_or(1, |f| f.len);
        let to_memory = matches!(job.goal, Goal::Bytes { to_memory: true, .. });
        let may_be_sent = !to_memory && in_settled >= at_least;
        if may_be_sent {
            let at_hand = self.at_hand(job.log, file, cursor.place, in_settled);
            if at_hand >= at_least {
                self.counters.read_file_bytes += at_hand;
                self.look_ahead(job.log, cursor.place, at_hand);
                let piece = Piece::File { file, at: position, len: at_hand };
                return Step::Data(Data::new(vec![piece], at_hand, cursor));
            }
        }
        let want = len.min(limits::READ_BYTES as u64);
        self.read_cold(job, Wait::Fetch { at: cursor.place }, cursor.place, want)
    }

    /// Reads `want` bytes at a place by way of the page cache, when those are many.
    fn read_cold(&mut self, job: &mut Job, wait: Wait, at: Place, want: u64) -> Step {
        if want >= limits::READAHEAD_FROM_BYTES {
            if let Some(step) = self.bring(job, at, want) {
                return step;
            }
            self.look_ahead(job.log, at, want);
        }
        self.read_file(job, wait, at, want)
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

    pub(super) fn read_failed(&mut self, job: &Job, error: DiskError) -> Step {
        match job.wait {
            Wait::Open { base, .. } => {
                self.open_failed(job.log, base);
                self.consider_sealing(job.log);
            }
            // Without an index a scan begins at the segment's start.
            Wait::Index { base, kind } => {
                self.reads.indexes.put(job.log, base, kind, Vec::new());
                self.begin_rebuild(job.log, base);
                return Step::Again;
            }
            _ => {}
        }
        Step::Error(ReadError::Io(error))
    }

    /// Takes in what an operation brought.
    pub(super) fn learn(&mut self, job: &mut Job, output: Output) -> Step {
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
        // It may have been rolled meanwhile, and wait to be opened for its cut.
        self.consider_sealing(id);
    }

    fn close_oldest(&mut self) {
        let Some((id, base)) = self.reads.opened.pop_front() else { return };
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        let is_idle = !segment.writable && segment.phase == Phase::Sealed;
        if let FileState::Open(file) = segment.file
            && is_idle
        {
            segment.file = FileState::Closed;
            self.tasks.close(file);
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
            return match BatchHeader::peek_size(&block) {
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
