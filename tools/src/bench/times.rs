//! How long things took: a histogram that keeps three digits of every time, from a nanosecond to
//! minutes.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Digits of a time that are kept.
const DIGITS: u8 = 3;
/// The longest time that is told apart, in nanoseconds: 17 minutes.
const LONGEST_NS: u64 = 1 << 40;

/// The percentiles that are reported, and how rows call them.
pub(crate) const PERCENTILES: &[(&str, f64)] =
    &[("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999), ("max", 1.0)];

/// Times.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    /// None yet.
    pub(crate) fn new() -> Times {
        let histogram = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS);
        Times(histogram.unwrap_or_else(|error| panic!("the bounds are constants: {error}")))
    }

    /// Something took so long.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.saturating_record(time.as_nanos() as u64);
    }

    /// So many things took so long.
    pub(crate) fn add_many(&mut self, time: Duration, count: u64) {
        self.0.saturating_record_n(time.as_nanos() as u64, count);
    }

    /// Adds all of another's.
    pub(crate) fn merge(&mut self, other: &Times) {
        let added = self.0.add(&other.0);
        added.unwrap_or_else(|error| panic!("both have the same bounds: {error}"));
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time, in seconds, within which this share of all was done.
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e9
    }

    /// The histogram, in nanoseconds.
    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

/// Does something again and again for a while, and tells how long each took.
///
/// # Errors
/// With the first error of `once`.
pub(crate) fn repeat<E>(
    lasting: Duration,
    mut once: impl FnMut() -> Result<(), E>,
) -> Result<Times, E> {
    let mut times = Times::new();
    let end = std::time::Instant::now() + lasting;
    loop {
        let start = std::time::Instant::now();
        if start >= end {
            return Ok(times);
        }
        once()?;
        times.add(start.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_known_times() {
        let mut times = Times::new();
        (1..=1000).for_each(|us| times.add(Duration::from_micros(us)));
        let close = |quantile, wanted: f64| {
            let at = times.at(quantile);
            assert!((at / wanted - 1.0).abs() < 0.002, "{quantile}: {at} instead of {wanted}");
        };
        for (name, quantile) in PERCENTILES {
            match *name {
                "p50" => close(*quantile, 500e-6),
                "p99" => close(*quantile, 990e-6),
                "max" => close(*quantile, 1000e-6),
                _ => {}
            }
        }
    }

    #[test]
    fn many_at_once_and_another_s_count_as_well() {
        let mut times = Times::new();
        times.add_many(Duration::from_millis(1), 99);
        let mut slow = Times::new();
        slow.add(Duration::from_secs(1 << 20));
        times.merge(&slow);
        assert_eq!(times.count(), 100);
        assert!(times.at(0.98) < 0.0011);
        assert!(times.at(1.0) > 1000.0, "the longest is kept as the longest that can be told");
    }
}
