//! One partition's log: its segments, oldest first, and what is known of its end.
//!
//! `log_start <= durable <= next`, all offsets. The last segment is the active one; a rolled
//! one before it may still be draining.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use duramen_protocol::batch::TimestampType;
use duramen_protocol::files::checkpoint::PartitionRecord;
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::segment::SegmentFile;

use super::producers::Producers;
use super::segment::{Phase, Segment};
use crate::config::topic::TopicConfig;

/// Names a log within its store; never reused while the store lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(pub u32);

/// A position in a partition: the segment's base offset, and a byte of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub base: u64,
    pub position: u64,
}

/// Where the partition's folder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    Missing,
    Making,
    Ready,
}

/// How far a deleted log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Living,
    /// Deleted; its journal entry is on the way.
    Dropping,
    /// That is durable; its folder goes once no operation is in flight.
    Dropped,
    /// Its folder is going.
    Trashing,
    /// Its folder is gone; the next checkpoint to begin leaves the journals behind that name it.
    Emptied,
}

impl Life {
    /// Whether the folder has another name by now, or none: nothing may be done in it any more.
    pub fn is_past(self) -> bool {
        matches!(self, Life::Trashing | Life::Emptied)
    }
}

/// One partition.
#[derive(Debug)]
pub struct Log {
    pub key: PartitionKey,
    pub folder_path: PathBuf,
    pub config: Arc<TopicConfig>,
    pub folder: Folder,
    pub life: Life,
    /// Oldest first, never empty.
    pub segments: VecDeque<Segment>,
    /// The offset of the next record.
    pub next: u64,
    /// Everything below is on stable storage.
    pub durable: u64,
    /// The first offset that exists; durable.
    pub log_start: u64,
    /// The log start that is on its way into the journal.
    pub log_start_wanted: Option<u64>,
    pub producers: Producers,
    /// Leader epochs and where each begins, oldest first.
    pub epochs: Vec<(u32, u64)>,
    /// Those in the partition's file.
    pub epochs_stored: Vec<(u32, u64)>,
    /// They are being stored.
    pub epochs_storing: bool,
    /// Files of deleted segments that are being renamed or removed, by base offset.
    pub deletions: std::collections::BTreeMap<u64, u32>,
    /// What the last checkpoint says.
    pub recovery_point: u64,
    /// The next entry must bring the block that the recovery point lies in, whole.
    pub prefix_due: bool,
    /// In the queue of logs with something to group.
    pub dirty: bool,
    /// In a queue of logs to be materialised.
    pub queued: bool,
    /// A write to a segment is in flight.
    pub writing: bool,
    /// A checkpoint waits until everything up to here is materialised.
    pub flush_to: Option<Place>,
    /// A name in the folder is new since it was last synced.
    pub names_changed: bool,
    /// Producer snapshots taken at a roll, not written yet: offset and bytes.
    pub snapshots: VecDeque<(u64, Vec<u8>)>,
    /// Folders to be synced until a deleted partition's may be removed.
    pub trash_steps: u32,
    /// Operations in flight that name this log.
    pub in_flight: u32,
}

impl Log {
    /// The time that the server gives batches, if it is the server that gives it.
    pub fn server_time(&self, time_ms: i64) -> Option<i64> {
        let gives = self.config.timestamp_type == TimestampType::LogAppendTime;
        gives.then_some(time_ms)
    }

    /// An empty log that has never been on disk.
    pub fn new(key: PartitionKey, folder_path: PathBuf, config: Arc<TopicConfig>) -> Log {
        let first = Segment::new(0, config.index_interval_bytes);
        Log {
            key,
            folder_path,
            config,
            folder: Folder::Missing,
            life: Life::Living,
            segments: VecDeque::from([first]),
            next: 0,
            durable: 0,
            log_start: 0,
            log_start_wanted: None,
            producers: Producers::default(),
            epochs: Vec::new(),
            epochs_stored: Vec::new(),
            epochs_storing: false,
            deletions: std::collections::BTreeMap::new(),
            recovery_point: 0,
            prefix_due: false,
            dirty: false,
            queued: false,
            writing: false,
            flush_to: None,
            names_changed: false,
            snapshots: VecDeque::new(),
            trash_steps: 0,
            in_flight: 0,
        }
    }

