//! What must be there before a batch is staged: the partition's folder, the segment's file, the
//! block that the batch continues, and space reserved on the disk.
//!
//! Space is reserved in steps that grow with the segment, ahead of need, so that a full disk is
//! found out before anything is staged, and a busy partition does not wait for it.

use duramen_protocol::batch::{BatchHeader, HEADER_LEN};
use duramen_protocol::files::partition_metadata;
use duramen_protocol::files::segment::SegmentFile;

use super::log::{Folder, Log, LogId};
use super::names;
use super::segment::FileState;
use super::stage::Refusal;
use super::store::Store;
use super::task::{LogStep, Task};
use crate::io::{Block, Disk, DiskError, ErrorKind, FileId, Mode, Now, Op, Output};
use crate::limits;

impl<D: Disk> Store<D> {
    /// Submits an operation for a log.
    pub(super) fn submit_log(&mut self, id: LogId, step: LogStep, op: Op) {
        if let Some(log) = self.logs.get_mut(id) {
            log.in_flight += 1;
        }
        self.tasks.submit(Task::Log(id, step), op);
    }

    /// The active segment's file, open for writing.
    pub(super) fn ensure_writable(&mut self, id: LogId) -> Result<(), Refusal> {
        let Some(log) = self.logs.get_mut(id) else { return Err(Refusal::Gone) };
        match log.folder {
            Folder::Ready => {}
            Folder::Making => return Err(Refusal::Wait),
            Folder::Missing => {
                log.folder = Folder::Making;
                let path = log.folder_path.clone();
                self.submit_log(id, LogStep::FolderMade, Op::MakeDir { path });
                return Err(Refusal::Wait);
            }
        }
        let segment = log.active();
        if segment.is_writable() {
            return Ok(());
        }
        let base = segment.base;
        self.open_segment(id, base);
        Err(Refusal::Wait)
    }

    /// Opens a segment's file for writing, unless that is on the way.
    pub(super) fn open_segment(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let path = log.path(base, SegmentFile::Log);
        let Some(segment) = log.segment_mut(base) else { return };
        // One that is open for readers only is opened anew, for both.
        if std::mem::replace(&mut segment.file, FileState::Opening) == FileState::Opening {
            return;
        }
        let file = self.tasks.new_file();
        let op = Op::Open { file, path, mode: Mode::Durable };
        self.submit_log(id, LogStep::Opened { base, file }, op);
    }

    /// The folder is there: describe it, as Kafka does.
    pub(super) fn folder_made(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let path = names::beside(&log.folder_path.join(partition_metadata::FILE_NAME));
        let data = partition_metadata::encode(log.key.topic_id).into_bytes();
        self.root_changed = true;
        self.submit_log(id, LogStep::FolderDescribed, Op::Store { path, at: 0, data });
    }

    pub(super) fn folder_ready(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.folder = Folder::Ready;
        log.names_changed = true;
    }

    /// The folder could not be made for want of space.
    pub(super) fn folder_failed(&mut self, id: LogId) {
        if let Some(log) = self.logs.get_mut(id) {
            log.folder = Folder::Missing;
        }
    }

