//! The server's figures: collected from the cores, and named.
//!
//! Each core counts for itself; here the counts are asked for and put together. A time is shown as
//! a few quantiles, in microseconds.

use std::sync::Arc;

use duramen_protocol::native::ANY_CORE;
use duramen_protocol::native::messages::{Fact, Metric, MetricValue, StatsAnswer};
use hdrhistogram::Histogram;
use tokio::sync::oneshot;

use crate::network::mailbox::{Mail, Mailboxes};
use crate::shard::counters::Snapshot;
use crate::shard::request::{Answer, Ask};

/// What stands before every name.
const PREFIX: &str = "duramen_";

/// The quantiles of a time that are shown.
const QUANTILES: &[(f64, &str)] = &[(0.5, "p50"), (0.99, "p99"), (0.999, "p999")];

/// What is known of the server itself.
#[derive(Clone, Debug)]
pub struct Observer {
    /// `uring` or `blocking`.
    pub io_engine: &'static str,
    /// Whether it acknowledges from memory.
    pub no_sync: bool,
    /// What else there is to know, by name.
    pub facts: Arc<[(&'static str, String)]>,
}

impl Observer {
    /// The figures of now. Cores that have stopped are left out.
    pub async fn stats(&self, mailboxes: &Mailboxes) -> StatsAnswer {
        let mut metrics = vec![metric("cores", ANY_CORE, mailboxes.cores() as u64)];
        for core in 0..mailboxes.cores() {
            let (reply, answer) = oneshot::channel();
            mailboxes.send(core, Mail::Ask(Ask::Snapshot, reply)).await;
            if let Ok(Ok(Answer::Snapshot(snapshot))) = answer.await {
                put_snapshot(&mut metrics, core as u16, &snapshot);
            }
        }
        let fact = |(name, value): &(&str, String)| Fact {
            name: (*name).to_owned(),
            value: value.clone(),
        };
        StatsAnswer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            io_engine: self.io_engine.to_owned(),
            no_sync: self.no_sync,
            facts: self.facts.iter().map(fact).collect(),
            metrics,
        }
    }
}

fn put_snapshot(metrics: &mut Vec<Metric>, core: u16, snapshot: &Snapshot) {
    for &(name, value) in &snapshot.values {
        metrics.push(metric(name, core, value));
    }
    for (name, histogram) in &snapshot.latencies {
        put_latency(metrics, core, name, histogram);
    }
}

fn put_latency(metrics: &mut Vec<Metric>, core: u16, name: &str, histogram: &Histogram<u64>) {
    metrics.push(metric(&format!("{name}_count"), core, histogram.len()));
    for &(quantile, suffix) in QUANTILES {
        let value = histogram.value_at_quantile(quantile);
        metrics.push(metric(&format!("{name}_{suffix}"), core, value));
    }
    metrics.push(metric(&format!("{name}_max"), core, histogram.max()));
}

fn metric(name: &str, core: u16, value: u64) -> Metric {
    Metric { name: format!("{PREFIX}{name}"), core, value: MetricValue::Count(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::counters::latencies;

    #[test]
    fn counts_and_times_get_names() {
        let mut histogram = latencies();
        (1..=1000).for_each(|us| histogram.saturating_record(us));
        let snapshot =
            Snapshot { values: vec![("reads_total", 7)], latencies: vec![("tick_us", histogram)] };
        let mut metrics = Vec::new();
        put_snapshot(&mut metrics, 2, &snapshot);
        let value = |name: &str| {
            let found = metrics.iter().find(|metric| metric.name == name && metric.core == 2);
            match found.map(|metric| metric.value) {
                Some(MetricValue::Count(count)) => count,
                other => panic!("{name}: {other:?}"),
            }
        };
        assert_eq!((value("duramen_reads_total"), value("duramen_tick_us_count")), (7, 1000));
        assert!((495..=505).contains(&value("duramen_tick_us_p50")));
        assert!((1000..=1010).contains(&value("duramen_tick_us_max")));
    }
}
