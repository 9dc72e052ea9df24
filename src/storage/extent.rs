//! Big runs skip the journal: they go straight to their segment, and the group says so.
//!
//! ```text
//! segment   ....|  block  |  block  |  block  |  block  |
//!                   ^ grouped                     ^ end of the run
//! journal           [head ]                   [tail]      and the batches' headers
//! segment       [gap|     |      the extent   ]
//!               ^ materialised, rounded down
//! ```
//!
//! The group is durable when all its writes are. An extent is whole blocks, none of which holds
//! a byte that was acknowledged and is nowhere else: what lies between the segment's materialised
//! end and the run (the gap) is in the journal, and is written along.
//!
//! A run that follows a checkpoint within a block goes to the journal first, with that block's
//! start; so does one whose file's name is not on stable storage yet, or to whose log another
//! write is on its way.

use duramen_protocol::batch::HEADER_LEN;
use duramen_protocol::files::journal::{ENTRY_HEADER_LEN, EXTENT_HEADER_LEN, put_extent_header};

use super::commit::Part;
use super::log::{Log, LogId};
use super::segment::{Naming, Segment};
use super::store::Store;
use super::task::LogStep;
use crate::io::{Block, Disk, DiskError, Now, Op};
use crate::limits;

/// Bytes of a segment that are written along with a group.
#[derive(Clone, Copy, Debug)]
pub struct ExtentWrite {
    log: LogId,
    base: u64,
    from: u64,
    up_to: u64,
}

/// What a group may still take.
pub struct Room {
    /// Bytes that the group's block may have.
    pub block_limit: usize,
    /// Bytes that may go straight to segments.
    pub extents: u64,
}

/// A run of batches that is big enough.
struct Run {
    to: u64,
    next: u64,
    batches: usize,
}

impl<D: Disk> Store<D> {
    /// Submits the writes of the group's extents; returns how many those are.
    pub(super) fn write_extents(&mut self, extents: &[ExtentWrite]) -> u32 {
        let mut pieces = 0;
        for extent in extents {
            for from in
                (extent.from..extent.up_to).step_by(limits::MATERIALISE_WRITE_BYTES as usize)
            {
                let up_to = extent.up_to.min(from + limits::MATERIALISE_WRITE_BYTES);
                self.write_extent(ExtentWrite { from, up_to, ..*extent });
                pieces += 1;
            }
            self.counters.segment_bytes += extent.up_to - extent.from;
        }
        pieces
    }

    fn write_extent(&mut self, extent: ExtentWrite) {
        let ExtentWrite { log, base, from, up_to } = extent;
        let Some(segment) = self.logs.get(log).and_then(|l| l.segment(base)) else { return };
        let Some(file) = segment.file_id() else { return };
        let data = segment.tail.slices(from..up_to);
        self.counters.segment_writes += 1;
        let step = LogStep::ExtentWritten { base, from, up_to };
        self.submit_log(log, step, Op::Write { file, at: from, data });
    }

    /// A piece of an extent could not be written for want of space: it is tried again later, and
    /// the group waits.
    pub(super) fn extent_postponed(
        &mut self,
        log: LogId,
        [base, from, up_to]: [u64; 3],
        error: DiskError,
        now: Now,
    ) {
        self.extents_postponed.push(ExtentWrite { log, base, from, up_to });
        self.disk_full(error, now);
    }

    /// Tries again what was postponed.
    pub(super) fn resume_extents(&mut self) {
        for extent in std::mem::take(&mut self.extents_postponed) {
            self.write_extent(extent);
        }
    }

    /// The group is durable, so its extents are part of their segments.
    pub(super) fn extents_written(&mut self, extents: Vec<ExtentWrite>) {
        for extent in extents {
            self.in_segment(extent.log, extent.base, extent.up_to);
        }
    }