    /// The file could not be made for want of space.
    pub(super) fn open_failed(&mut self, id: LogId, base: u64) {
        if let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) {
            segment.file = FileState::Closed;
        }
    }

    pub(super) fn opened(&mut self, id: LogId, base: u64, file: FileId, len: u64) {
        // Its name is new, perhaps; a sync that began before now doesn't count.
        self.names_changed(id);
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else {
            self.tasks.close(file);
            return;
        };
        if let FileState::Open(old) = std::mem::replace(&mut segment.file, FileState::Open(file)) {
            self.tasks.close(old);
        }
        segment.writable = true;
        segment.reserved = len;
        self.consider_sealing(id);
    }

    /// The block that holds the segment's end, in memory, and the timestamp that rolling by
    /// time counts from.
    pub(super) fn ensure_block(&mut self, id: LogId) -> Result<(), Refusal> {
        let block_bytes = self.block_bytes;
        let Some(log) = self.logs.get_mut(id) else { return Err(Refusal::Gone) };
        let segment = log.active_mut();
        if segment.loading {
            return Err(Refusal::Wait);
        }
        let Some(file) = segment.file_id() else { return Err(Refusal::Wait) };
        let base = segment.base;
        if segment.end > 0 && segment.first_timestamp.is_none() {
            segment.loading = true;
            let op = Op::Read { file, at: 0, into: Block::with_room(HEADER_LEN) };
            self.submit_log(id, LogStep::FirstHeader { base }, op);
            return Err(Refusal::Wait);
        }
        let start = segment.end - segment.end % block_bytes;
        if start == segment.end || segment.tail.reaches(segment.end) {
            return Ok(());
        }
        self.load_block(id, base);
        Err(Refusal::Wait)
    }

    /// Brings the block that holds a segment's end to memory.
    pub(super) fn load_block(&mut self, id: LogId, base: u64) {
        let block_bytes = self.block_bytes;
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        let Some(file) = segment.file_id().filter(|_| !segment.loading) else { return };
        let Some(into) = self.arena.take(block_bytes as usize) else {
            self.memory_wanted |= !self.shed();
            return;
        };
        segment.loading = true;
        let start = segment.end - segment.end % block_bytes;
        self.submit_log(id, LogStep::Loaded { base, start }, Op::Read { file, at: start, into });
    }

    /// The block was read back. What lies behind the segment's end in it is not the log's.
    pub(super) fn loaded(&mut self, id: LogId, base: u64, start: u64, read: Block) {
        let segment = self.logs.get_mut(id).and_then(|l| l.segment_mut(base));
        let Some(segment) = segment.filter(|s| s.loading) else {
            self.arena.give(read);
            return;
        };
        segment.loading = false;
        let want = (segment.end - start) as usize;
        if read.len() < want {
            let error = DiskError {
                kind: ErrorKind::Failed,
                operation: "read back",
                path: format!("segment {base} of log {id:?}"),
                reason: format!("{} of {want} bytes at {start}", read.len()),
            };
            self.arena.give(read);
            self.latch(error);
            return;
        }
        match read.len() == want {
            true => segment.tail.begin(start, read),
            false => {
                let capacity = read.capacity();
                let mut exact = Block::new(capacity);
                exact.append(&read[..want]);
                segment.tail.begin(start, exact);
            }
        }
    }

    pub(super) fn first_header(&mut self, id: LogId, base: u64, read: &[u8]) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        segment.loading = false;
        // A segment that can't be read here is found out by its readers; time then counts from
        // the next batch.
        let timestamp = BatchHeader::parse(read).map_or(i64::MAX, |h| h.max_timestamp);
        segment.first_timestamp = Some(timestamp);
    }

    /// Space for `len` more bytes.
    pub(super) fn ensure_space(&mut self, id: LogId, len: u64) -> Result<(), Refusal> {
        let block_bytes = self.block_bytes;
        let Some(log) = self.logs.get_mut(id) else { return Err(Refusal::Gone) };
        let need = (log.active().end + len).next_multiple_of(block_bytes);
        let step = log.reserve_step();
        let enough = log.active().reserved >= need;
        let ahead = log.active().reserved >= need + step / 2;
        let full = (need + step).min(log.config.segment_bytes.next_multiple_of(block_bytes));
        if !log.active().reserving && !ahead && full > log.active().reserved.max(need - 1) {
            // Once space was short, only what is needed is asked for.
            let to = if self.short_of_space { need } else { full.max(need) };
            if to > log.active().reserved {
                self.reserve(id, to);
            }
        }
        if enough { Ok(()) } else { Err(Refusal::Wait) }
    }

    fn reserve(&mut self, id: LogId, up_to: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let segment = log.active_mut();
        let Some(file) = segment.file_id() else { return };
        segment.reserving = true;
        let (base, at) = (segment.base, segment.reserved);
        let op = Op::Allocate { file, at, len: up_to - at };
        self.submit_log(id, LogStep::Reserved { base, up_to }, op);
    }

    pub(super) fn reserved(
        &mut self,
        id: LogId,
        base: u64,
        up_to: u64,
        result: Result<Output, DiskError>,
        now: Now,
    ) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        segment.reserving = false;
        match result {
            Ok(_) => {
                segment.reserved = segment.reserved.max(up_to);
                self.space_came();
            }
            Err(error) if error.kind == ErrorKind::Full => {
                // The first time less is asked for; the second time it is full.
                if std::mem::replace(&mut self.short_of_space, true) {
                    self.disk_full(error, now);
                }
            }
            Err(error) => self.latch(error),
        }
    }
}

impl Log {
    /// By how much the reserved space grows: as much again as there is, within bounds.
    fn reserve_step(&self) -> u64 {
        self.active().end.clamp(limits::RESERVE_BYTES_MIN, limits::RESERVE_BYTES_MAX)
    }
}
