//! Finding offsets, and removing the records below one.
//!
//! The ends of a log are known; a search by time may have to wait for the disk. A deletion is
//! answered once the log's new start is durable.

use duramen_protocol::native::messages::OffsetQuery;

use crate::io::Disk;
use crate::storage::{LogId, ReadError, ReadId, Search, Target};

use super::error::AskError;
use super::request::{Answer, Ticket};
use super::{Reader, Shard};

/// A timestamp where none was asked about.
const NO_TIMESTAMP: i64 = -1;

/// Somebody who wants to hear that the log begins at `log_start` or later, durably.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deletion {
    ticket: Ticket,
    log_start: u64,
}

impl<D: Disk> Shard<D> {
    pub(super) fn find_offset(&mut self, ticket: Ticket, log: LogId, query: OffsetQuery) {
        if self.logs.get(log).is_none() {
            return self.answer(ticket, Err(AskError::Deleted));
        }
        let status = self.store.status(log);
        let target = match query {
            OffsetQuery::Earliest => return self.found(ticket, status.log_start),
            OffsetQuery::Latest => return self.found(ticket, status.durable),
            OffsetQuery::Timestamp(timestamp_ms) => Target::Timestamp(timestamp_ms),
            OffsetQuery::MaxTimestamp => Target::MaxTimestamp,
        };
        match self.store.find_offset(log, target) {
            Search::Found(found) => self.answer(ticket, Ok(Answer::Found(found))),
            Search::Error(error) => self.answer(ticket, Err(AskError::of_read(error, 0))),
            Search::Pending(read) => {
                self.reading.insert(read, Reader::Search(ticket));
            }
        }
    }

    fn found(&mut self, ticket: Ticket, offset: u64) {
        self.answer(ticket, Ok(Answer::Found(Some((offset, NO_TIMESTAMP)))));
    }

    /// The disk has answered a search.
    pub(super) fn search_done(
        &mut self,
        read: ReadId,
        result: Result<Option<(u64, i64)>, ReadError>,
    ) {
        if let Some(Reader::Search(ticket)) = self.reading.remove(&read) {
            let result = result.map(Answer::Found).map_err(|error| AskError::of_read(error, 0));
            self.answer(ticket, result);
        }
    }

    pub(super) fn delete_records(&mut self, ticket: Ticket, log: LogId, before: Option<u64>) {
        let Some(state) = self.logs.get_mut(log) else {
            return self.answer(ticket, Err(AskError::Deleted));
        };
        let before = before.unwrap_or_else(|| self.store.status(log).durable);
        match self.store.delete_records(log, before) {
            Ok(log_start) if self.store.status(log).log_start >= log_start => {
                self.answer(ticket, Ok(Answer::Deleted { log_start }));
            }
            Ok(log_start) => state.deletions.push(Deletion { ticket, log_start }),
            Err(error) => self.answer(ticket, Err(AskError::of_read(error, before))),
        }
    }

    /// A log's start rose, durably.
    pub(super) fn log_start_rose(&mut self, log: LogId) {
        let log_start = self.store.status(log).log_start;
        let Some(state) = self.logs.get_mut(log) else { return };
        let reached = |deletion: &Deletion| deletion.log_start <= log_start;
        let (done, waiting) = std::mem::take(&mut state.deletions).into_iter().partition(reached);
        state.deletions = waiting;
        for Deletion { ticket, .. } in Vec::from_iter(done) {
            self.answer(ticket, Ok(Answer::Deleted { log_start }));
        }
    }

    /// Answers all deletions of a partition with an error.
    pub(super) fn fail_deletions(&mut self, log: LogId, error: &AskError) {
        let Some(state) = self.logs.get_mut(log) else { return };
        for Deletion { ticket, .. } in std::mem::take(&mut state.deletions) {
            self.answer(ticket, Err(error.clone()));
        }
    }
}
