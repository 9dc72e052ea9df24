//! Search by time: the first record at or after a timestamp, or the newest of all.
//!
//! A segment is chosen by its largest timestamp, its time index gives an offset whose
//! predecessors are all older, a scan of headers from there finds the first batch that is new
//! enough, and its records tell which.

use duramen_protocol::batch::{BatchHeader, BatchView};
use duramen_protocol::files::segment::SegmentFile;
use duramen_protocol::files::time_index::TimeIndex;

use super::log::{LogId, Place};
use super::read_job::{FoundBatch, Goal, Job, Step, Wait};
use super::reader::{Found, From, ReadError, ReadId, Started};
use super::store::Store;
use crate::io::Disk;

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The first record whose timestamp is this or later.
    Timestamp(i64),
    /// The record with the largest timestamp.
    MaxTimestamp,
}

/// What became of a search at once.
#[derive(Debug)]
pub enum Search {
    Found(Found),
    /// [`super::Event::Found`] brings the outcome.
    Pending(ReadId),
    Error(ReadError),
}

impl<D: Disk> Store<D> {
    /// Searches a log by time, among durable records.
    pub fn find_offset(&mut self, log: LogId, target: Target) -> Search {
        match self.start(log, Goal::Find(target)) {
            Started::Found(found) => Search::Found(found),
            Started::Pending(id) => Search::Pending(id),
            Started::Error(error) => Search::Error(error),
            Started::Data(_) => unreachable!("a search that read bytes"),
        }
    }

    pub(super) fn search(&mut self, job: &mut Job, target: Target) -> Step {
        if let Some(batch) = job.found {
            return self.search_batch(job, batch);
        }
        match target {
            Target::Timestamp(timestamp) => self.search_segment(job, timestamp),
            Target::MaxTimestamp => match self.largest_timestamp(job) {
                Ok(None) => Step::Found(None),
                Ok(Some(timestamp)) => {
                    job.goal = Goal::Find(Target::Timestamp(timestamp));
                    job.segment = None;
                    Step::Again
                }
                Err(step) => step,
            },
        }
    }

    fn largest_timestamp(&mut self, job: &mut Job) -> Result<Option<i64>, Step> {
        let Some(log) = self.logs.get(job.log) else { return Err(Step::Error(ReadError::Gone)) };
        let bases: Vec<u64> =
            log.segments.iter().filter(|s| s.durable > 0).map(|s| s.base).collect();
        let mut largest = None;
        for base in bases {
            largest = largest.max(self.segment_timestamp(job.log, base)?);
        }
        Ok(largest)
    }

