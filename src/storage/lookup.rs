//! Lookup: from an offset to the batch that holds it; and finding the way on behind damage.
//!
//! Recent batches are found in memory. Below that, an index entry at or below the offset, from
//! memory or from the file, gives a position to scan headers from. An index is a hint: whatever
//! it says, the batch that a lookup ends at is looked at before it is believed. Where the headers
//! don't lead on, the segment is damaged there: every byte behind is tried as the start of a
//! batch until one is whole and checks out.

use duramen_protocol::batch::{BatchHeader, BatchView, HEADER_LEN};
use duramen_protocol::files::offset_index::OffsetIndex;
use duramen_protocol::files::segment::SegmentFile;

use super::log::{LogId, Place};
use super::read_job::{FoundBatch, Goal, Job, Step, Wait};
use super::reader::{From, ReadError};
use super::segment::Segment;
use super::store::Store;
use crate::io::{Disk, Op};
use crate::limits;

impl<D: Disk> Store<D> {
    /// One step to the batch that holds `offset`.
    pub(super) fn locate(&mut self, job: &mut Job, offset: u64) -> Step {
        let Some(log) = self.logs.get(job.log) else { return Step::Error(ReadError::Gone) };
        let (log_start, durable) = (log.log_start, self.shown(log));
        if offset < log_start || offset > durable {
            return Step::Error(ReadError::OutOfRange { log_start, durable });
        }
        let Some(segment) = log.segment_of(offset) else {
            return Step::Error(ReadError::OutOfRange { log_start, durable });
        };
        let base = segment.base;
        if let Some(batch) = segment.tail.find(offset).filter(|b| b.base_offset <= offset) {
            let place = Place { base, position: batch.position };
            let (offset, len) = (batch.base_offset, batch.len.into());
            job.found = Some(FoundBatch { place, offset, len });
            return Step::Again;
        }
        if offset == durable {
            // The end: nothing to find, but where the next batch will stand.
            let place = Place { base, position: segment.durable };
            job.found = Some(FoundBatch { place, offset, len: 0 });
            return Step::Again;
        }
        match job.scan {
            Some(at) if at.base == base => self.scan(job, at),
            _ => match self.scan_start(job, base, offset) {
                Ok(position) => {
                    job.scan = Some(Place { base, position });
                    Step::Again
                }
                Err(step) => step,
            },
        }
    }

    /// A position at or before the batch that holds `offset`.
    pub(super) fn scan_start(&mut self, job: &Job, base: u64, offset: u64) -> Result<u64, Step> {
        let id = job.log;
        let Some(segment) = self.logs.get(id).and_then(|l| l.segment(base)) else {
            return Err(Step::Again);
        };
        let hint = segment.hint_below(offset);
        if job.distrusts_index {
            return Ok(hint);
        }
        if let Some(entry) = segment.index.pending_lookup(offset) {
            return Ok(hint.max(entry.position.into()));
        }
        let stored = segment.index.stored_len;
        let end = segment.durable;
        if stored == 0 {
            if end > limits::INDEX_MISSED_BYTES && !segment.index.has_pending() {
                self.begin_rebuild(id, base);
            }
            return Ok(hint);
        }
        let kind = SegmentFile::OffsetIndex;
        let Some(bytes) = self.reads.indexes.find(id, base, kind, stored) else {
            return Err(self.load_index(id, base, kind, stored));
        };
        let entry = OffsetIndex::new(base as i64, bytes).lookup(offset as i64);
        let position = entry.map_or(0, |e| u64::from(e.position));
        // An entry that points behind the end is damaged; so may be what stands before it.
        Ok(if position < end { hint.max(position) } else { hint })
    }

    pub(super) fn load_index(&self, id: LogId, base: u64, kind: SegmentFile, len: u32) -> Step {
        let Some(log) = self.logs.get(id) else { return Step::Error(ReadError::Gone) };
        let path = log.path(base, kind);
        Step::Op(Wait::Index { base, kind }, Op::Load { path, at: 0, max_len: len.into() })
    }

    pub(super) fn scan(&mut self, job: &mut Job, at: Place) -> Step {
        // One that goes on may go far.
        if matches!(job.wait, Wait::Scan { .. })
            && let Some(step) = self.bring(job, at, limits::SCAN_BYTES as u64)
        {
            return step;
        }
        self.read_file(job, Wait::Scan { at }, at, limits::SCAN_BYTES as u64)
    }

    /// Walks the headers that a scan brought.
    pub(super) fn scanned(&mut self, job: &mut Job, at: Place, bytes: &[u8]) -> Step {
        let mut position = 0;
        loop {
            let Some(rest) = bytes.get(position..).filter(|b| b.len() >= HEADER_LEN) else {
                job.scan = Some(Place { base: at.base, position: at.position + position as u64 });
                // Nothing came of it: the file is shorter than it should be.
                return if position == 0 { self.begin_resync(job, at) } else { Step::Again };
            };
            let here = Place { base: at.base, position: at.position + position as u64 };
            let header = BatchHeader::parse(rest).ok();
            let header = header.filter(|h| self.is_plausible(job.log, here, h));
            let Some(header) = header.filter(|h| position > 0 || self.begins_right(job, here, h))
            else {
                return self.misled(job, here);
            };
            let size = header.size_in_bytes();
            if self.ends_scan(job, here, &header) {
                return Step::Again;
            }
            position += size;
        }
    }

