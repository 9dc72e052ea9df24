//! A read that is pending: what it wants, what it has learnt, and its next step.

use super::log::{LogId, Place};
use super::readahead::Window;
use super::reader::{Data, Found, From, ReadError};
use super::search::Target;
use super::segment::SegmentIndex;
use crate::io::{FileId, Op};
use duramen_protocol::files::segment::SegmentFile;

/// What a pending read wants in the end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    Bytes {
        from: From,
        max_bytes: u64,
        to_memory: bool,
    },
    Find(Target),
    /// The indexes of a segment, made again. Nobody waits for it.
    Rebuild {
        base: u64,
    },
}

/// What a pending read has learnt.
#[derive(Debug)]
pub(super) struct Job {
    pub log: LogId,
    pub goal: Goal,
    /// What the operation in flight brings.
    pub wait: Wait,
    /// Bytes wanted from where the read in flight begins; what the file lacks is in memory.
    pub want: u64,
    /// Of these, what the file was asked for.
    pub asked: u64,
    /// The batch that the read begins with, once found: its place, offset and length.
    pub found: Option<FoundBatch>,
    /// Where a scan for the batch stands.
    pub scan: Option<Place>,
    /// The segment of a search by time.
    pub segment: Option<u64>,
    /// An index led nowhere: scan without it.
    pub distrusts_index: bool,
    /// Behind the last window that was brought for it.
    pub brought: Option<Place>,
    /// The indexes that a walk makes again.
    pub rebuild: Option<SegmentIndex>,
}

impl Job {
    pub fn new(log: LogId, goal: Goal) -> Job {
        Job {
            log,
            goal,
            wait: Wait::Turn,
            want: 0,
            asked: 0,
            found: None,
            scan: None,
            segment: None,
            distrusts_index: false,
            brought: None,
            rebuild: None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct FoundBatch {
    pub place: Place,
    pub offset: u64,
    pub len: u64,
}

/// What an operation of a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// In the queue, or for a window: nothing of its own is in flight.
    Turn,
    Open {
        base: u64,
        file: FileId,
    },
    Index {
        base: u64,
        kind: SegmentFile,
    },
    /// Headers for a scan.
    Scan {
        at: Place,
    },
    /// Bytes that may be sent as they are.
    Fetch {
        at: Place,
    },
    /// Bytes that must be checked first.
    Check {
        at: Place,
    },
    /// A batch whose records a search looks at.
    Records {
        at: Place,
    },
    /// Looking for the next good batch behind a damaged one.
    Resync {
        bad: Place,
        at: Place,
        first: u64,
    },
}

/// One step of a read.
pub(super) enum Step {
    Data(Data),
    Found(Found),
    Error(ReadError),
    /// An operation whose completion lets the read go on.
    Op(Wait, Op),
    /// A window that has to come to the page cache first.
    Bring(Window),
    /// Another step, without the disk.
    Again,
    /// Somebody else's operation will let it go on.
    Park,
}