    /// The largest timestamp of a segment's durable records.
    fn segment_timestamp(&mut self, id: LogId, base: u64) -> Result<Option<i64>, Step> {
        let Some(segment) = self.logs.get(id).and_then(|l| l.segment(base)) else {
            return Ok(None);
        };
        if let Some(largest) = segment.largest_timestamp.filter(|&t| t != i64::MAX) {
            return Ok(Some(largest));
        }
        let (stored, kind) = (segment.index.stored_time_len, SegmentFile::TimeIndex);
        if stored == 0 {
            // Without an index: it may hold anything.
            return Ok((segment.durable > 0).then_some(i64::MAX));
        }
        let Some(bytes) = self.reads.indexes.find(id, base, kind, stored) else {
            return Err(self.load_index(id, base, kind, stored));
        };
        let last = TimeIndex::new(base as i64, bytes).last().map(|e| e.timestamp);
        if let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) {
            segment.largest_timestamp = last.or(segment.largest_timestamp);
        }
        Ok(Some(last.unwrap_or(i64::MAX)))
    }

    /// Finds the first segment that has a record new enough, and a place in it to scan from.
    fn search_segment(&mut self, job: &mut Job, timestamp: i64) -> Step {
        let Some(log) = self.logs.get(job.log) else { return Step::Error(ReadError::Gone) };
        let log_start = log.log_start;
        let after = job.segment.take();
        let bases: Vec<u64> =
            log.segments.iter().filter(|s| s.durable > 0).map(|s| s.base).collect();
        for base in bases.into_iter().filter(|&b| after.is_none_or(|a| b >= a)) {
            match self.segment_timestamp(job.log, base) {
                Err(step) => return step,
                Ok(Some(largest)) if largest >= timestamp => {
                    job.segment = Some(base);
                    return self.search_in(job, base, timestamp, log_start);
                }
                Ok(_) => {}
            }
        }
        Step::Found(None)
    }

    fn search_in(&mut self, job: &mut Job, base: u64, timestamp: i64, log_start: u64) -> Step {
        if let Some(at) = job.scan.filter(|at| at.base == base) {
            return self.search_on(job, at, timestamp);
        }
        let Some(segment) = self.logs.get(job.log).and_then(|l| l.segment(base)) else {
            return Step::Again;
        };
        let pending = segment.index.pending_time_lookup(timestamp);
        let (stored, kind) = (segment.index.stored_time_len, SegmentFile::TimeIndex);
        let entry = match pending {
            Some(entry) => Some(entry),
            None if stored == 0 => None,
            None => {
                let Some(bytes) = self.reads.indexes.find(job.log, base, kind, stored) else {
                    return self.load_index(job.log, base, kind, stored);
                };
                TimeIndex::new(base as i64, bytes)
                    .iter()
                    .take_while(|e| e.timestamp < timestamp)
                    .last()
            }
        };
        let offset = entry.map_or(base, |e| e.offset as u64).max(log_start).max(base);
        match self.scan_start(job, base, offset) {
            Ok(position) => {
                job.scan = Some(Place { base, position });
                Step::Again
            }
            Err(step) => step,
        }
    }

    /// Goes on with the scan: in memory where the tail holds the place, else in the file.
    fn search_on(&mut self, job: &mut Job, at: Place, timestamp: i64) -> Step {
        let Some(log) = self.logs.get(job.log) else { return Step::Error(ReadError::Gone) };
        let Some(segment) = log.segment(at.base) else { return Step::Again };
        // A block that was read back holds batches that the tail doesn't list.
        let listed = segment.tail.first_batch().map_or(u64::MAX, |b| b.position);
        if at.position < listed && at.position < segment.durable {
            return self.scan(job, at);
        }
        let batch = segment
            .tail
            .batches_from(at.position)
            .take_while(|b| b.end() <= segment.durable)
            .find(|b| b.max_timestamp >= timestamp && b.last_offset >= log.log_start);
        match batch {
            Some(b) => {
                let place = Place { base: at.base, position: b.position };
                job.found = Some(FoundBatch { place, offset: b.base_offset, len: b.len.into() });
            }
            None => {
                // Not here after all; the next segment.
                let Some(next) = log.segment_after(at.base) else { return Step::Found(None) };
                (job.segment, job.scan) = (Some(next.base), None);
            }
        }
        Step::Again
    }

    /// Whether a scan ends at this batch: it is the one that was looked for.
    pub(super) fn ends_scan(&mut self, job: &mut Job, at: Place, header: &BatchHeader) -> bool {
        let log_start = self.logs.get(job.log).map_or(0, |l| l.log_start);
        let is_it = match job.goal {
            Goal::Bytes { from: From::Offset(offset), .. } => header.last_offset() as u64 >= offset,
            Goal::Find(Target::Timestamp(timestamp)) => {
                header.max_timestamp >= timestamp && header.last_offset() as u64 >= log_start
            }
            Goal::Bytes { .. } | Goal::Find(Target::MaxTimestamp) => false,
            Goal::Rebuild { .. } => {
                self.rebuild_batch(job, at, header);
                false
            }
        };
        if is_it {
            job.found = Some(FoundBatch {
                place: at,
                offset: header.base_offset as u64,
                len: header.size_in_bytes() as u64,
            });
        }
        is_it
    }

    /// Reads the batch and finds the record in it.
    fn search_batch(&mut self, job: &mut Job, batch: FoundBatch) -> Step {
        let Some(segment) = self.logs.get(job.log).and_then(|l| l.segment(batch.place.base)) else {
            return Step::Error(ReadError::Gone);
        };
        let range = batch.place.position..batch.place.position + batch.len;
        if segment.tail.range().is_some_and(|r| r.start <= range.start && range.end <= r.end) {
            let mut bytes = Vec::with_capacity(batch.len as usize);
            segment.tail.visit(range, |piece| bytes.extend_from_slice(piece));
            return self.search_records(job, batch, &bytes);
        }
        self.read_file(job, Wait::Records { at: batch.place }, batch.place, batch.len)
    }

    pub(super) fn search_records(
        &mut self,
        job: &mut Job,
        batch: FoundBatch,
        bytes: &[u8],
    ) -> Step {
        let Goal::Find(Target::Timestamp(timestamp)) = job.goal else { return Step::Again };
        let log_start = self.logs.get(job.log).map_or(0, |l| l.log_start);
        let Ok(view) = BatchView::parse(bytes) else {
            job.found = None;
            return self.begin_resync(job, batch.place);
        };
        let header = *view.header();
        // Records that can't be opened here: the batch's own figures are as near as it gets.
        let first = (header.base_offset as u64, header.max_timestamp);
        let Ok(records) = view.records() else { return Step::Found(Some(first)) };
        let fits = |r: &duramen_protocol::batch::Record<'_>| {
            r.timestamp >= timestamp && r.offset as u64 >= log_start
        };
        match records.iter().flatten().find(fits) {
            Some(record) => Step::Found(Some((record.offset as u64, record.timestamp))),
            None => {
                // The header promised more than its records have: look behind it.
                let position = batch.place.position + batch.len;
                job.found = None;
                job.scan = Some(Place { base: batch.place.base, position });
                job.segment = Some(batch.place.base);
                Step::Again
            }
        }
    }
}

impl Job {
    /// The offset of the batch at a place, where this read knows it.
    pub(super) fn offset_at(&self, at: Place) -> Option<u64> {
        match (self.found, self.goal) {
            (Some(f), _) if f.place == at => Some(f.offset),
            (_, Goal::Bytes { from: From::Cursor(c), .. }) if c.place == at => c.offset,
            _ => None,
        }
    }
}
