//! Deleting a partition with its topic.
//!
//! The catalog knows of the deletion, durably, before a store hears of it, and remembers it (a
//! tombstone) until no journal names the partition any more. Here: an entry in the journal, then
//! the folder goes to the trash by its topic id, so that a new topic of that name can begin at
//! once, and is removed. The first checkpoint to begin after that leaves behind the journals
//! that name the partition: [`Event::Passed`].

use super::commit::Note;
use super::log::{Folder, Life, LogId};
use super::segment::FileState;
use super::store::{Event, Store};
use super::task::LogStep;
use crate::io::{Disk, Op};

impl<D: Disk> Store<D> {
    /// Deletes a log. Nothing is appended to it or read from it any more.
    pub fn drop_log(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id).filter(|l| l.life == Life::Living) else { return };
        log.life = Life::Dropping;
        let key = log.key;
        self.forget_name(&key);
        self.notes.push_back(Note::Dropped { log: id, key });
    }

    /// The deletion is in the journal.
    pub(super) fn drop_durable(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.life = Life::Dropped;
        if log.flush_to.take().is_some() {
            self.run_step_done();
        }
        self.consider_trashing(id);
    }

    /// Moves a deleted log's folder away once nothing of it is in flight.
    pub(super) fn consider_trashing(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        if log.life != Life::Dropped || log.in_flight > 0 {
            return;
        }
        log.life = Life::Trashing;
        // What is staged and in no group yet is in none from now on: its memory is given back.
        self.dirty.retain(|dirty| *dirty != id);
        for segment in &mut log.segments {
            if let FileState::Open(file) = std::mem::replace(&mut segment.file, FileState::Closed) {
                self.tasks.close(file);
            }
            while let Some(block) = segment.tail.pop_chunk() {
                self.arena.give(block);
            }
        }
        if log.folder == Folder::Missing {
            return self.emptied(id);
        }
        let from = log.folder_path.clone();
        let to = self.config.layout.trashed_partition(log.key.topic_id, log.key.partition);
        log.trash_steps = 2;
        self.submit_log(id, LogStep::Trashed, Op::Rename { from, to });
    }

    pub(super) fn trashed(&mut self, id: LogId) {
        for path in [self.config.layout.data().to_owned(), self.config.layout.trash()] {
            self.submit_log(id, LogStep::TrashSynced, Op::SyncDir { path });
        }
    }

    pub(super) fn trash_synced(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.trash_steps -= 1;
        if log.trash_steps > 0 {
            return;
        }
        let path = self.config.layout.trashed_partition(log.key.topic_id, log.key.partition);
        self.submit_log(id, LogStep::Emptied, Op::RemoveDir { path });
    }

    pub(super) fn emptied(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.life = Life::Emptied;
        self.checkpoint_forced = true;
    }

    /// No journal that counts names it any more.
    pub(super) fn remove_dropped(&mut self, id: LogId) {
        if let Some(log) = self.logs.remove(id) {
            self.events.push(Event::Passed(log.key));
        }
    }
}
