//! When the log of a table is written anew, and when its old part may go.
//!
//! A table's log grows with each change, and a start reads all of it. So once it is several times
//! the table, the table is appended once more, in batches, with other changes in between; when the
//! last of these batches is durable, everything before the first is superseded and the log may
//! start there:
//!
//! ```text
//!   start              from                              to
//!   │ old changes      │ snapshot │ a change │ snapshot  │ ...
//!                      └ every key that the table had at this point is here again, or changed
//! ```
//!
//! A crash on the way loses nothing: the log's start has not moved, and the next start of the
//! server finds the log too long again.
//!
//! What is written in total stays within a constant factor of what clients commit: a snapshot is
//! the table's size, and four times that was appended since the one before.

use crate::limits;

/// How much larger than the table its log may grow.
const LOG_TO_TABLE: u64 = 4;

/// See the module. `C` is a place in the table up to which a snapshot is written.
#[derive(Clone, Debug)]
pub struct Compaction<C> {
    /// Bytes of the batches from the log's start on.
    log_bytes: u64,
    state: State<C>,
}

#[derive(Clone, Debug)]
enum State<C> {
    /// The log grows.
    Growing,
    /// A snapshot is being appended.
    Writing { span: Span, written_to: Option<C> },
    /// It is appended up to this offset, exclusive, but perhaps not durable.
    Written { span: Span, to: i64 },
}

/// Where a snapshot begins.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: i64,
    /// Bytes of the batches before it, which may go.
    bytes_before: u64,
}

impl<C> Default for Compaction<C> {
    fn default() -> Self {
        Compaction { log_bytes: 0, state: State::Growing }
    }
}

impl<C> Compaction<C> {
    /// A batch of this size is in the log.
    pub fn grew(&mut self, batch_bytes: u64) {
        self.log_bytes += batch_bytes;
    }

    /// Begins a snapshot at `log_end` if it is time for one and none is under way.
    pub fn begin_if_due(&mut self, table_bytes: u64, log_end: i64) {
        let due = limits::OFFSET_LOG_BYTES_MIN.max(LOG_TO_TABLE * table_bytes);
        if matches!(self.state, State::Growing) && self.log_bytes > due {
            let span = Span { from: log_end, bytes_before: self.log_bytes };
            self.state = State::Writing { span, written_to: None };
        }
    }

    /// If a snapshot is being written: the place up to which it is, or none at its beginning.
    pub fn written_to(&self) -> Option<Option<&C>> {
        match &self.state {
            State::Writing { written_to, .. } => Some(written_to.as_ref()),
            _ => None,
        }
    }

    /// A batch of the snapshot, up to `place`, was appended.
    pub fn wrote(&mut self, place: Option<C>) {
        if let State::Writing { written_to, .. } = &mut self.state {
            *written_to = place;
        }
    }

    /// Nothing is left to write; the log ends at `log_end`.
    pub fn wrote_all(&mut self, log_end: i64) {
        if let State::Writing { span, .. } = self.state {
            self.state = State::Written { span, to: log_end };
        }
    }

    /// The log is durable below `durable_end`. The answer is where it may start now, when that
    /// has changed.
    pub fn durable(&mut self, durable_end: i64) -> Option<i64> {
        match self.state {
            State::Written { span, to } if durable_end >= to => {
                self.state = State::Growing;
                self.log_bytes -= span.bytes_before;
                Some(span.from)
            }
            _ => None,
        }
    }
}
