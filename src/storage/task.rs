//! What each operation in flight is for.

use super::log::LogId;
use super::readahead::Window;
use super::reader::ReadId;
use crate::io::{Disk, Done, FileId, Op, Token};

/// What a completion means.
#[derive(Debug)]
pub enum Task {
    /// The group in flight is in the journal.
    Group,
    /// A step of making a journal file ready.
    JournalFile(JournalStep),
    /// A step for one log.
    Log(LogId, LogStep),
    /// A step of a checkpoint that names no log.
    Checkpoint(CheckpointStep),
    /// A step of a read.
    Read(ReadId),
    /// A window is in the page cache.
    ReadAhead(Window),
    /// Nothing waits for it: the file was closed or removed.
    Forgotten,
}

/// Steps of making a journal file ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalStep {
    Opened,
    Zeroed { up_to: u64 },
    Named,
    Removed,
}

/// Steps of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogStep {
    /// The folder is there; its metadata file comes next.
    FolderMade,
    /// The metadata file is there, under its first name.
    FolderDescribed,
    /// It has its own name.
    FolderReady,
    /// The active segment's file is open for writing.
    Opened { base: u64, file: FileId },
    /// Space up to this position is reserved.
    Reserved { base: u64, up_to: u64 },
    /// The block that holds the segment's end was read back.
    Loaded { base: u64, start: u64 },
    /// The first batch's header was read, for rolling by time.
    FirstHeader { base: u64 },
    /// Tail bytes up to this position are in the file.
    Written { base: u64, up_to: u64 },
    /// These bytes of a run that skips the journal are in the file.
    ExtentWritten { base: u64, from: u64, up_to: u64 },
    /// A folder is synced, so that a segment's name is durable.
    SegmentNamed { base: u64 },
    /// A rolled segment's file has its exact length.
    Trimmed { base: u64 },
    /// Entries of the index, or of the time index, were stored: how many bytes.
    IndexStored { base: u64, len: u32, of_time: bool },
    /// A producer snapshot was stored.
    SnapshotStored,
    /// The leader epochs were stored, beside the file that they replace.
    EpochsStored,
    /// They have replaced it.
    EpochsReplaced,
    /// The folder's names are durable.
    NamesSynced,
    /// Retention looked at the largest timestamp of a sealed segment.
    Timestamp { base: u64 },
    /// One of a deleted segment's files has its new name.
    Renamed { base: u64 },
    /// The new names of a deleted segment's files are durable.
    RenamesSynced { base: u64 },
    /// A deleted partition's folder is in the trash.
    Trashed,
    /// That is durable on one of the two sides.
    TrashSynced,
    /// The trashed folder is gone.
    Emptied,
}

/// Steps of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointStep {
    /// The data directory's names are durable.
    RootSynced,
    /// The record is written.
    Written,
}

/// The disk, and what each operation in flight on it is for.
pub struct Tasks<D> {
    pub disk: D,
    tasks: Vec<Option<Task>>,
    free: Vec<usize>,
    next_file: u64,
    /// To be closed with the next tick: a reader of this one may have been given a range of it.
    closing: Vec<FileId>,
}

impl<D: Disk> Tasks<D> {
    pub fn new(disk: D) -> Tasks<D> {
        Tasks { disk, tasks: Vec::new(), free: Vec::new(), next_file: 1, closing: Vec::new() }
    }

    /// A name for a file to be opened.
    pub fn new_file(&mut self) -> FileId {
        self.next_file += 1;
        FileId(self.next_file)
    }

    /// Submits an operation and remembers what for.
    pub fn submit(&mut self, task: Task, op: Op) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        self.tasks[slot] = Some(task);
        self.disk.submit(Token(slot as u64), op);
    }

    /// Closes a file that nothing waits for, once this tick's readers had their descriptors.
    pub fn close(&mut self, file: FileId) {
        self.closing.push(file);
    }

    /// Closes what the last tick was done with.
    pub fn close_pending(&mut self) {
        for file in std::mem::take(&mut self.closing) {
            self.submit(Task::Forgotten, Op::Close { file });
        }
    }

    /// What a completion was for.
    ///
    /// # Panics
    /// When the disk completes what was not submitted, or twice.
    pub fn finish(&mut self, done: &Done) -> Task {
        let slot = done.token.0 as usize;
        match self.tasks.get_mut(slot).and_then(Option::take) {
            Some(task) => {
                self.free.push(slot);
                task
            }
            None => panic!("the disk completed {:?}, which was not in flight", done.token),
        }
    }
}
