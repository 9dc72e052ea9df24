//! Checkpoints: after one, a restart needs nothing of the journal before it.
//!
//! ```text
//! begin        between two groups: note every log's durable end, its producers, the index entries
//!              that are not in its files, the journal's end
//! Flushing     every log's segments are written up to there
//! Naming       folders with new names are synced
//! Writing      the record goes into the older of the two slots
//! done         journal files before the noted end are free again
//! ```
//!
//! The order is the guarantee: what the record says is on stable storage before the record is,
//! and the record is before a journal file is used again. A step that fails for want of space
//! ends the run; it is begun anew when there may be space, and nothing of the old one is in flight.

use duramen_protocol::files::checkpoint::{Head, JournalStart};

use super::log::{Life, LogId, Place};
use super::names;
use super::store::Store;
use super::task::{CheckpointStep, LogStep, Task};
use crate::io::{Disk, Op};
use crate::limits;

/// Where a run of the checkpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Flushing,
    Naming,
    Writing,
}

/// One log in a run.
struct Target {
    log: LogId,
    /// The offset up to which its segments are to hold everything.
    offset: u64,
}

/// A run of the checkpoint.
pub struct Run {
    phase: Phase,
    journal: JournalStart,
    /// Records of all logs, encoded.
    records: Vec<u8>,
    count: u32,
    /// The logs that had something new.
    targets: Vec<Target>,
    /// Next of them in the present phase.
    next: usize,
    /// Operations in flight, or logs waited for, in the present phase.
    waiting: u32,
    /// It can't go on; what it has in flight is waited for, so that the next run never meets it.
    abandoned: bool,
    /// Deleted logs that no journal will name once this run is done.
    passed: Vec<LogId>,
}

impl<D: Disk> Store<D> {
    /// Begins a run when the journal asks for one, or when it is forced; only between two
    /// groups, so that the noted ends are the ends of entries.
    pub(super) fn consider_checkpoint(&mut self) {
        let wanted = self.journal.wants_checkpoint() || self.checkpoint_forced;
        if !wanted || self.run.is_some() || self.group.is_some() || self.failed.is_some() {
            return;
        }
        if self.full_reason().is_some() {
            return;
        }
        self.checkpoint_forced = false;
        self.counters.checkpoints += 1;
        let run = self.begin_run();
        if canary!(FreeBeforeCheckpoint) {
            self.journal.free_before(run.journal);
        }
        self.run = Some(run);
        self.step_run();
    }

    fn begin_run(&mut self) -> Run {
        let mut run = Run {
            phase: Phase::Flushing,
            journal: self.journal.end(),
            records: Vec::new(),
            count: 0,
            targets: Vec::new(),
            next: 0,
            waiting: 0,
            abandoned: false,
            passed: Vec::new(),
        };
        let block_bytes = self.block_bytes;
        let skip_flush = canary!(SkipFlush);
        let no_prefix = canary!(NoPrefix);
        let ids: Vec<LogId> = self.logs.ids().collect();
        for id in ids {
            let Some(log) = self.logs.get_mut(id) else { continue };
            match log.life {
                Life::Living => {}
                Life::Dropping | Life::Dropped | Life::Trashing => continue,
                Life::Emptied => {
                    run.passed.push(id);
                    continue;
                }
            }
            let record = log.record();
            record.encode(&mut run.records);
            run.count += 1;
            if log.recovery_point == record.recovery_point && !log.names_changed {
                continue;
            }
            let place = Place { base: record.segment_base, position: record.position };
            log.prefix_due = !place.position.is_multiple_of(block_bytes) && !no_prefix;
            run.targets.push(Target { log: id, offset: record.recovery_point });
            if !skip_flush && !log.is_flushed_to(place) {
                log.flush_to = Some(place);
                run.waiting += 1;
            }
        }
        for i in 0..run.targets.len() {
            self.consider_materialising(run.targets[i].log);
        }
        run
    }

    /// A log's segments grew or were sealed: perhaps a run waited for that.
    pub(super) fn flushed(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let Some(place) = log.flush_to else { return };
        if !log.is_flushed_to(place) {
            return;
        }
        log.flush_to = None;
        if let Some(run) = &mut self.run {
            run.waiting -= 1;
        }
        self.step_run();
    }

