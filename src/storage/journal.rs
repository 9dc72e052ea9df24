//! The journal of one core: a ring of preallocated files, one group in flight.
//!
//! ```text
//! ready     zeroed and durable, waiting for a use        [f4] [f2]
//! used      hold groups that a restart would replay      [f1] [f3] [f5 <- position]
//! making    being zeroed ahead of need                   [f6]
//! ```
//!
//! A use of a file has a generation of its own, so the stale groups of an earlier use are never
//! taken for this one's. The last group of a use names the file that follows, which is durable
//! before: so there must be a ready file whenever a group may be the last of its use.

use std::collections::VecDeque;
use std::path::PathBuf;

use duramen_protocol::files::checkpoint::JournalStart;
use duramen_protocol::files::journal::{GROUP_HEADER_LEN, GroupHeader, Successor};

use super::names;
use super::task::{JournalStep, Task, Tasks};
use crate::io::{Block, Disk, DiskError, FileId, Mode, Op, Slice};

/// What a journal is made with.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Folder of the core in its session.
    pub folder: PathBuf,
    pub core: u32,
    pub start_epoch: u32,
    pub file_bytes: u64,
    /// Files there may be.
    pub files_max: usize,
}

#[derive(Debug)]
struct Used {
    number: u64,
    file: FileId,
    generation: u64,
}

#[derive(Debug)]
struct Making {
    number: u64,
    file: FileId,
}

/// The journal of one core.
pub struct Journal {
    config: JournalConfig,
    block_bytes: u64,
    used: VecDeque<Used>,
    ready: VecDeque<(u64, FileId)>,
    making: Option<Making>,
    /// Number of the next file to be made.
    next_number: u64,
    next_generation: u64,
    /// Where the next group goes in the last used file.
    position: u64,
    /// Sequence of the next group.
    sequence: u64,
    /// Sequence of the last group that was acknowledged.
    acknowledged: u64,
    previous_crc: u32,
    /// Memory for the next group.
    spare: Option<Block>,
    /// Why a file could not be made, until one can.
    pub full: Option<DiskError>,
}

/// Where a group was put.
pub struct Placed {
    pub file: FileId,
    pub at: u64,
    pub data: Slice,
}

impl Journal {
    /// The journal of a new session, whose first file, number 1, is zeroed and durable.
    pub fn open<D: Disk>(config: JournalConfig, tasks: &mut Tasks<D>) -> Journal {
        let mut journal = Journal {
            block_bytes: tasks.disk.block_bytes() as u64,
            config,
            used: VecDeque::new(),
            ready: VecDeque::new(),
            making: None,
            next_number: 1,
            next_generation: 1,
            position: 0,
            sequence: 1,
            acknowledged: 0,
            previous_crc: 0,
            spare: None,
            full: None,
        };
        journal.make(tasks);
        journal
    }

    /// Whether enough files are in use that a checkpoint should free them: half of what there
    /// may be, so that the other half bears the load meanwhile.
    pub fn wants_checkpoint(&self) -> bool {
        self.used.len() > self.config.files_max / 2
    }

    /// Files in use.
    pub fn used_files(&self) -> usize {
        self.used.len()
    }

    /// The place behind everything acknowledged: where a replay begins that needs nothing of
    /// what is there now. Asked for while no group is in flight.
    pub fn end(&self) -> JournalStart {
        let (file, generation) = match self.used.back() {
            Some(used) => (used.number, used.generation),
            None => (1, 1),
        };
        JournalStart {
            file,
            generation,
            position: self.position,
            sequence: self.sequence,
            previous_crc: self.previous_crc,
        }
    }

    /// Puts the files before `start` back among the ready ones.
    pub fn free_before(&mut self, start: JournalStart) {
        while self.used.front().is_some_and(|u| u.generation < start.generation) {
            if let Some(used) = self.used.pop_front() {
                self.ready.push_back((used.number, used.file));
            }
        }
    }

    /// Bytes of payload that a group may have now, when it must leave room for one of `reserve`
    /// bytes behind it or end the use. `None` while there's no file for what might follow.
    pub fn room(&mut self, wish: usize, reserve: usize) -> Option<usize> {
        if self.used.is_empty() {
            self.begin_use()?;
        }
        let left = (self.config.file_bytes - self.position) as usize;
        let overhead = GROUP_HEADER_LEN + self.block_bytes as usize;
        let most = left.saturating_sub(overhead).min(wish);
        let behind = left.saturating_sub(most + overhead);
        if behind < reserve + overhead && self.ready.is_empty() {
            return None;
        }
        Some(most)
    }

    fn begin_use(&mut self) -> Option<()> {
        let (number, file) = self.ready.pop_front()?;
        self.used.push_back(Used { number, file, generation: self.next_generation });
        self.next_generation += 1;
        self.position = 0;
        Some(())
    }

    /// An empty block for a group of `payload` bytes, with room for the header kept free.
    pub fn take_block(&mut self, payload: usize) -> Block {
        let need = GROUP_HEADER_LEN + payload + self.block_bytes as usize;
        let mut block = match self.spare.take() {
            Some(block) if block.capacity() >= need => block,
            _ => Block::new(need),
        };
        block.append_zeroes(GROUP_HEADER_LEN);
        block
    }

    /// Keeps the memory of a group that is done.
    pub fn give_block(&mut self, mut block: Block) {
        if block.clear() {
            self.spare = Some(block);
        }
    }

