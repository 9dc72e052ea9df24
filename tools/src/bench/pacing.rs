//! When each batch is due, if somebody sends at a steady rate whatever comes back.
//!
//! ```text
//! records   | 1 2 3 4 | 5 6 7 8 | 9 ...       one each 1/rate seconds
//! batches           ^due      ^due            a batch is due with its last record
//! ```
//! Invariant: when a batch is due follows from its number alone, never from when an earlier one was
//! sent or answered. So a server that stalls does not slow the load down, and each record that had
//! to wait counts with the time it waited.

use std::time::{Duration, Instant};

/// A steady stream of batches.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    start: Instant,
    /// Between two batches.
    interval_ns: f64,
    /// The number of the next batch.
    next: u64,
}

impl Pace {
    /// `rate` records a second in batches of `batch_records`, from `start` on.
    ///
    /// # Panics
    /// When the rate is not positive.
    pub(crate) fn new(start: Instant, rate: f64, batch_records: f64) -> Pace {
        assert!(rate > 0.0, "a rate of {rate} records a second");
        Pace { start, interval_ns: batch_records / rate * 1e9, next: 0 }
    }

    /// When the next batch is due.
    pub(crate) fn next_due(&self) -> Instant {
        self.due(self.next)
    }

    /// The next batch, if it is due: its number, and when it was due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let due = self.next_due();
        (due <= now).then(|| {
            self.next += 1;
            (self.next - 1, due)
        })
    }

    fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_nanos(((number + 1) as f64 * self.interval_ns) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_due_evenly_whoever_looks_and_when() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 1000.0, 10.0);
        let ms = Duration::from_millis;
        assert_eq!(pace.next_due(), start + ms(10));
        assert_eq!(pace.take(start + ms(9)), None);
        assert_eq!(pace.take(start + ms(10)), Some((0, start + ms(10))));
        // Somebody who looks late is told what each would have been, not what is left of it.
        let late = start + ms(41);
        let due: Vec<_> = std::iter::from_fn(|| pace.take(late)).collect();
        assert_eq!(due, [(1, start + ms(20)), (2, start + ms(30)), (3, start + ms(40))]);
        assert_eq!(pace.next_due(), start + ms(50));
    }

    #[test]
    fn no_time_is_lost_to_rounding() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 3_000_000.0, 1.0);
        let second = start + Duration::from_secs(1);
        let sent = std::iter::from_fn(|| pace.take(second)).count();
        assert!(sent.abs_diff(3_000_000) <= 1, "{sent}");
    }
}
