//! Materialising: the tail goes into the segment, behind the ack and never before.
//!
//! Whole blocks are written as they lie in memory. The last, partial block is written only when
//! someone needs the segment complete up to a byte (a checkpoint, a roll): as a padded copy, so
//! that the memory it lies in can go on being filled, and the next write brings it again. One
//! write a log is in flight, so no block is ever in two writes at once.
//!
//! Who is written next: logs that a checkpoint or a roll waits for, then logs whose tail is worth
//! a write, then, while the arena is over half full, the largest tail there is. Of those no more
//! at once than memory calls for: it is short by a page whenever one was taken, and as many writes
//! as there may be each time would leave no tail the time to grow. The fuller the arena, the more.
//! A log whose next run skips the journal is left alone: the extent brings the tail along.

use std::cmp::Reverse;

use super::log::{Log, LogId};
use super::segment::{Phase, Segment};
use super::store::Store;
use super::task::LogStep;
use crate::io::{Block, Disk, Op, Slice};
use crate::limits;

/// A write to a segment.
struct Plan {
    base: u64,
    at: u64,
    up_to: u64,
    data: Vec<Slice>,
}

impl<D: Disk> Store<D> {
    /// Queues a log whose tail is worth a write, or must be written.
    pub(super) fn consider_materialising(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        if log.queued || log.writing {
            return;
        }
        if log.must_flush() {
            log.queued = true;
            self.to_flush.push_back(id);
        } else if log.unmaterialised_bytes() >= limits::MATERIALISE_BYTES {
            log.queued = true;
            self.to_write.push_back(id);
        }
    }

    /// Keeps writes to segments in flight while there is something to write.
    pub(super) fn materialise(&mut self) {
        while self.writes < limits::MATERIALISE_IN_FLIGHT && self.failed.is_none() {
            let Some(id) = self.next_to_write() else { break };
            self.write_tail(id);
        }
        // Memory is wanted, and all there is to write are many partial blocks.
        let stuck = self.memory_wanted && self.writes == 0;
        if stuck && self.run.is_none() {
            self.memory_wanted = false;
            self.checkpoint_forced = true;
        }
    }

    fn next_to_write(&mut self) -> Option<LogId> {
        let queued = self.to_flush.pop_front().or_else(|| self.to_write.pop_front());
        if queued.is_some() {
            return queued;
        }
        // What is in segments already is freed first: that costs no write.
        self.relieve();
        if self.writes >= self.writes_for_memory() {
            return None;
        }
        while let Some(id) = self.swept.pop_front() {
            let log = self.logs.get(id);
            if log.is_some_and(|l| l.is_sweepable(self.block_bytes, self.config.extent_bytes_min)) {
                return Some(id);
            }
        }
        self.sweep();
        self.swept.pop_front()
    }

    /// How many writes may be in flight for the sake of memory alone.
    fn writes_for_memory(&self) -> usize {
        if !self.arena.is_pressed() {
            return 0;
        }
        let bytes = self.config.arena_bytes;
        1 + (self.arena.used() - bytes / 2) * limits::MATERIALISE_ARENA_SHARE / bytes
    }

    /// Finds the logs with the largest tails: several at a time, as looking at all logs takes long
    /// where there are many. They may be queued for another reason before it is their turn.
    fn sweep(&mut self) {
        let (block_bytes, bytes_min) = (self.block_bytes, self.config.extent_bytes_min);
        let logs = self.logs.iter().filter(|(_, l)| l.is_sweepable(block_bytes, bytes_min));
        let mut tails: Vec<_> =
            logs.map(|(id, l)| (Reverse(l.unmaterialised_bytes()), id)).collect();
        tails.sort_unstable();
        self.swept.extend(tails.into_iter().take(limits::MATERIALISE_SWEEP).map(|(_, id)| id));
    }

    fn write_tail(&mut self, id: LogId) {
        let block_bytes = self.block_bytes;
        let Some(log) = self.logs.get_mut(id) else { return };
        log.queued = false;
        // An extent is on its way, or will be with the next group, which brings this along; what is
        // left is considered when that is done.
        if log.writing || log.awaits_extent(self.config.extent_bytes_min) {
            return;
        }
        let Some(plan) = log.plan_write(block_bytes) else { return };
        let Some(file) = log.segment(plan.base).and_then(Segment::file_id) else { return };
        log.writing = true;
        self.writes += 1;
        self.counters.segment_writes += 1;
        self.counters.segment_bytes += plan.data.iter().map(|s| s.len() as u64).sum::<u64>();
        let step = LogStep::Written { base: plan.base, up_to: plan.up_to };
        self.submit_log(id, step, Op::Write { file, at: plan.at, data: plan.data });
    }

