//! The commit: everything staged since the last one becomes one group, one write, one moment.
//!
//! This is the only place that moves `durable`. There is no timer: a lone append waits for one
//! write, and under load groups grow by themselves while the write before them is in flight.
//!
//! A group takes runs of whole batches, a log at a time, in the order in which the logs became
//! dirty, until its bound is reached; a log that has more goes to the back of the queue.

use duramen_protocol::files::journal::{
    ENTRY_HEADER_LEN, Entry, EntryBody, GROUP_HEADER_LEN, PartitionKey, put_batches_header,
};

use super::extent::{ExtentWrite, Room};
use super::journal::Placed;
use super::log::{Life, Log, LogId};
use super::store::{Event, Store};
use super::tail::BatchPlace;
use super::task::Task;
use crate::io::{Block, Disk, Now, Op};
use crate::limits;

/// Something besides batches that must become durable in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    LogStart { log: LogId, offset: u64 },
    Dropped { log: LogId, key: PartitionKey },
}

/// A run of batches of one segment in the group in flight.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub log: LogId,
    pub base: u64,
    pub from: u64,
    pub to: u64,
    /// Offset behind the run.
    pub next: u64,
}

/// The group in flight.
pub struct Group {
    parts: Vec<Part>,
    notes: Vec<Note>,
    block: Block,
    /// Writes that went straight to segments.
    extents: Vec<ExtentWrite>,
    /// Writes in flight, the journal's included.
    waiting: u32,
    submitted_us: u64,
    /// Its parts were released at once (`no_sync`).
    released: bool,
}

impl<D: Disk> Store<D> {
    /// Submits a group with what is staged, unless one is in flight or there is nothing.
    pub(super) fn commit(&mut self, now: Now) {
        if self.group.is_some() || self.failed.is_some() {
            return;
        }
        if self.dirty.is_empty() && self.notes.is_empty() {
            return;
        }
        let reserve = self.group_reserve();
        let need = self.first_need();
        let Some(room) = self.journal.room(limits::GROUP_BYTES.max(need), reserve) else {
            return;
        };
        let mut block = self.journal.take_block(room);
        let (mut parts, mut extents) = (Vec::new(), Vec::new());
        let notes = self.put_notes(&mut block, room);
        if need <= room {
            self.put_runs(&mut block, room, &mut parts, &mut extents);
        }
        let entries = (notes.len() + parts.len()) as u32;
        // Nothing fitted: this file is at its end for such a batch.
        let last = entries == 0;
        let Placed { file, at, data } = self.journal.place(&mut block, entries, reserve, last);
        self.counters.groups += 1;
        self.counters.group_bytes += data.len() as u64;
        self.tasks.submit(Task::Group, Op::Write { file, at, data: vec![data] });
        let waiting = 1 + self.write_extents(&extents);
        let submitted_us = now.monotonic_us;
        let mut group =
            Group { parts, notes, block, extents, waiting, submitted_us, released: false };
        if self.config.no_sync || canary!(AcknowledgeBeforeWrite) {
            self.release(&mut group);
        }
        self.group = Some(group);
    }

    /// The largest that one batch's entry can be.
    fn group_reserve(&self) -> usize {
        self.largest_message_bytes as usize + ENTRY_HEADER_LEN + self.block_bytes as usize
    }

    /// Bytes that the first batch of the first dirty log needs.
    fn first_need(&self) -> usize {
        let log = self.dirty.front().and_then(|&id| self.logs.get(id));
        let Some(segment) = log.and_then(|l| l.segments.iter().find(|s| s.grouped < s.end)) else {
            return 0;
        };
        let first = segment.tail.batches_from(segment.grouped).next();
        first.map_or(0, |b| b.len as usize + ENTRY_HEADER_LEN + self.block_bytes as usize)
    }

    fn put_notes(&mut self, block: &mut Block, room: usize) -> Vec<Note> {
        let mut taken = Vec::new();
        while block.len() + ENTRY_HEADER_LEN <= GROUP_HEADER_LEN + room {
            let Some(note) = self.notes.pop_front() else { break };
            let (key, body) = match note {
                Note::Dropped { key, .. } => (key, EntryBody::Dropped),
                Note::LogStart { log, offset } => match self.logs.get(log) {
                    Some(log) => (log.key, EntryBody::LogStart { offset }),
                    None => continue,
                },
            };
            let mut bytes = Vec::with_capacity(ENTRY_HEADER_LEN);
            Entry { key, body }.encode(&mut bytes);
            block.append(&bytes);
            taken.push(note);
        }
        taken
    }