    /// Completes the group in `block` and says where it goes. The use ends with it when less
    /// than `reserve` bytes would fit behind it, or when `last`.
    ///
    /// # Panics
    /// When the group doesn't fit, or ends the use while no file is ready: [`Journal::room`]
    /// was not asked.
    pub fn place(&mut self, block: &mut Block, entries: u32, reserve: usize, last: bool) -> Placed {
        let payload_len = block.len() - GROUP_HEADER_LEN;
        let group_len = block.len().next_multiple_of(self.block_bytes as usize);
        block.append_zeroes(group_len - block.len());
        let at = self.position;
        let left = self.config.file_bytes.checked_sub(at + group_len as u64);
        let left = left.unwrap_or_else(|| panic!("a group of {group_len} bytes at {at}"));
        let overhead = (GROUP_HEADER_LEN as u64) + self.block_bytes;
        let ends = last || left < reserve as u64 + overhead;
        let current = self.used.back().unwrap_or_else(|| panic!("a group without a file"));
        let file = current.file;
        let successor = ends.then(|| {
            let next = self.ready.front().unwrap_or_else(|| panic!("a last group, nothing ready"));
            Successor { file: next.0, generation: self.next_generation }
        });
        let header = GroupHeader {
            header_crc: 0,
            payload_crc: crc32c::crc32c(&block[GROUP_HEADER_LEN..GROUP_HEADER_LEN + payload_len]),
            group_len: group_len as u32,
            payload_len: payload_len as u32,
            entry_count: entries,
            generation: current.generation,
            sequence: self.sequence,
            acknowledged: self.acknowledged,
            previous_crc: self.previous_crc,
            start_epoch: self.config.start_epoch,
            core: self.config.core,
            successor,
        };
        let bytes = block.bytes_mut().unwrap_or_else(|| panic!("a group that is shared already"));
        self.previous_crc = header.encode(bytes);
        self.sequence += 1;
        self.position += group_len as u64;
        if ends {
            self.begin_use();
        }
        Placed { file, at, data: block.slice(0..group_len) }
    }

    /// All groups so far have been acknowledged.
    pub fn acknowledge(&mut self) {
        self.acknowledged = self.sequence - 1;
    }

    /// Makes another file when there are few ready ones and more are allowed.
    pub fn upkeep<D: Disk>(&mut self, files_min: usize, tasks: &mut Tasks<D>) {
        let all = self.used.len() + self.ready.len();
        let wanted = all < files_min || (self.ready.len() < 2 && all < self.config.files_max);
        if wanted && self.making.is_none() && self.full.is_none() {
            self.make(tasks);
        }
    }

    fn make<D: Disk>(&mut self, tasks: &mut Tasks<D>) {
        let (number, file) = (self.next_number, tasks.new_file());
        self.next_number += 1;
        self.making = Some(Making { number, file });
        let path = names::journal(&self.config.folder, number);
        let task = Task::JournalFile(JournalStep::Opened);
        tasks.submit(task, Op::Open { file, path, mode: Mode::Durable });
    }

    /// A step of making a file is done. An error of a full disk is kept in `full`, and the file
    /// is tried again when that is cleared.
    ///
    /// # Errors
    /// Any other failure.
    pub fn made<D: Disk>(
        &mut self,
        step: JournalStep,
        failed: Option<DiskError>,
        tasks: &mut Tasks<D>,
    ) -> Result<(), DiskError> {
        match failed {
            // It never got its name.
            Some(_) if step == JournalStep::Removed => return Ok(()),
            Some(error) => return self.make_failed(error, tasks),
            None => {}
        }
        let Some(making) = &self.making else { return Ok(()) };
        match step {
            // The first file of a session was made by recovery.
            JournalStep::Opened if making.number == 1 => self.ready_made(),
            JournalStep::Opened => self.zero(0, tasks),
            JournalStep::Zeroed { up_to } if up_to < self.config.file_bytes => {
                self.zero(up_to, tasks);
            }
            JournalStep::Zeroed { .. } => {
                let op = Op::SyncDir { path: self.config.folder.clone() };
                tasks.submit(Task::JournalFile(JournalStep::Named), op);
            }
            JournalStep::Named => self.ready_made(),
            JournalStep::Removed => {}
        }
        Ok(())
    }

    fn make_failed<D: Disk>(
        &mut self,
        error: DiskError,
        tasks: &mut Tasks<D>,
    ) -> Result<(), DiskError> {
        if error.kind != crate::io::ErrorKind::Full {
            return Err(error);
        }
        if let Some(making) = self.making.take() {
            tasks.close(making.file);
            let path = names::journal(&self.config.folder, making.number);
            tasks.submit(Task::JournalFile(JournalStep::Removed), Op::Unlink { path });
        }
        self.full = Some(error);
        Ok(())
    }

    fn ready_made(&mut self) {
        if let Some(making) = self.making.take() {
            self.ready.push_back((making.number, making.file));
        }
    }

    fn zero<D: Disk>(&mut self, from: u64, tasks: &mut Tasks<D>) {
        let Some(making) = &self.making else { return };
        let len = (self.config.file_bytes - from).min(1 << 20);
        let mut zeroes = Block::new(len as usize);
        zeroes.append_zeroes(len as usize);
        let data = vec![zeroes.slice(0..len as usize)];
        let task = Task::JournalFile(JournalStep::Zeroed { up_to: from + len });
        tasks.submit(task, Op::Write { file: making.file, at: from, data });
    }
}
