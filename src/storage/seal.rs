//! Sealing a rolled segment: drain it, cut the file to its exact length, complete its indexes.
//!
//! ```text
//! Draining -> Trimming -> Indexing -> Sealed
//! ```
//!
//! The producer snapshot that was taken at the roll is written once `durable` has passed it.
//! A step that fails for want of space is tried again when there may be some.

use duramen_protocol::files::leader_epochs::{self, EpochStart};
use duramen_protocol::files::segment::SegmentFile;

use super::log::{Life, Log, LogId};
use super::names;
use super::segment::{FileState, Phase};
use super::store::Store;
use super::task::LogStep;
use crate::io::{Disk, Op};

impl<D: Disk> Store<D> {
    /// Takes the next step with each rolled segment of a log that is ready for one.
    pub(super) fn consider_sealing(&mut self, id: LogId) {
        self.store_snapshots(id);
        let Some(log) = self.logs.get(id) else { return };
        let drained: Vec<u64> = log
            .segments
            .iter()
            .filter(|s| s.phase == Phase::Draining && s.materialised == s.end)
            .map(|s| s.base)
            .collect();
        for base in drained {
            self.trim(id, base);
        }
    }

    fn trim(&mut self, id: LogId, base: u64) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        // Space that is being reserved would come back behind the cut, and a block that is being
        // read back reaches behind it.
        if segment.reserving || segment.loading || self.failed.is_some() {
            return;
        }
        match segment.file_id().filter(|_| segment.writable) {
            Some(file) => {
                segment.phase = Phase::Trimming;
                let len = segment.end;
                self.submit_log(id, LogStep::Trimmed { base }, Op::SetLen { file, len });
            }
            // Recovered, and not written to since: opened for this, which comes back here.
            None if segment.reserved > segment.end => self.open_segment(id, base),
            None => self.trimmed(id, base),
        }
    }

    pub(super) fn trimmed(&mut self, id: LogId, base: u64) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        segment.reserved = segment.end;
        segment.phase = Phase::Indexing;
        segment.index.finish();
        self.store_epochs(id);
        self.store_indexes(id, base);
        self.consider_sealed(id, base);
    }

    /// Stores the index entries of a segment that are not in its files.
    pub(super) fn store_indexes(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let paths = [SegmentFile::OffsetIndex, SegmentFile::TimeIndex].map(|k| log.path(base, k));
        let Some(segment) = log.segment_mut(base) else { return };
        // Another round is on the way; it comes back here when it is done.
        if segment.storing > 0 {
            return;
        }
        let index = &segment.index;
        let stored = [index.stored_len, index.stored_time_len];
        let pending = [index.pending_bytes(base), index.pending_time_bytes(base)];
        // A sealed segment has both files, if only empty ones.
        let complete = segment.phase == Phase::Indexing;
        let mut ops = Vec::new();
        for (i, ((path, at), data)) in paths.into_iter().zip(stored).zip(pending).enumerate() {
            if !data.is_empty() || (complete && at == 0) {
                let step = LogStep::IndexStored { base, len: data.len() as u32, of_time: i == 1 };
                ops.push((step, Op::Store { path, at: at.into(), data }));
            }
        }
        segment.storing = ops.len() as u32;
        for (step, op) in ops {
            self.submit_log(id, step, op);
        }
    }

    /// Stores the entries of a growing segment once they are many.
    pub(super) fn consider_indexes(&mut self, id: LogId, base: u64) {
        let segment = self.logs.get(id).and_then(|l| l.segment(base));
        if segment.is_some_and(|s| s.phase == Phase::Active && s.index.is_worth_storing()) {
            self.store_indexes(id, base);
        }
    }

    /// Stores the leader epochs, for Kafka and its tools: what counts is in the checkpoint.
    pub(super) fn store_epochs(&mut self, id: LogId) {
        let living = |l: &&mut Log| l.life == Life::Living;
        let Some(log) = self.logs.get_mut(id).filter(living) else { return };
        // Another round is on the way; it comes back here when it is done.
        if log.epochs_storing || log.epochs_stored == log.epochs {
            return;
        }
        log.epochs_storing = true;
        log.epochs_stored.clone_from(&log.epochs);
        let row = |&(epoch, start): &(u32, u64)| EpochStart {
            epoch: epoch as i32,
            start_offset: start as i64,
        };
        let rows: Vec<EpochStart> = log.epochs.iter().map(row).collect();
        let path = names::beside(&log.folder_path.join(leader_epochs::FILE_NAME));
        let data = leader_epochs::encode(&rows).into_bytes();
        self.submit_log(id, LogStep::EpochsStored, Op::Store { path, at: 0, data });
    }

    /// They have taken the place of older ones.
    pub(super) fn epochs_replaced(&mut self, id: LogId) {
        self.names_changed(id);
        if let Some(log) = self.logs.get_mut(id) {
            log.epochs_storing = false;
        }
        self.store_epochs(id);
    }

    /// They could not be stored for want of space.
    pub(super) fn epochs_postponed(&mut self, id: LogId) {
        if let Some(log) = self.logs.get_mut(id) {
            log.epochs_storing = false;
            log.epochs_stored.clear();
        }
    }

    /// One of a segment's index files has its entries.
    pub(super) fn index_stored(&mut self, id: LogId, base: u64, len: u32, of_time: bool) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let Some(segment) = log.segment_mut(base) else { return };
        segment.storing -= 1;
        let before = match of_time {
            true => segment.index.stored_more_times(len),
            false => segment.index.stored_more(len),
        };
        // The file was new, and so was its name.
        log.names_changed |= before == 0;
        self.consider_sealed(id, base);
    }

    /// The entries could not be stored for want of space.
    pub(super) fn index_postponed(&mut self, id: LogId, base: u64) {
        if let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) {
            segment.storing -= 1;
        }
    }

    /// Seals a segment whose indexes are complete.
    pub(super) fn consider_sealed(&mut self, id: LogId, base: u64) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        if segment.phase != Phase::Indexing || segment.storing > 0 {
            return;
        }
        if segment.index.has_pending() {
            self.store_indexes(id, base);
            return;
        }
        segment.phase = Phase::Sealed;
        segment.writable = false;
        if let FileState::Open(file) = std::mem::replace(&mut segment.file, FileState::Closed) {
            self.tasks.close(file);
        }
        while let Some(block) = segment.tail.pop_chunk() {
            self.arena.give(block);
        }
        self.flushed(id);
    }

    /// Tries again what stood still for want of space.
    pub(super) fn resume_sealing(&mut self, id: LogId) {
        let Some(log) = self.logs.get(id) else { return };
        let indexing: Vec<u64> = log
            .segments
            .iter()
            .filter(|s| s.phase == Phase::Indexing && s.storing == 0)
            .map(|s| s.base)
            .collect();
        for base in indexing {
            self.store_indexes(id, base);
            self.consider_sealed(id, base);
        }
        self.consider_sealing(id);
    }

    /// Writes the snapshots whose offset `durable` has reached: earlier, a power cut could leave
    /// one that knows batches which never were.
    fn store_snapshots(&mut self, id: LogId) {
        let early = canary!(SnapshotEarly);
        while let Some(log) = self.logs.get_mut(id) {
            let due = log.snapshots.front().is_some_and(|s| s.0 <= log.durable || early);
            if !due {
                return;
            }
            let Some((offset, data)) = log.snapshots.pop_front() else { return };
            let path = log.path(offset, SegmentFile::Snapshot);
            self.submit_log(id, LogStep::SnapshotStored, Op::Store { path, at: 0, data });
        }
    }
}
