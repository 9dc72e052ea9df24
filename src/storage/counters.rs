//! What a core counts.

use hdrhistogram::Histogram;

/// Totals since the start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub batches: u64,
    pub records: u64,
    /// Bytes of batches staged.
    pub appended_bytes: u64,
    pub groups: u64,
    /// Bytes written to the journal, headers and padding included.
    pub group_bytes: u64,
    pub segment_writes: u64,
    pub segment_bytes: u64,
    pub rolls: u64,
    pub checkpoints: u64,
    pub segments_deleted: u64,
    /// Segments whose indexes were made again.
    pub index_rebuilds: u64,
    /// How often the disk was found full.
    pub full: u64,
    /// Batches found damaged by readers.
    pub corrupt: u64,
    /// Bytes given to readers from memory, and as file ranges.
    pub read_memory_bytes: u64,
    pub read_file_bytes: u64,
}

/// How long things took.
#[derive(Clone, Debug)]
pub struct Latencies {
    group_us: Histogram<u64>,
}

/// Longest latency that is told apart, an hour.
const LONGEST_US: u64 = 3_600_000_000;

impl Default for Latencies {
    fn default() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 2);
        let group_us = histogram.unwrap_or_else(|e| panic!("bounds of a histogram: {e}"));
        Latencies { group_us }
    }
}

impl Latencies {
    /// Counts one group, from its submission to its release.
    pub(super) fn group_us(&mut self, us: u64) {
        self.group_us.saturating_record(us);
    }

    /// Groups, from submission to release, in microseconds.
    pub fn groups(&self) -> &Histogram<u64> {
        &self.group_us
    }
}
