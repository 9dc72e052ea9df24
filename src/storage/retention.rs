//! Retention: a partition gives up its oldest segments, by time and by size.
//!
//! The order keeps a restart from reviving or missing anything: the new log start is durable in
//! the journal, then the files get other names, the folder is synced, and the files go. The
//! active segment is never deleted. One segment a log a look, so that the chore stays small.
//!
//! `delete_records` moves the log start within a segment; the segment goes when nothing of it
//! is left.

use duramen_protocol::files::segment::SegmentFile;
use duramen_protocol::files::time_index::TimeIndex;

use super::commit::Note;
use super::log::{Life, Log, LogId};
use super::reader::ReadError;
use super::segment::{FileState, Phase, Segment};
use super::store::{Event, Store};
use super::task::{LogStep, Task};
use crate::io::{Disk, Now, Op};

/// Behind the name of a file that is on its way out, as Kafka marks it.
pub const DELETED_SUFFIX: &str = ".deleted";

impl<D: Disk> Store<D> {
    /// Looks at every log when it is time to.
    pub(super) fn retention(&mut self, now: Now) {
        if now.monotonic_us < self.retention_due_us || self.failed.is_some() {
            return;
        }
        self.retention_due_us = now.plus_ms(self.config.retention_check_ms);
        let ids: Vec<LogId> = self.logs.ids().collect();
        for id in ids {
            self.retain(id, now);
            let expired_before = now.wall_ms - self.config.producer_expiration_ms;
            if let Some(log) = self.logs.get_mut(id) {
                let durable = log.durable;
                log.producers.expire(expired_before, durable);
            }
        }
    }

    fn retain(&mut self, id: LogId, now: Now) {
        let Some(log) = self.logs.get(id).filter(|l| l.life == Life::Living) else { return };
        if !log.config.delete || log.log_start_wanted.is_some() {
            return;
        }
        let mut segments = log.segments.iter();
        let (Some(oldest), Some(next)) = (segments.next(), segments.next()) else { return };
        if oldest.phase != Phase::Sealed || next.base > log.durable {
            return;
        }
        let (base, new_start) = (oldest.base, next.base.max(log.log_start));
        let too_large =
            log.config.retention_bytes.is_some_and(|most| log.bytes() - oldest.end >= most);
        let too_old = match (log.config.retention_ms, oldest.largest_timestamp) {
            (None, _) => false,
            (Some(ms), Some(largest)) => largest < now.wall_ms.saturating_sub(ms),
            (Some(_), None) => return self.load_timestamp(id, base),
        };
        if too_large || too_old {
            self.want_log_start(id, new_start);
            // The next one may be due as well.
            self.retention_due_us = now.monotonic_us;
        }
    }

    /// Reads the largest timestamp of a sealed segment, the last entry of its time index.
    fn load_timestamp(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let path = log.path(base, SegmentFile::TimeIndex);
        let Some(segment) = log.segment_mut(base) else { return };
        if segment.loading {
            return;
        }
        segment.loading = true;
        let entry = duramen_protocol::files::time_index::ENTRY_LEN as u64;
        let at = u64::from(segment.index.stored_time_len).saturating_sub(entry);
        self.submit_log(id, LogStep::Timestamp { base }, Op::Load { path, at, max_len: entry });
    }

    pub(super) fn timestamp_loaded(&mut self, id: LogId, base: u64, entry: &[u8]) {
        let Some(segment) = self.logs.get_mut(id).and_then(|l| l.segment_mut(base)) else { return };
        segment.loading = false;
        let last = TimeIndex::new(base as i64, entry).last();
        // Without an index the segment is kept: nothing is deleted on a guess.
        segment.largest_timestamp = Some(last.map_or(i64::MAX, |e| e.timestamp));
    }

    fn want_log_start(&mut self, id: LogId, offset: u64) {
        if let Some(log) = self.logs.get_mut(id) {
            log.log_start_wanted = Some(offset);
            self.notes.push_back(Note::LogStart { log: id, offset });
        }
    }

    /// Moves the log start up to `before`; [`Event::LogStart`] tells when that is durable.
    /// Returns the log start to come.
    ///
    /// # Errors
    /// When `before` is not between log start and durable end.
    pub fn delete_records(&mut self, id: LogId, before: u64) -> Result<u64, ReadError> {
        let log = self.logs.get(id).filter(|l| l.life == Life::Living).ok_or(ReadError::Gone)?;
        let start = log.log_start.max(log.log_start_wanted.unwrap_or(0));
        if before > log.durable {
            return Err(ReadError::OutOfRange { log_start: log.log_start, durable: log.durable });
        }
        if before <= start {
            // Nothing to do: told at once, or with the move that is on its way.
            if log.log_start_wanted.is_none() {
                self.events.push(Event::LogStart(id));
            }
            return Ok(start);
        }
        self.want_log_start(id, before);
        Ok(before)
    }

    /// A new log start is in the journal.
    pub(super) fn log_start_durable(&mut self, id: LogId, offset: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.log_start = log.log_start.max(offset);
        if log.log_start_wanted == Some(offset) {
            log.log_start_wanted = None;
        }
        log.forget_epochs();
        if log.life == Life::Living {
            self.events.push(Event::LogStart(id));
        }
        self.delete_segments(id);
    }

    /// Deletes the sealed segments that lie wholly below the log start, once nobody is busy with
    /// their files.
    pub(super) fn delete_segments(&mut self, id: LogId) {
        while let Some(log) = self.logs.get_mut(id).filter(|l| l.life == Life::Living) {
            let is_free = |s: &Segment| {
                s.phase == Phase::Sealed
                    && s.visitors == 0
                    && !s.loading
                    && s.file != FileState::Opening
            };
            let first_goes = log.segments.front().is_some_and(is_free)
                && log.segments.get(1).is_some_and(|next| next.base <= log.log_start);
            if !first_goes {
                return;
            }
            let Some(segment) = log.segments.pop_front() else { return };
            if let Some(file) = segment.file_id() {
                self.tasks.close(file);
            }
            self.counters.segments_deleted += 1;
            self.rename_away(id, segment.base);
        }
    }

    fn rename_away(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.deletions.insert(base, SegmentFile::ALL.len() as u32);
        for from in SegmentFile::ALL.map(|kind| log.path(base, kind)) {
            let mut to = from.clone().into_os_string();
            to.push(DELETED_SUFFIX);
            let op = Op::Rename { from, to: to.into() };
            self.submit_log(id, LogStep::Renamed { base }, op);
        }
    }

    pub(super) fn renamed(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        let Some(left) = log.deletions.get_mut(&base) else { return };
        *left -= 1;
        if *left == 0 {
            let path = log.folder_path.clone();
            self.submit_log(id, LogStep::RenamesSynced { base }, Op::SyncDir { path });
        }
    }

    pub(super) fn renames_synced(&mut self, id: LogId, base: u64) {
        let Some(log) = self.logs.get_mut(id) else { return };
        log.deletions.remove(&base);
        for path in SegmentFile::ALL.map(|kind| log.path(base, kind)) {
            let mut path = path.into_os_string();
            path.push(DELETED_SUFFIX);
            self.tasks.submit(Task::Forgotten, Op::Unlink { path: path.into() });
        }
    }
}

impl Log {
    /// Forgets the leader epochs that end below the log start.
    fn forget_epochs(&mut self) {
        while self.epochs.get(1).is_some_and(|next| next.1 <= self.log_start) {
            self.epochs.remove(0);
        }
    }
}