    /// A write to a segment is done.
    pub(super) fn written(&mut self, id: LogId, base: u64, up_to: u64) {
        self.writes -= 1;
        self.in_segment(id, base, up_to);
    }

    /// A segment's bytes up to a position are in its file, and all before them.
    pub(super) fn in_segment(&mut self, id: LogId, base: u64, up_to: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.writing = false;
        if let Some(segment) = log.segment_mut(base) {
            segment.materialised = up_to;
        }
        self.kept.push_back((id, base));
        self.consider_indexes(id, base);
        self.relieve();
        self.consider_sealing(id);
        self.flushed(id);
        self.consider_materialising(id);
    }

    /// The write could not be done for want of space: it is tried again later.
    pub(super) fn write_postponed(&mut self, id: LogId) {
        self.writes -= 1;
        if let Some(log) = self.logs.get_mut(id) {
            log.writing = false;
        }
    }

    /// Frees what is in segments too, as long as the arena is over half full.
    fn relieve(&mut self) {
        while self.arena.is_pressed() && self.shed() {}
    }

    /// Frees memory that holds nothing but what is in segments too, oldest first; a large block
    /// whose end is still growing gives way to a small one. Returns whether anything was freed.
    pub(super) fn shed(&mut self) -> bool {
        while let Some((id, base)) = self.kept.pop_front() {
            let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else {
                continue;
            };
            if let Some(block) = segment.shed_chunk(self.block_bytes) {
                self.arena.give(block);
                self.kept.push_front((id, base));
                return true;
            }
            let whole = segment.materialised - segment.materialised % self.block_bytes;
            if segment.tail.can_shrink(whole, self.block_bytes)
                && let Some(small) = self.arena.take(self.block_bytes as usize)
            {
                self.arena.give(segment.tail.shrink(whole, small));
                self.kept.push_back((id, base));
                return true;
            }
            // Nothing but a partial block is left, and its log is idle.
            if segment.materialised == segment.end && !segment.loading {
                let mut freed = false;
                while let Some(block) = segment.tail.pop_chunk() {
                    self.arena.give(block);
                    freed = true;
                }
                if freed {
                    return true;
                }
            }
        }
        false
    }
}

impl Log {
    /// Whether there is a block to be written, and nothing else will bring that along. Less than
    /// a block is written only when it must be.
    fn is_sweepable(&self, block_bytes: u64, extent_bytes_min: u64) -> bool {
        let idle = !self.writing && !self.queued;
        idle && self.unmaterialised_bytes() >= block_bytes && !self.awaits_extent(extent_bytes_min)
    }

    /// Someone waits for the segments to be complete up to a byte.
    pub(super) fn must_flush(&self) -> bool {
        let draining = |s: &Segment| {
            s.phase == Phase::Draining && s.durable == s.end && s.materialised < s.end
        };
        self.flush_to.is_some_and(|place| !self.is_flushed_to(place) && self.has_unmaterialised())
            || self.segments.iter().any(draining)
    }

    fn has_unmaterialised(&self) -> bool {
        self.segments.iter().any(|s| s.materialised < s.durable)
    }

    /// The next write to the first segment that lacks durable bytes: whole blocks, and the
    /// partial one behind them when the segment must be complete.
    fn plan_write(&self, block_bytes: u64) -> Option<Plan> {
        let must = self.must_flush();
        let segment = self.first_unmaterialised()?;
        let start = segment.materialised - segment.materialised % block_bytes;
        let most = start + limits::MATERIALISE_WRITE_BYTES;
        let whole = (segment.durable - segment.durable % block_bytes).min(most);
        let complete = must && segment.durable < most;
        let up_to = if complete { segment.durable } else { whole };
        if up_to <= segment.materialised {
            return None;
        }
        let mut data = segment.tail.slices(start..whole);
        if up_to > whole {
            let mut padded = Block::new(block_bytes as usize);
            segment.tail.visit(whole..up_to, |bytes| {
                padded.append(bytes);
            });
            padded.append_zeroes(block_bytes as usize - padded.len());
            data.push(padded.slice(0..block_bytes as usize));
        }
        Some(Plan { base: segment.base, at: start, up_to, data })
    }
}

impl Segment {
    /// The first chunk of the tail, when all of it is in the file.
    fn shed_chunk(&mut self, block_bytes: u64) -> Option<Block> {
        let whole = self.materialised - self.materialised % block_bytes;
        let end = self.tail.first_chunk_end()?;
        if end > whole {
            return None;
        }
        self.tail.pop_chunk()
    }
}