    /// One of the run's operations is done.
    pub(super) fn run_step_done(&mut self) {
        if let Some(run) = &mut self.run {
            run.waiting = run.waiting.saturating_sub(1);
        }
        self.step_run();
    }

    /// One of the run's operations has failed, so it can't go on; once the others are done, the
    /// next run begins from the start.
    pub(super) fn abandon_run(&mut self) {
        let Some(run) = &mut self.run else { return };
        run.abandoned = true;
        run.waiting = run.waiting.saturating_sub(1);
        for target in &run.targets {
            if let Some(log) = self.logs.get_mut(target.log) {
                run.waiting -= u32::from(log.flush_to.take().is_some());
                log.names_changed = true;
            }
        }
        self.root_changed = true;
        self.checkpoint_forced = true;
        self.step_run();
    }

    fn step_run(&mut self) {
        while let Some(run) = &mut self.run {
            if run.abandoned {
                if run.waiting == 0 {
                    self.run = None;
                }
                return;
            }
            let (phase, more) = (run.phase, run.next < run.targets.len());
            if run.waiting > 0 && (!more || run.waiting >= limits::CHECKPOINT_IN_FLIGHT as u32) {
                return;
            }
            match phase {
                Phase::Flushing if run.waiting > 0 => return,
                Phase::Flushing => self.enter(Phase::Naming),
                Phase::Naming if more => self.name_next(),
                Phase::Naming => self.enter(Phase::Writing),
                Phase::Writing => return,
            }
        }
    }

    fn enter(&mut self, phase: Phase) {
        let Some(run) = &mut self.run else { return };
        (run.phase, run.next) = (phase, 0);
        match phase {
            Phase::Flushing => {}
            Phase::Naming => self.sync_root(),
            Phase::Writing => self.write_record(),
        }
    }

    fn sync_root(&mut self) {
        if std::mem::take(&mut self.root_changed) {
            let path = self.config.layout.data().to_owned();
            let task = Task::Checkpoint(CheckpointStep::RootSynced);
            self.tasks.submit(task, Op::SyncDir { path });
            if let Some(run) = &mut self.run {
                run.waiting += 1;
            }
        }
    }

    fn name_next(&mut self) {
        let Some(run) = &mut self.run else { return };
        let id = run.targets[run.next].log;
        run.next += 1;
        let skip = canary!(SkipNames);
        let Some(log) = self.logs.get_mut(id) else { return };
        // It may have been deleted since the run began.
        if std::mem::take(&mut log.names_changed) && !skip && !log.life.is_past() {
            let path = log.folder_path.clone();
            self.submit_log(id, LogStep::NamesSynced, Op::SyncDir { path });
            if let Some(run) = &mut self.run {
                run.waiting += 1;
            }
        }
    }

    fn write_record(&mut self) {
        let Some(run) = &mut self.run else { return };
        // Counted when it is written: a failed one must not cost the other slot.
        let sequence = self.checkpoint_sequence + 1;
        let head = Head {
            sequence,
            start_epoch: self.config.journal.start_epoch,
            core: self.config.journal.core,
        };
        let mut data = Vec::new();
        head.encode(run.journal, run.count, &run.records, &mut data);
        run.records = Vec::new();
        run.waiting = 1;
        let path = names::checkpoint(&self.config.journal.folder, sequence);
        let task = Task::Checkpoint(CheckpointStep::Written);
        self.tasks.submit(task, Op::Store { path, at: 0, data });
    }

    /// The record is on stable storage.
    pub(super) fn record_written(&mut self) {
        let Some(run) = self.run.take() else { return };
        self.checkpoint_sequence += 1;
        self.journal.free_before(run.journal);
        for target in &run.targets {
            if let Some(log) = self.logs.get_mut(target.log) {
                log.recovery_point = target.offset;
            }
        }
        for id in run.passed {
            self.remove_dropped(id);
        }
    }

    /// Whether a run is on the way.
    pub fn is_checkpointing(&self) -> bool {
        self.run.is_some()
    }
}
