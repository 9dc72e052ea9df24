//! The load: producers that keep a server busy without being what it waits for.
//!
//! ```text
//! main thread    watches: samples the server when the window opens and when it closes
//! a thread a core of the load ([`engine`])   epoll over its producers, none of whom blocks
//!     [`producer`]  a connection, its partitions, batches under way
//!         [`link`]  frames out      [`dialect`]  what they are, and what comes back
//! ```
//! Beside them stand [`reader`], which consumes, and [`appender`], which waits for each answer.
//!
//! Batches are made before ([`Payload`](super::payload::Payload)) and sent as they lie in memory.
//! The *window* is what counts: it opens after the warm-up, and closes before the last batches are
//! waited for. What was acknowledged in all is held against the durable ends of the partitions, so
//! that a record which is missing fails the run.

pub(crate) mod appender;
pub(crate) mod dialect;
mod engine;
pub(crate) mod incoming;
mod link;
mod native;
mod producer;
mod pushes;
pub(crate) mod reader;
mod run;
pub(crate) mod walk;

#[cfg(test)]
mod liar;

use std::time::{Duration, Instant};

use super::times::Times;
use producer::Sent;

pub(crate) use run::{Plan, Run, run, run_against_echo};

/// Between the connections and the first batch, so that all threads begin together.
const LEAD: Duration = Duration::from_millis(20);

/// When the load starts, and what of it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// The first batch is sent.
    pub(crate) start: Instant,
    /// From here on it counts.
    pub(crate) from: Instant,
    /// Here the sending ends.
    pub(crate) until: Instant,
}

impl Window {
    /// One that starts as soon as all threads can be there.
    fn from_now(warm_up: Duration, lasting: Duration) -> Window {
        let start = Instant::now() + LEAD;
        let from = start + warm_up;
        Window { start, from, until: from + lasting }
    }

    fn holds(&self, at: Instant) -> bool {
        (self.from..self.until).contains(&at)
    }
}

/// What a load has come to.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Records acknowledged in all, warm-up and end included; where nobody answers, sent.
    pub(crate) all_records: u64,
    /// Records acknowledged within the window.
    pub(crate) records: u64,
    /// Bytes of their values.
    pub(crate) value_bytes: u64,
    /// From when a record was due until it was acknowledged, of those due within the window.
    pub(crate) times: Times,
}

impl Tally {
    fn new() -> Tally {
        Tally { all_records: 0, records: 0, value_bytes: 0, times: Times::new() }
    }

    fn count(&mut self, sent: &Sent, now: Instant, window: &Window) {
        self.all_records += sent.records;
        if window.holds(now) {
            self.records += sent.records;
            self.value_bytes += sent.value_bytes;
        }
    }

    /// The last record of a batch was due with it, each other one `record_interval` before its
    /// successor.
    fn time(&mut self, sent: &Sent, now: Instant, window: &Window, record_interval: Duration) {
        if !window.holds(sent.due) {
            return;
        }
        let least = now.saturating_duration_since(sent.due);
        if record_interval.is_zero() {
            self.times.add_many(least, sent.records);
            return;
        }
        for earlier in 0..sent.records {
            self.times.add(least + record_interval * earlier as u32);
        }
    }

    fn merge(&mut self, other: &Tally) {
        self.all_records += other.all_records;
        self.records += other.records;
        self.value_bytes += other.value_bytes;
        self.times.merge(&other.times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_for_each_record_that_it_delays() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let window = Window { start, from: start, until: start + ms(1000) };
        let sent = Sent { due: start + ms(100), records: 3, value_bytes: 30 };
        let mut tally = Tally::new();
        tally.count(&sent, start + ms(105), &window);
        tally.time(&sent, start + ms(105), &window, ms(10));
        assert_eq!((tally.all_records, tally.records, tally.value_bytes), (3, 3, 30));
        let at = |quantile| (tally.times.at(quantile) * 1e3).round() as u64;
        assert_eq!((tally.times.count(), at(0.3), at(0.6), at(1.0)), (3, 5, 15, 25));
    }

    #[test]
    fn what_lies_outside_of_the_window_is_counted_and_not_measured() {
        let start = Instant::now();
        let s = Duration::from_secs;
        let window = Window { start, from: start + s(1), until: start + s(2) };
        let mut tally = Tally::new();
        for due in [start, start + s(2)] {
            let sent = Sent { due, records: 1, value_bytes: 1 };
            tally.count(&sent, due, &window);
            tally.time(&sent, due, &window, Duration::ZERO);
        }
        assert_eq!((tally.all_records, tally.records, tally.times.count()), (2, 0, 0));
    }
}
