//! One segment of a partition, and how far it has come.
//!
//! ```text
//! file    |=========== on disk ==========|....... reserved ........|
//!         0              materialised ^                            ^ reserved
//! memory              |====|====|====|====|
//!                     ^ tail    ^ durable ^ grouped ^ end
//! ```
//!
//! `materialised <= durable <= grouped <= end <= reserved`, all positions in bytes. A batch is
//! staged at `end`, goes into a group (`grouped`), becomes durable with it, and is written to the
//! file afterwards. Only `commit` moves `durable`.
//!
//! A segment that is rolled drains, is cut to its exact length, and is sealed. A sealed segment
//! never changes again.

use duramen_protocol::files::index_builder::IndexBuilder;
use duramen_protocol::files::offset_index::{self, OffsetEntry};
use duramen_protocol::files::sparse_index::IndexEntry;
use duramen_protocol::files::time_index::{self, TimeEntry};

use super::ranges::Ranges;
use super::tail::{BatchPlace, Tail};
use crate::io::FileId;
use crate::limits;

/// Where the segment's file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    Closed,
    Opening,
    Open(FileId),
}

/// How far it is known that the name of a segment's file is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    Unknown,
    /// So many folders are still being synced.
    Syncing(u8),
    /// The disk was full: its runs go to the journal.
    Failed,
    Durable,
}

/// A segment's stage of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The newest: batches are staged here.
    Active,
    /// Rolled; its tail is on the way to the file.
    Draining,
    /// All in the file, which is being cut to its length.
    Trimming,
    /// Its indexes are being completed.
    Indexing,
    /// Done.
    Sealed,
}

/// One segment.
#[derive(Debug)]
pub struct Segment {
    /// Offset of its first record, which names its files.
    pub base: u64,
    pub phase: Phase,
    pub file: FileState,
    /// The file's writable descriptor is open, for `Open`.
    pub writable: bool,
    /// Behind the last staged byte.
    pub end: u64,
    /// Behind the last byte that is in a group.
    pub grouped: u64,
    /// Behind the last byte that is on stable storage.
    pub durable: u64,
    /// Behind the last byte that is in the file.
    pub materialised: u64,
    /// The file's length.
    pub reserved: u64,
    /// More space was asked for.
    pub reserving: bool,
    /// Whether the name of its file is on stable storage.
    pub naming: Naming,
    /// The block that holds `end` is being read back.
    pub loading: bool,
    pub tail: Tail,
    pub index: SegmentIndex,
    /// Index entries are being stored: operations in flight.
    pub storing: u32,
    /// What may be sent unseen: written by this process, or checked once.
    pub trusted: Ranges,
    /// Its indexes were made again since the start.
    pub rebuilt: bool,
    /// Operations of readers in flight that name its files.
    pub visitors: u32,
    /// Batches that begin behind damage: offset and position, found by readers.
    pub hints: Vec<(u64, u64)>,
    /// Timestamp that rolling by time counts from: the largest of the first batch.
    pub first_timestamp: Option<i64>,
    /// Of the whole segment, once known.
    pub largest_timestamp: Option<i64>,
}

impl Segment {
    /// An empty, active segment, whose file isn't there yet.
    pub fn new(base: u64, index_interval_bytes: u32) -> Segment {
        Segment {
            base,
            phase: Phase::Active,
            file: FileState::Closed,
            writable: false,
            end: 0,
            grouped: 0,
            durable: 0,
            materialised: 0,
            reserved: 0,
            reserving: false,
            naming: Naming::Unknown,
            loading: false,
            tail: Tail::default(),
            index: SegmentIndex::new(IndexBuilder::new(index_interval_bytes)),
            storing: 0,
            trusted: Ranges::default(),
            rebuilt: false,
            visitors: 0,
            hints: Vec::new(),
            first_timestamp: None,
            largest_timestamp: None,
        }
    }

    /// A segment found on disk, `len` bytes long, all of them durable.
    pub fn found(base: u64, len: u64, phase: Phase, index: SegmentIndex) -> Segment {
        Segment {
            phase,
            end: len,
            grouped: len,
            durable: len,
            materialised: len,
            reserved: len,
            naming: if len > 0 { Naming::Durable } else { Naming::Unknown },
            index,
            ..Segment::new(base, 0)
        }
    }

    /// The open file, when it is.
    pub fn file_id(&self) -> Option<FileId> {
        match self.file {
            FileState::Open(id) => Some(id),
            FileState::Closed | FileState::Opening => None,
        }
    }

    /// Behind the last byte of the file that is never written again: whole blocks, and all of it
    /// once nothing more comes.
    pub fn settled(&self, block_bytes: u64) -> u64 {
        match self.phase != Phase::Active && self.materialised == self.end {
            true => self.end,
            false => self.materialised - self.materialised % block_bytes,
        }
    }