    /// The segment that batches are staged in.
    pub fn active(&self) -> &Segment {
        self.segments.back().unwrap_or_else(|| unreachable!("a log without a segment"))
    }

    /// Likewise, to change it.
    pub fn active_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().unwrap_or_else(|| unreachable!("a log without a segment"))
    }

    /// The segment that begins at `base`.
    pub fn segment_mut(&mut self, base: u64) -> Option<&mut Segment> {
        let i = self.segments.binary_search_by_key(&base, |s| s.base).ok()?;
        self.segments.get_mut(i)
    }

    /// Likewise, to look at it.
    pub fn segment(&self, base: u64) -> Option<&Segment> {
        let i = self.segments.binary_search_by_key(&base, |s| s.base).ok()?;
        self.segments.get(i)
    }

    /// The segment that holds `offset`, if it exists: the last that begins at or below it.
    pub fn segment_of(&self, offset: u64) -> Option<&Segment> {
        let i = self.segments.partition_point(|s| s.base <= offset);
        self.segments.get(i.checked_sub(1)?)
    }

    /// The first segment behind the one that begins at `base`.
    pub fn segment_after(&self, base: u64) -> Option<&Segment> {
        let i = self.segments.partition_point(|s| s.base <= base);
        self.segments.get(i)
    }

    /// The first segment with durable bytes that are not in its file, and have to get there.
    pub fn first_unmaterialised(&self) -> Option<&Segment> {
        self.segments.iter().find(|s| s.materialised < s.durable).filter(|_| !self.is_going())
    }

    /// Durable bytes that are not in their segments yet, and have to get there.
    pub fn unmaterialised_bytes(&self) -> u64 {
        if self.is_going() {
            return 0;
        }
        let open = self.segments.iter().rev().take_while(|s| s.phase != Phase::Sealed);
        open.map(|s| s.durable - s.materialised).sum()
    }

    /// Whether it is deleted and has given its memory and its files back.
    fn is_going(&self) -> bool {
        matches!(self.life, Life::Trashing | Life::Emptied)
    }

    /// Whether everything up to `place` is in the files for good: older segments sealed, and
    /// the place's own written that far.
    pub fn is_flushed_to(&self, place: Place) -> bool {
        let mut up_to = self.segments.iter().take_while(|s| s.base <= place.base);
        up_to.all(|s| {
            let here = s.base == place.base && s.materialised >= place.position;
            here || s.phase == Phase::Sealed
        })
    }

    /// Bytes of all segments, without what is reserved.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.durable).sum()
    }

    /// Path of one of a segment's files.
    pub fn path(&self, base: u64, kind: SegmentFile) -> PathBuf {
        self.folder_path.join(kind.name(base as i64))
    }

    /// What a checkpoint says of this log: everything up to `durable`, as it is now.
    pub fn record(&self) -> PartitionRecord {
        let active = self.durable_segment();
        PartitionRecord {
            key: self.key,
            recovery_point: self.durable,
            segment_base: active.base,
            position: active.durable,
            log_start: self.log_start,
            index: active.index.builder.state(),
            index_len: active.index.stored_len,
            time_index_len: active.index.stored_time_len,
            index_rest: active.index.pending_bytes(active.base),
            time_index_rest: active.index.pending_time_bytes(active.base),
            epochs: self
                .epochs
                .iter()
                .copied()
                .filter(|&(_, start)| start < self.durable)
                .collect(),
            producers: self.producers.records_below(self.durable),
        }
    }

    /// The segment in which `durable` lies: the newest that holds durable bytes, else the first
    /// that is open.
    pub fn durable_segment(&self) -> &Segment {
        let with_bytes = self.segments.iter().rev().find(|s| s.durable > 0);
        with_bytes.unwrap_or_else(|| self.segments.front().unwrap_or_else(|| self.active()))
    }
}
