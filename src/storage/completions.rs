//! What the end of each operation leads to.
//!
//! A step that failed for want of space is tried again later; what only looks at files goes on
//! without; any other failure latches the core.

use duramen_protocol::files::{leader_epochs, partition_metadata};

use super::log::LogId;
use super::names;
use super::store::Store;
use super::task::{CheckpointStep, JournalStep, LogStep, Task};
use crate::io::{Disk, DiskError, ErrorKind, Now, Op, Output};

impl<D: Disk> Store<D> {
    /// An operation is done.
    pub(super) fn finished(&mut self, task: Task, result: Result<Output, DiskError>, now: Now) {
        match (task, result) {
            (Task::Group, Ok(_)) => self.group_written(now),
            (Task::Group, Err(error)) => self.latch(error),
            (Task::JournalFile(step), result) => self.journal_file(step, result.err(), now),
            (Task::Log(id, step), result) => self.log_step(id, step, result, now),
            (Task::Checkpoint(step), Ok(_)) => match step {
                CheckpointStep::RootSynced => self.run_step_done(),
                CheckpointStep::Written => self.record_written(),
            },
            (Task::Checkpoint(_), Err(error)) => self.run_failed(error, now),
            (Task::Read(id), result) => self.read_step(id, result),
            // Where that failed, the read that follows finds out why.
            (Task::ReadAhead(window), _) => self.window_done(window),
            (Task::Forgotten, _) => {}
        }
    }

    fn journal_file(&mut self, step: JournalStep, failed: Option<DiskError>, now: Now) {
        match self.journal.made(step, failed, &mut self.tasks) {
            Err(error) => self.latch(error),
            Ok(()) => {
                if let Some(error) = &self.journal.full {
                    self.disk_full(error.clone(), now);
                }
            }
        }
    }

    fn run_failed(&mut self, error: DiskError, now: Now) {
        self.abandon_run();
        match error.kind {
            ErrorKind::Full => self.disk_full(error, now),
            _ => self.latch(error),
        }
    }

    fn log_step(&mut self, id: LogId, step: LogStep, result: Result<Output, DiskError>, now: Now) {
        if let Some(log) = self.logs.get_mut(id) {
            log.in_flight -= 1;
        }
        match result {
            Ok(output) => self.log_step_done(id, step, output, now),
            Err(error) => self.log_step_failed(id, step, error, now),
        }
        self.delete_segments(id);
        self.consider_trashing(id);
    }

    fn log_step_done(&mut self, id: LogId, step: LogStep, output: Output, now: Now) {
        match (step, output) {
            (LogStep::FolderMade, _) => self.folder_made(id),
            (LogStep::FolderDescribed, _) => {
                self.replace(id, partition_metadata::FILE_NAME, LogStep::FolderReady);
            }
            (LogStep::FolderReady, _) => self.folder_ready(id),
            (LogStep::Opened { base, file }, Output::Opened { len }) => {
                self.opened(id, base, file, len);
            }
            (LogStep::Reserved { base, up_to }, output) => {
                self.reserved(id, base, up_to, Ok(output), now);
                self.consider_sealing(id);
            }
            (LogStep::Loaded { base, start }, Output::Read(block)) => {
                self.loaded(id, base, start, block);
                self.consider_sealing(id);
            }
            (LogStep::FirstHeader { base }, Output::Read(block)) => {
                self.first_header(id, base, &block);
                self.consider_sealing(id);
            }
            (LogStep::Written { base, up_to }, _) => self.written(id, base, up_to),
            (LogStep::ExtentWritten { .. }, _) => self.group_written(now),
            (LogStep::SegmentNamed { base }, _) => self.segment_named(id, base),
            (LogStep::Trimmed { base }, _) => self.trimmed(id, base),
            (LogStep::IndexStored { base, len, of_time }, _) => {
                self.index_stored(id, base, len, of_time);
            }
            (LogStep::SnapshotStored, _) => self.names_changed(id),
            (LogStep::EpochsStored, _) => {
                self.replace(id, leader_epochs::FILE_NAME, LogStep::EpochsReplaced);
            }
            (LogStep::EpochsReplaced, _) => self.epochs_replaced(id),
            (LogStep::NamesSynced, _) => self.run_step_done(),
            (LogStep::Timestamp { base }, Output::Bytes(bytes)) => {
                self.timestamp_loaded(id, base, &bytes);
            }
            (LogStep::Renamed { base, .. }, _) => self.renamed(id, base),
            (LogStep::RenamesSynced { base }, _) => self.renames_synced(id, base),
            (LogStep::Trashed, _) => self.trashed(id),
            (LogStep::TrashSynced, _) => self.trash_synced(id),
            (LogStep::Emptied, _) => self.emptied(id),
            (step, output) => panic!("{step:?} ended with {output:?}"),
        }
    }

    fn log_step_failed(&mut self, id: LogId, step: LogStep, error: DiskError, now: Now) {
        let is_full = error.kind == ErrorKind::Full;
        match step {
            LogStep::Reserved { base, up_to } => {
                return self.reserved(id, base, up_to, Err(error), now);
            }
            LogStep::FolderMade | LogStep::FolderDescribed | LogStep::FolderReady if is_full => {
                self.folder_failed(id);
            }
            LogStep::Opened { base, .. } if is_full => self.open_failed(id, base),
            LogStep::Written { .. } if is_full => self.write_postponed(id),
            LogStep::ExtentWritten { base, from, up_to } if is_full => {
                return self.extent_postponed(id, [base, from, up_to], error, now);
            }
            LogStep::SegmentNamed { base } if is_full => self.naming_failed(id, base),
            LogStep::IndexStored { base, .. } if is_full => self.index_postponed(id, base),
            LogStep::SnapshotStored if is_full => {}
            LogStep::EpochsStored | LogStep::EpochsReplaced if is_full => {
                self.epochs_postponed(id);
            }
            LogStep::NamesSynced if is_full => self.abandon_run(),
            LogStep::Timestamp { base } => return self.timestamp_loaded(id, base, &[]),
            // A segment without an index or a snapshot has fewer files.
            LogStep::Renamed { base, .. } => return self.renamed(id, base),
            LogStep::Emptied => return self.emptied(id),
            _ => return self.latch(error),
        }
        self.disk_full(error, now);
    }

    /// Gives a small file that was stored beside its place the place, so that whatever ends the
    /// server leaves the old one or the new one, whole.
    fn replace(&mut self, id: LogId, name: &str, step: LogStep) {
        let Some(to) = self.logs.get(id).map(|log| log.folder_path.join(name)) else { return };
        self.submit_log(id, step, Op::Rename { from: names::beside(&to), to });
    }
}