    /// Headers don't lead on: perhaps it was the index that led here, else it is damage.
    fn misled(&mut self, job: &mut Job, here: Place) -> Step {
        if job.distrusts_index || matches!(job.goal, Goal::Rebuild { .. }) {
            return self.begin_resync(job, here);
        }
        job.distrusts_index = true;
        job.scan = None;
        self.begin_rebuild(job.log, here.base);
        Step::Again
    }

    /// Whether a scan for an offset begins at or before it.
    fn begins_right(&self, job: &Job, at: Place, header: &BatchHeader) -> bool {
        match job.goal {
            Goal::Bytes { from: From::Offset(offset), .. } => header.base_offset as u64 <= offset,
            _ => at.position > 0 || header.base_offset as u64 >= at.base,
        }
    }

    /// Whether a header may stand at a place: offsets of this segment, and within its bytes.
    fn is_plausible(&self, id: LogId, at: Place, header: &BatchHeader) -> bool {
        let Some(log) = self.logs.get(id) else { return false };
        let Some(segment) = log.segment(at.base) else { return false };
        header.base_offset >= at.base as i64
            && (header.last_offset() as u64) < log.next
            && header.last_offset_delta >= 0
            && at.position + header.size_in_bytes() as u64 <= segment.durable
    }

    /// A batch can't be read at `bad`: looks for the next that can.
    pub(super) fn begin_resync(&mut self, job: &mut Job, bad: Place) -> Step {
        self.counters.corrupt += 1;
        let first = self.first_lost(job, bad);
        self.resync_at(job, bad, Place { base: bad.base, position: bad.position + 1 }, first)
    }

    /// The first offset that a batch at `bad` can have had.
    fn first_lost(&self, job: &Job, bad: Place) -> u64 {
        let known = job.offset_at(bad);
        let segment = self.logs.get(job.log).and_then(|l| l.segment(bad.base));
        known.unwrap_or_else(|| segment.map_or(bad.base, |s| s.offset_at(bad.position)))
    }

    fn resync_at(&mut self, job: &mut Job, bad: Place, at: Place, first: u64) -> Step {
        let Some(log) = self.logs.get(job.log) else { return Step::Error(ReadError::Gone) };
        let Some(segment) = log.segment(bad.base) else { return Step::Again };
        if segment.durable.saturating_sub(at.position) < HEADER_LEN as u64 {
            let next_good = log.segment_after(bad.base).map_or(log.durable, |s| s.base);
            return Step::Error(ReadError::Corrupt { first, next_good });
        }
        self.read_file(job, Wait::Resync { bad, at, first }, at, limits::BATCH_BYTES_MAX as u64)
    }

    /// Tries every byte as the start of a batch.
    pub(super) fn resynced(
        &mut self,
        job: &mut Job,
        bad: Place,
        at: Place,
        first: u64,
        bytes: &[u8],
    ) -> Step {
        let magic = |i: &usize| bytes.get(i + 16) == Some(&2);
        for i in (0..bytes.len().saturating_sub(HEADER_LEN - 1)).filter(magic) {
            let here = Place { base: at.base, position: at.position + i as u64 };
            let Ok(batch) = BatchView::parse(&bytes[i..]) else { continue };
            let header = *batch.header();
            if !self.is_plausible(job.log, here, &header) || (header.base_offset as u64) < first {
                continue;
            }
            let next_good = header.base_offset as u64;
            if let Some(s) = self.logs.get_mut(job.log).and_then(|l| l.segment_mut(at.base)) {
                s.add_hint(next_good, here.position);
            }
            return Step::Error(ReadError::Corrupt { first, next_good });
        }
        // A batch may begin near the end of what was looked at and reach behind it.
        let step = (bytes.len() / 2).max(1) as u64;
        let next = Place { base: at.base, position: at.position + step };
        self.resync_at(job, bad, next, first)
    }
}

impl Segment {
    /// Bytes at `position` that are in the file and not in memory.
    pub(super) fn file_len(&self, position: u64) -> u64 {
        let held = self.tail.range().map_or(u64::MAX, |r| r.start);
        self.materialised.min(held).saturating_sub(position)
    }

    /// A place behind damage, from which a scan for `offset` may begin; else the start.
    fn hint_below(&self, offset: u64) -> u64 {
        let i = self.hints.partition_point(|h| h.0 <= offset);
        i.checked_sub(1).map_or(0, |i| self.hints[i].1)
    }

    /// Remembers where a batch begins that headers don't lead to.
    fn add_hint(&mut self, offset: u64, position: u64) {
        let i = self.hints.partition_point(|h| h.0 < offset);
        if self.hints.get(i).is_none_or(|h| h.0 != offset) && self.hints.len() < limits::HINTS {
            self.hints.insert(i, (offset, position));
        }
    }

    /// The offset of a hint at `position`, else the segment's base.
    fn offset_at(&self, position: u64) -> u64 {
        let below = self.hints.iter().filter(|h| h.1 <= position).map(|h| h.0);
        below.max().unwrap_or(self.base)
    }
}