    fn put_runs(
        &mut self,
        block: &mut Block,
        room: usize,
        parts: &mut Vec<Part>,
        extents: &mut Vec<ExtentWrite>,
    ) {
        let limit = GROUP_HEADER_LEN + room;
        let mut left = Room { block_limit: 0, extents: limits::EXTENT_BYTES_MAX };
        // Logs that have more behind their extent: for the next group.
        let mut more = Vec::new();
        while let Some(id) = self.dirty.pop_front() {
            left.block_limit = limit.saturating_sub(block.len());
            if let Some((part, extent)) = self.put_extent(id, block, &mut left) {
                parts.push(part);
                extents.push(extent);
                more.push(id);
                continue;
            }
            let Some(log) = self.logs.get_mut(id) else { continue };
            let all = log.put_runs(id, block, limit, self.block_bytes, parts);
            if all {
                log.dirty = false;
                continue;
            }
            // A log that got some waits behind the others; one that got none is next.
            match parts.last().is_some_and(|p| p.log == id) {
                true => self.dirty.push_back(id),
                false => self.dirty.push_front(id),
            }
            break;
        }
        for id in more {
            let Some(log) = self.logs.get_mut(id) else { continue };
            log.dirty = log.segments.iter().any(|s| s.grouped < s.end);
            if log.dirty {
                self.dirty.push_back(id);
            }
        }
    }

    /// One of the group's writes is done; with the last of them it is durable.
    pub(super) fn group_written(&mut self, now: Now) {
        let Some(mut group) = self.group.take() else { return };
        group.waiting -= 1;
        if group.waiting > 0 {
            if canary!(AcknowledgeBeforeExtents, !group.released) {
                self.release(&mut group);
            }
            self.group = Some(group);
            return;
        }
        self.journal.acknowledge();
        self.readahead.has_turn = true;
        self.latencies.group_us(now.monotonic_us.saturating_sub(group.submitted_us));
        if !group.released {
            self.release(&mut group);
        }
        self.extents_written(group.extents);
        self.journal.give_block(group.block);
    }

    fn release(&mut self, group: &mut Group) {
        group.released = true;
        for part in group.parts.drain(..) {
            self.release_part(part);
        }
        for note in std::mem::take(&mut group.notes) {
            match note {
                Note::LogStart { log, offset } => self.log_start_durable(log, offset),
                Note::Dropped { log, .. } => self.drop_durable(log),
            }
        }
    }

    fn release_part(&mut self, part: Part) {
        let Some(log) = self.logs.get_mut(part.log) else { return };
        let Some(segment) = log.segment_mut(part.base) else { return };
        debug_assert_eq!(segment.durable, part.from);
        segment.durable = part.to;
        let batches: Vec<BatchPlace> = segment
            .tail
            .batches_from(part.from)
            .take_while(|b| b.position < part.to)
            .copied()
            .collect();
        batches.iter().for_each(|b| segment.index_batch(b));
        log.durable = part.next;
        if log.life == Life::Living {
            self.events.push(Event::Durable(part.log));
        }
        self.consider_materialising(part.log);
    }
}

impl Log {
    /// Puts what is staged into the group, up to `limit` bytes of the block. Returns whether
    /// that was all.
    fn put_runs(
        &mut self,
        id: LogId,
        block: &mut Block,
        limit: usize,
        block_bytes: u64,
        parts: &mut Vec<Part>,
    ) -> bool {
        let prefix_due = &mut self.prefix_due;
        for segment in self.segments.iter_mut().filter(|s| s.grouped < s.end) {
            let from = segment.grouped;
            let before = match *prefix_due {
                true => from % block_bytes,
                false => 0,
            };
            let mut to = from;
            let mut next = 0;
            let head = ENTRY_HEADER_LEN as u64 + before;
            for batch in segment.tail.batches_from(from) {
                if block.len() as u64 + head + (batch.end() - from) > limit as u64 {
                    break;
                }
                (to, next) = (batch.end(), batch.last_offset + 1);
            }
            if to == from {
                return false;
            }
            let mut header = Vec::with_capacity(ENTRY_HEADER_LEN);
            let lens = [before as usize, (before + to - from) as usize];
            put_batches_header(&mut header, self.key, segment.base, from, lens);
            block.append(&header);
            segment.tail.visit(from - before..to, |bytes| {
                block.append(bytes);
            });
            *prefix_due = false;
            segment.grouped = to;
            parts.push(Part { log: id, base: segment.base, from, to, next });
            if to < segment.end {
                return false;
            }
        }
        true
    }
}
