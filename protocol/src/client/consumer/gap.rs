//! Records that can't be had.

use std::fmt;
use std::sync::Arc;

/// A range of offsets that a consumer passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The first offset lost.
    pub first: i64,
    /// The offset to go on with.
    pub next: i64,
    /// Why.
    pub reason: GapReason,
}

/// Why records can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The log is damaged there.
    Corrupt,
    /// They were removed, by retention or on request, before they were read.
    Removed,
}

impl Gap {
    /// The last offset lost.
    pub fn last(&self) -> i64 {
        self.next - 1
    }
}

/// As the command line prints it: `corrupt: TOPIC-P offsets A-B`.
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            GapReason::Corrupt => "corrupt",
            GapReason::Removed => "removed",
        };
        let Gap { topic, partition, first, .. } = self;
        write!(f, "{reason}: {topic}-{partition} offsets {first}-{}", self.last())
    }
}
