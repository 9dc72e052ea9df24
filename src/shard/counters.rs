//! What a shard counts, and the figures it shows.

use hdrhistogram::Histogram;

use crate::io::Disk;

use super::Shard;

/// The longest time that is told apart: an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 2;

/// Totals since the start.
#[derive(Debug)]
pub(super) struct Counters {
    /// Batches taken, duplicates among them.
    pub batches: u64,
    pub batch_bytes: u64,
    pub records: u64,
    pub duplicates: u64,
    /// Batches answered with an error, or dropped silently where no answer was wanted.
    pub refusals: u64,
    /// Batches that had to wait for the store.
    pub waits: u64,
    pub reads: u64,
    pub read_errors: u64,
    pub pushes: u64,
    /// Bytes given to reads and pushes.
    pub read_bytes: u64,
    /// How many of them came from memory.
    pub read_bytes_from_memory: u64,
    /// Appends and reads that reached another core first.
    pub forwarded: u64,
    append_us: Histogram<u64>,
    tick_us: Histogram<u64>,
}

/// The figures of one shard.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counters and gauges, by name.
    pub values: Vec<(&'static str, u64)>,
    /// Times in microseconds, by name.
    pub latencies: Vec<(&'static str, Histogram<u64>)>,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            batches: 0,
            batch_bytes: 0,
            records: 0,
            duplicates: 0,
            refusals: 0,
            waits: 0,
            reads: 0,
            read_errors: 0,
            pushes: 0,
            read_bytes: 0,
            read_bytes_from_memory: 0,
            forwarded: 0,
            append_us: latencies(),
            tick_us: latencies(),
        }
    }
}

/// An empty histogram of times in microseconds.
pub fn latencies() -> Histogram<u64> {
    let histogram = Histogram::new_with_bounds(1, LONGEST_US, DIGITS);
    histogram.unwrap_or_else(|error| panic!("the bounds are constants: {error}"))
}

impl Counters {
    /// A batch was acknowledged, so long after it came.
    pub fn append_us(&mut self, us: u64) {
        self.append_us.saturating_record(us);
    }
}

impl<D: Disk> Shard<D> {
    /// A tick took so long, with everything around it.
    pub fn note_tick(&mut self, us: u64) {
        self.counters.tick_us.saturating_record(us);
    }

    /// A request of a client came here by way of another core.
    pub fn note_forwarded(&mut self) {
        self.counters.forwarded += 1;
    }

    /// The figures of now.
    pub fn snapshot(&self) -> Snapshot {
        let (ours, store) = (&self.counters, self.store.counters());
        let failed = u64::from(self.store.failed().is_some());
        let values = vec![
            ("batches_total", ours.batches),
            ("batch_bytes_total", ours.batch_bytes),
            ("records_total", ours.records),
            ("duplicates_total", ours.duplicates),
            ("refusals_total", ours.refusals),
            ("append_waits_total", ours.waits),
            ("reads_total", ours.reads),
            ("read_errors_total", ours.read_errors),
            ("pushes_total", ours.pushes),
            ("read_bytes_total", ours.read_bytes),
            ("read_bytes_from_memory_total", ours.read_bytes_from_memory),
            ("forwarded_requests_total", ours.forwarded),
            ("groups_total", store.groups),
            ("group_bytes_total", store.group_bytes),
            ("segment_writes_total", store.segment_writes),
            ("segment_bytes_total", store.segment_bytes),
            ("segment_rolls_total", store.rolls),
            ("segments_deleted_total", store.segments_deleted),
            ("checkpoints_total", store.checkpoints),
            ("disk_full_total", store.full),
            ("corrupt_batches_total", store.corrupt),
            ("partitions", self.logs.iter().count() as u64),
            ("backlog_bytes", self.backlog_bytes as u64),
            ("arena_bytes", self.store.arena_used() as u64),
            ("journal_files", self.store.journal_files_used() as u64),
            ("disk_failed", failed),
        ];
        let latencies = vec![
            ("append_to_durable_us", ours.append_us.clone()),
            ("tick_us", ours.tick_us.clone()),
            ("group_us", self.store.latencies().groups().clone()),
        ];
        Snapshot { values, latencies }
    }
}
