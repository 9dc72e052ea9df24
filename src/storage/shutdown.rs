//! A clean stop: what was accepted is committed, files get their exact length, a last checkpoint
//! says so. A restart then has nothing to replay.
//!
//! ```text
//! Draining        until nothing is staged that is not durable
//! Trimming        active segments are flushed, cut, and get their last index entries; producer
//!                 snapshots at the end of each log
//! Checkpointing   the last checkpoint
//! Done
//! ```

use super::log::{Life, LogId};
use super::segment::Phase;
use super::store::{Shutdown, Store};
use crate::io::Disk;

impl<D: Disk> Store<D> {
    /// Begins a clean stop: appends are refused from here on.
    pub fn begin_shutdown(&mut self) {
        self.shutdown.get_or_insert(Shutdown::Draining);
    }

    /// Whether the clean stop is done; also when the core failed, as there's nothing more to do.
    pub fn is_shut_down(&self) -> bool {
        self.shutdown == Some(Shutdown::Done) || (self.shutdown.is_some() && self.failed.is_some())
    }

    pub(super) fn step_shutdown(&mut self) {
        if self.failed.is_some() {
            return;
        }
        match self.shutdown {
            Some(Shutdown::Draining) if self.is_drained() => {
                self.shutdown = Some(Shutdown::Trimming);
                self.close_segments();
            }
            Some(Shutdown::Trimming) if self.all_sealed() => {
                self.shutdown = Some(Shutdown::Checkpointing);
                self.checkpoint_forced = true;
            }
            Some(Shutdown::Checkpointing) if self.run.is_none() && !self.checkpoint_forced => {
                self.shutdown = Some(Shutdown::Done);
            }
            _ => {}
        }
    }

    fn is_drained(&self) -> bool {
        self.dirty.is_empty() && self.notes.is_empty() && self.group.is_none() && self.run.is_none()
    }

    fn close_segments(&mut self) {
        let ids: Vec<LogId> = self.logs.ids().collect();
        for id in ids {
            let Some(log) = self.logs.get_mut(id).filter(|l| l.life == Life::Living) else {
                continue;
            };
            let next = log.next;
            let segment = log.active_mut();
            if segment.phase != Phase::Active || !segment.is_unfinished() {
                continue;
            }
            segment.phase = Phase::Draining;
            // A segment that is empty had its snapshot when it was begun.
            let grew = segment.end > 0;
            if grew {
                let snapshot = log.producers.snapshot(next);
                log.snapshots.push_back((next, snapshot));
            }
            self.consider_materialising(id);
            self.consider_sealing(id);
        }
    }

    fn all_sealed(&self) -> bool {
        let open = |p: Phase| matches!(p, Phase::Draining | Phase::Trimming | Phase::Indexing);
        let sealed = self.logs.iter().all(|(_, log)| log.segments.iter().all(|s| !open(s.phase)));
        sealed && self.logs.iter().all(|(_, log)| log.in_flight == 0)
    }
}