    /// Whether its file is open for writing.
    pub fn is_writable(&self) -> bool {
        self.writable && self.file_id().is_some()
    }

    /// Whether its files lack something that a segment nobody writes to has: its exact length,
    /// and all index entries.
    pub fn is_unfinished(&self) -> bool {
        self.is_writable() || self.reserved > self.end || self.index.has_pending()
    }

    /// Counts a batch that became durable into the indexes.
    pub fn index_batch(&mut self, batch: &BatchPlace) {
        self.index.count(batch);
        self.first_timestamp.get_or_insert(batch.max_timestamp);
        self.largest_timestamp = self.index.builder.largest().map(|l| l.timestamp);
    }
}

/// The entries of a segment's indexes that are not in their files yet.
#[derive(Clone, Debug)]
pub struct SegmentIndex {
    pub builder: IndexBuilder,
    pending: Vec<OffsetEntry>,
    pending_times: Vec<TimeEntry>,
    /// Bytes in the files.
    pub stored_len: u32,
    pub stored_time_len: u32,
    /// Recovery has changed what the files must hold.
    pub must_store: bool,
}

impl SegmentIndex {
    /// Indexes that hold nothing yet.
    pub fn new(builder: IndexBuilder) -> SegmentIndex {
        SegmentIndex::stored(builder, 0, 0)
    }

    /// Indexes whose files hold that many bytes.
    pub fn stored(builder: IndexBuilder, stored_len: u32, stored_time_len: u32) -> SegmentIndex {
        SegmentIndex {
            builder,
            pending: Vec::new(),
            pending_times: Vec::new(),
            stored_len,
            stored_time_len,
            must_store: false,
        }
    }

    /// Takes entries that belong behind those in the files, encoded as there.
    pub fn resume(&mut self, base: u64, entries: &[u8], times: &[u8]) {
        let (entries, _) = entries.as_chunks();
        self.pending = entries.iter().map(|e| OffsetEntry::decode(e, base as i64)).collect();
        let (times, _) = times.as_chunks();
        self.pending_times = times.iter().map(|e| TimeEntry::decode(e, base as i64)).collect();
    }

    /// Whether so many entries are in memory that they should go to the files.
    pub fn is_worth_storing(&self) -> bool {
        self.pending.len() * offset_index::ENTRY_LEN >= limits::INDEX_PENDING_BYTES
    }

    /// Counts the next batch of the segment.
    pub fn count(&mut self, batch: &BatchPlace) {
        let end = TimeEntry { timestamp: batch.max_timestamp, offset: batch.last_offset as i64 };
        let entries = self.builder.count(end, batch.len.into(), batch.position as u32);
        self.pending.extend(entries.offset);
        self.pending_times.extend(entries.time);
    }

    /// Adds the entry that a closed segment's time index ends with.
    pub fn finish(&mut self) {
        self.pending_times.extend(self.builder.finish());
    }

    /// Whether there are entries that are not in the files.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty() || !self.pending_times.is_empty()
    }

    /// The greatest entry at or below `offset` that is not in the file yet.
    pub fn pending_lookup(&self, offset: u64) -> Option<OffsetEntry> {
        let i = self.pending.partition_point(|e| e.offset as u64 <= offset);
        Some(self.pending[i.checked_sub(1)?])
    }

    /// The greatest time entry below `timestamp` that is not in the file yet.
    pub fn pending_time_lookup(&self, timestamp: i64) -> Option<TimeEntry> {
        let i = self.pending_times.partition_point(|e| e.timestamp < timestamp);
        Some(self.pending_times[i.checked_sub(1)?])
    }

    /// Bytes to be put behind those in the index file; empty when there are none.
    pub fn pending_bytes(&self, base: u64) -> Vec<u8> {
        self.pending.iter().flat_map(|e| e.encode(base as i64)).collect()
    }

    /// Likewise of the time index.
    pub fn pending_time_bytes(&self, base: u64) -> Vec<u8> {
        self.pending_times.iter().flat_map(|e| e.encode(base as i64)).collect()
    }

    /// The first `len` pending bytes are in the index file now. Returns its length before.
    pub fn stored_more(&mut self, len: u32) -> u32 {
        let before = self.stored_len;
        self.stored_len += len;
        self.pending.drain(..len as usize / offset_index::ENTRY_LEN);
        before
    }

    /// Likewise of the time index.
    pub fn stored_more_times(&mut self, len: u32) -> u32 {
        let before = self.stored_time_len;
        self.stored_time_len += len;
        self.pending_times.drain(..len as usize / time_index::ENTRY_LEN);
        before
    }
}
