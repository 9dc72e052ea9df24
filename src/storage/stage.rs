//! Staging: a batch gets its offset and its place in memory, or a refusal that leaves no trace.
//!
//! The order is: the log lives, the core has not failed; the producer's sequence; the segment
//! (rolled if need be), its file open, the block that the batch continues in memory, space
//! reserved in the file, memory in the arena. Whatever of these has to wait for the disk is set
//! going, and the caller asks again after the next completion. Only when all are there is
//! anything changed.

use duramen_protocol::batch::{self, BatchHeader, HEADER_LEN};

use super::log::{Life, Log, LogId};
use super::producers::{SequenceError, Verdict};
use super::segment::{Phase, Segment};
use super::store::Store;
use super::tail::BatchPlace;
use crate::io::{Block, Disk, Now};

/// A batch that was staged, or had been before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: u64,
    /// To be acknowledged once the log's durable offset is above this.
    pub last_offset: u64,
    /// The timestamp that the server set, on topics where it does.
    pub log_append_time_ms: Option<i64>,
    /// It was there already; nothing was staged.
    pub duplicate: bool,
}

/// Why a batch was not staged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something has to come from the disk or from memory first: ask again after a completion,
    /// before any later batch of this log.
    #[error("not yet")]
    Wait,
    #[error("the disk is full: {0}; free space or shorten retention, then it goes on by itself")]
    Full(String),
    #[error("the disk failed: {0}; nothing is acknowledged here until a restart")]
    Failed(String),
    #[error(transparent)]
    Sequence(#[from] SequenceError),
    #[error("the batch has {size} bytes, max.message.bytes allows {limit}")]
    TooLarge { size: u64, limit: u64 },
    #[error("the partition was deleted")]
    Gone,
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl<D: Disk> Store<D> {
    /// Stages one checked batch, whose header is `header`.
    ///
    /// # Errors
    /// When it can't be staged, now or at all; nothing has changed for the log then.
    pub fn append(
        &mut self,
        id: LogId,
        bytes: &[u8],
        header: &BatchHeader,
        now: Now,
    ) -> Result<Appended, Refusal> {
        if let Some(error) = &self.failed {
            return Err(Refusal::Failed(error.to_string()));
        }
        let log = self.logs.get(id).filter(|l| l.life == Life::Living).ok_or(Refusal::Gone)?;
        if self.shutdown.is_some() {
            return Err(Refusal::ShuttingDown);
        }
        let limit = u64::from(log.config.max_message_bytes);
        if bytes.len() as u64 > limit {
            return Err(Refusal::TooLarge { size: bytes.len() as u64, limit });
        }
        if let Verdict::Duplicate(batch) = log.producers.check(header)? {
            return Ok(Appended {
                base_offset: batch.first_offset,
                last_offset: batch.last_offset,
                log_append_time_ms: log.server_time(batch.timestamp_ms),
                duplicate: true,
            });
        }
        self.prepare(id, bytes.len() as u64, header)?;
        Ok(self.stage(id, bytes, header, now))
    }

    /// Sees to it that `len` bytes can be staged.
    fn prepare(&mut self, id: LogId, len: u64, header: &BatchHeader) -> Result<(), Refusal> {
        if let Some(full) = self.full_reason() {
            return Err(Refusal::Full(full));
        }
        let Some(log) = self.logs.get_mut(id) else { return Err(Refusal::Gone) };
        if log.must_roll(len, header) {
            self.roll(id);
        }
        self.ensure_writable(id)?;
        self.ensure_block(id)?;
        self.ensure_space(id, len)?;
        self.ensure_memory(id, len)
    }

    /// Begins a new segment at the log's end.
    fn roll(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let (base, interval) = (log.next, log.config.index_interval_bytes);
        log.active_mut().phase = Phase::Draining;
        let snapshot = log.producers.snapshot(base);
        log.snapshots.push_back((base, snapshot));
        log.segments.push_back(Segment::new(base, interval));
        self.counters.rolls += 1;
        self.consider_sealing(id);
        self.consider_materialising(id);
    }

    /// The memory for `len` bytes behind what the tail has; several blocks for a large batch.
    fn ensure_memory(&mut self, id: LogId, len: u64) -> Result<(), Refusal> {
        let Some(log) = self.logs.get_mut(id) else { return Err(Refusal::Gone) };
        let tail = &log.active().tail;
        let mut missing = (len as usize).saturating_sub(tail.room());
        let mut busy = tail.next_block_bytes();
        let mut blocks = std::mem::take(&mut self.spare_blocks);
        missing = missing.saturating_sub(blocks.iter().map(|b| b.capacity()).sum());
        while missing > 0 {
            // Where memory is short, what a batch leaves unused of a block would hold up others.
            let wish = if self.arena.is_pressed() { missing / 2 } else { missing.max(busy) };
            let Some(block) = self.arena.take(wish) else {
                if self.shed() {
                    continue;
                }
                blocks.into_iter().for_each(|b| self.arena.give(b));
                self.memory_wanted = true;
                return Err(Refusal::Wait);
            };
            missing = missing.saturating_sub(block.capacity());
            busy = 0;
            blocks.push(block);
        }
        self.spare_blocks = blocks;
        Ok(())
    }

    fn stage(&mut self, id: LogId, bytes: &[u8], header: &BatchHeader, now: Now) -> Appended {
        let start_epoch = self.config.journal.start_epoch;
        let mut blocks = std::mem::take(&mut self.spare_blocks).into_iter();
        let Some(log) = self.logs.get_mut(id) else { unreachable!("prepared {id:?}") };
        let base_offset = log.next;
        let log_append_time_ms = log.server_time(now.wall_ms);
        let head = stamped_head(bytes, base_offset, start_epoch, log_append_time_ms);
        let place = BatchPlace {
            base_offset,
            last_offset: base_offset + header.last_offset_delta as u64,
            position: log.active().end,
            len: bytes.len() as u32,
            max_timestamp: log_append_time_ms.unwrap_or(header.max_timestamp),
        };
        // As recovery reads it, and as the answer to a duplicate says.
        let stamped = BatchHeader { max_timestamp: place.max_timestamp, ..*header };
        log.producers.apply(&stamped, base_offset, log.durable, now.wall_ms);
        if log.epochs.last().is_none_or(|e| e.0 != start_epoch) {
            log.epochs.push((start_epoch, base_offset));
        }
        let segment = log.active_mut();
        segment.put(&head, &mut blocks);
        segment.put(&bytes[HEADER_LEN..], &mut blocks);
        segment.tail.push_batch(place);
        segment.trusted.add(place.position..place.end());
        segment.first_timestamp.get_or_insert(place.max_timestamp);
        log.next = place.last_offset + 1;
        if !log.dirty {
            log.dirty = true;
            self.dirty.push_back(id);
        }
        blocks.for_each(|b| self.arena.give(b));
        self.counters.batches += 1;
        self.counters.records += header.count as u64;
        self.counters.appended_bytes += u64::from(place.len);
        let last_offset = place.last_offset;
        Appended { base_offset, last_offset, log_append_time_ms, duplicate: false }
    }
}

/// The header that a batch is stored with. The checksum covers neither offset nor epoch, but
/// the timestamp.
fn stamped_head(
    bytes: &[u8],
    base_offset: u64,
    epoch: u32,
    log_append_time_ms: Option<i64>,
) -> [u8; HEADER_LEN] {
    let mut head = [0; HEADER_LEN];
    match log_append_time_ms {
        Some(now_ms) => {
            let mut copy = bytes.to_vec();
            batch::stamp_log_append_time(&mut copy, now_ms);
            head.copy_from_slice(&copy[..HEADER_LEN]);
        }
        None => head.copy_from_slice(&bytes[..HEADER_LEN]),
    }
    batch::stamp(&mut head, base_offset as i64, epoch as i32);
    head
}

impl Segment {
    /// Appends to the tail, going on in `blocks` where the last one is full.
    fn put(&mut self, mut rest: &[u8], blocks: &mut impl Iterator<Item = Block>) {
        while !rest.is_empty() {
            if self.tail.room() == 0 {
                let block = blocks.next();
                let block = block.unwrap_or_else(|| unreachable!("memory was ensured"));
                self.tail.grow(self.end, block);
            }
            let n = self.tail.append(rest);
            self.end += n as u64;
            rest = &rest[n..];
        }
    }
}

impl Log {
    /// Whether a batch needs a new segment: by size, by time as Kafka counts it (from the
    /// largest timestamp of the first batch), or because offsets would not fit the index.
    fn must_roll(&self, len: u64, header: &BatchHeader) -> bool {
        let active = self.active();
        if active.end == 0 {
            return false;
        }
        let too_large = active.end + len > self.config.segment_bytes;
        let first = active.first_timestamp.unwrap_or(header.max_timestamp);
        let too_old = header.max_timestamp.saturating_sub(first) > self.config.segment_ms;
        let last = self.next + header.last_offset_delta as u64;
        too_large || too_old || last - active.base > i32::MAX as u64
    }
}
