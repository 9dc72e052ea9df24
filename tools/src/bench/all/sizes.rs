//! `idle10k` and `rss`: what connections and a full load take of memory.

use super::{Scale, plan};
use crate::bench::connections;
use crate::bench::error::Result;
use crate::bench::load;
use crate::bench::payload::Payload;
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::session::{Session, Topic};
use crate::bench::target::Protocol;

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;

pub(super) const IDLE_ROWS: &[(&str, Unit)] =
    &[("idle10k.memory", Unit::Bytes), ("idle10k.p99", Unit::Seconds)];

pub(super) const RSS_ROWS: &[(&str, Unit)] = &[("rss", Unit::Bytes)];

pub(super) fn measure_idle(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let options = connections::Options {
        idle: scale.idle,
        active: 100,
        record_bytes: RECORD_BYTES,
        warm_up: scale.warm_up,
        lasting: scale.lasting,
        rounds: scale.rounds,
    };
    connections::measure(session, &options, "idle10k")
}

/// The most that a server ever had at full load, of large batches over 100 partitions.
pub(super) fn measure_rss(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let payload = Payload::fixed(RECORD_BYTES, 1000)?;
    let mut rows = Rows::new();
    for round in 1..=scale.rounds {
        session.progress.say(format!("rss, round {round} of {}", scale.rounds));
        let mut server = session.server()?;
        let topic = Topic::new(&server, Protocol::Native, 100, &[])?;
        let cpus = &session.setup.load_cpus;
        load::run(&plan(scale, topic.name(), &payload, cpus, (16, 4)), &mut server)?;
        if let Some(usage) = server.usage() {
            rows.add("rss", Unit::Bytes, Sample::alone(usage.peak_bytes as f64));
        }
        drop(topic);
        server.stop()?;
    }
    rows.note("rss", "the most at any time, under a full load over 100 partitions");
    Ok(rows)
}