    /// Puts a big run of a log into the group, if it has one that may skip the journal.
    pub(super) fn put_extent(
        &mut self,
        id: LogId,
        block: &mut Block,
        room: &mut Room,
    ) -> Option<(Part, ExtentWrite)> {
        let block_bytes = self.block_bytes;
        let log = self.logs.get_mut(id)?;
        let base = log.extent_segment()?;
        let segment = log.segment(base)?;
        let run = segment.big_run(self.config.extent_bytes_min, block_bytes, room)?;
        if segment.naming != Naming::Durable && !canary!(ExtentUnnamed) {
            self.name_segment(id, base);
            return None;
        }
        let key = log.key;
        let segment = log.segment_mut(base)?;
        let from = segment.grouped;
        let (start, end) = (from.next_multiple_of(block_bytes), run.to - run.to % block_bytes);
        let ends = (start - from) as usize + (run.to - end) as usize;
        let lens = [run.batches, (start - from) as usize, run.batches * HEADER_LEN + ends];
        let mut header = Vec::with_capacity(ENTRY_HEADER_LEN + EXTENT_HEADER_LEN);
        put_extent_header(&mut header, key, [base, from], lens, end - start);
        block.append(&header);
        for batch in segment.tail.batches_from(from).take(run.batches) {
            segment.tail.visit(batch.position..batch.position + HEADER_LEN as u64, |bytes| {
                block.append(bytes);
            });
        }
        for piece in [from..start, end..run.to] {
            segment.tail.visit(piece, |bytes| {
                block.append(bytes);
            });
        }
        segment.grouped = run.to;
        let first = segment.materialised - segment.materialised % block_bytes;
        room.extents = room.extents.saturating_sub(end - first);
        log.writing = true;
        let part = Part { log: id, base, from, to: run.to, next: run.next };
        Some((part, ExtentWrite { log: id, base, from: first, up_to: end }))
    }

    /// Makes the name of a segment's file durable, so that extents of it count.
    fn name_segment(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let folder = log.folder_path.clone();
        let Some(segment) = log.segment_mut(base) else { return };
        if segment.naming != Naming::Unknown {
            return;
        }
        segment.naming = Naming::Syncing(2);
        let data = self.config.layout.data().to_owned();
        for path in [folder, data] {
            self.submit_log(id, LogStep::SegmentNamed { base }, Op::SyncDir { path });
        }
    }

    /// One of the two folders is synced.
    pub(super) fn segment_named(&mut self, id: LogId, base: u64) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        segment.naming = match segment.naming {
            Naming::Syncing(2) => Naming::Syncing(1),
            Naming::Syncing(_) => Naming::Durable,
            other => other,
        };
    }

    /// A folder could not be synced for want of space.
    pub(super) fn naming_failed(&mut self, id: LogId, base: u64) {
        if let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) {
            segment.naming = Naming::Failed;
        }
    }
}

impl Log {
    /// The segment whose next run may skip the journal: everything before it is written, and
    /// nothing else is on its way.
    fn extent_segment(&self) -> Option<u64> {
        if self.prefix_due || self.writing {
            return None;
        }
        let open = self.segments.iter().find(|s| s.materialised < s.end)?;
        (open.grouped < open.end && open.is_writable()).then_some(open.base)
    }

    /// Whether a group will take what is staged straight to the segment, unless a write there is in
    /// its way. Where producers are fast there always would be one, and everything would be written
    /// twice.
    pub(super) fn awaits_extent(&self, bytes_min: u64) -> bool {
        let segment = self.extent_segment().and_then(|base| self.segment(base));
        !self.must_flush()
            && segment.is_some_and(|segment| {
                let gap = segment.grouped - segment.materialised;
                segment.naming != Naming::Failed
                    && segment.end - segment.grouped >= bytes_min
                    && gap + bytes_min <= limits::EXTENT_BYTES_MAX
            })
    }
}

impl Segment {
    /// The next batches that are not in a group, when they fill enough blocks.
    fn big_run(&self, bytes_min: u64, block_bytes: u64, room: &Room) -> Option<Run> {
        let from = self.grouped;
        if self.end - from < bytes_min {
            return None;
        }
        let first = self.materialised - self.materialised % block_bytes;
        let mut run = Run { to: from, next: 0, batches: 0 };
        for batch in self.tail.batches_from(from) {
            if batch.end() - first > room.extents && run.batches > 0 {
                break;
            }
            run = Run { to: batch.end(), next: batch.last_offset + 1, batches: run.batches + 1 };
        }
        let (start, end) = (from.next_multiple_of(block_bytes), run.to - run.to % block_bytes);
        let headers = run.batches * HEADER_LEN;
        let entry = ENTRY_HEADER_LEN + EXTENT_HEADER_LEN + headers + 2 * block_bytes as usize;
        let is_big = end.saturating_sub(start) >= bytes_min
            && end - first <= room.extents
            && headers as u64 <= (end - start) / limits::EXTENT_HEADERS_SHARE
            && entry <= room.block_limit;
        is_big.then_some(run)
    }
}
