//! Rebuilding the indexes of a sealed segment that has none, or whose index led nowhere.
//!
//! Indexes follow from the log alone, so a walk over the headers gives them again, byte for byte.
//! It goes the way of a read, in the same queue and a few kilobytes at a time; then the segment's
//! indexes are stored as at its sealing. Once a segment and start: where the log itself is
//! damaged, the index ends.

use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::index_builder::IndexBuilder;

use super::log::{LogId, Place};
use super::read_job::{Goal, Job, Step};
use super::segment::{Phase, SegmentIndex};
use super::store::Store;
use super::tail::BatchPlace;
use crate::io::Disk;

impl<D: Disk> Store<D> {
    /// Queues the walk, unless the segment had one or still changes.
    pub(super) fn begin_rebuild(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let interval = log.config.index_interval_bytes;
        let Some(segment) = log.segment_mut(base) else { return };
        if segment.phase != Phase::Sealed || std::mem::replace(&mut segment.rebuilt, true) {
            return;
        }
        self.counters.index_rebuilds += 1;
        let mut job = Job::new(id, Goal::Rebuild { base });
        job.rebuild = Some(SegmentIndex::new(IndexBuilder::new(interval)));
        job.scan = Some(Place { base, position: 0 });
        self.reads.queue_job(job);
    }

    /// One step of the walk.
    pub(super) fn rebuild(&mut self, job: &mut Job, base: u64) -> Step {
        let segment = self.logs.get_mut(job.log).and_then(|l| l.segment_mut(base));
        let (Some(segment), Some(at)) = (segment, job.scan) else { return Step::Found(None) };
        if at.position < segment.end {
            return self.scan(job, at);
        }
        if let Some(mut index) = job.rebuild.take().filter(|_| segment.phase == Phase::Sealed) {
            index.finish();
            segment.index = index;
            segment.phase = Phase::Indexing;
            self.reads.indexes.forget(job.log, base);
            self.store_indexes(job.log, base);
            self.consider_sealed(job.log, base);
        }
        Step::Found(None)
    }

    /// Counts a batch that the walk came to.
    pub(super) fn rebuild_batch(&self, job: &mut Job, at: Place, header: &BatchHeader) {
        if let Some(index) = &mut job.rebuild {
            index.count(&BatchPlace {
                base_offset: header.base_offset as u64,
                last_offset: header.last_offset() as u64,
                position: at.position,
                len: header.size_in_bytes() as u32,
                max_timestamp: header.max_timestamp,
            });
        }
    }
}
