//! `produce1k`, `produce1k.p16`, `nosync` and `paced`: records of 1 KB in large batches, and at an
//! even rate.

use super::{Scale, plan};
use crate::bench::beside::{LoneLimit, StreamLimit};
use crate::bench::error::Result;
use crate::bench::load::{self, Plan};
use crate::bench::payload::Payload;
use crate::bench::report::{Rows, Sample, Unit, median};
use crate::bench::server::Server;
use crate::bench::session::{Session, Topic};
use crate::bench::target::Protocol;

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;
/// Records of a batch.
const BATCH_RECORDS: usize = 1000;
/// Batches that are unanswered.
const IN_FLIGHT: usize = 12;
/// For how long records are collected at an even rate.
const LINGER_S: f64 = 0.25e-3;

pub(super) const ROWS: &[(&str, Unit)] = &[
    ("produce1k", Unit::BytesPerSecond),
    ("produce1k.p16", Unit::BytesPerSecond),
    ("nosync", Unit::BytesPerSecond),
    ("paced.p999", Unit::Seconds),
];

pub(super) fn measure(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let mut server = session.server()?;
    let mut unsynced = session.server_with(&["--no-sync"])?;
    let payload = Payload::fixed(RECORD_BYTES, BATCH_RECORDS)?;
    let mut rows = Rows::new();
    let mut rates = Vec::new();
    for round in 1..=scale.rounds {
        let before = StreamLimit::measure(session, scale.limit / 2)?;
        session.progress.say(format!("produce1k, round {round} of {}", scale.rounds));
        let durable = produce(session, scale, &mut server, &payload, 1)?;
        let spread = produce(session, scale, &mut server, &payload, 16)?;
        let limit = before.mean(StreamLimit::measure(session, scale.limit / 2)?).least();
        rows.add("produce1k", Unit::BytesPerSecond, Sample::beside(durable, limit));
        rows.add("produce1k.p16", Unit::BytesPerSecond, Sample::beside(spread, limit));
        let memory = produce(session, scale, &mut unsynced, &payload, 1)?;
        rows.add("nosync", Unit::BytesPerSecond, Sample::beside(durable, memory));
        rates.push(durable / RECORD_BYTES as f64);
    }
    unsynced.stop()?;
    // Half of what it keeps up, not of what a disk with a burst to spare did once.
    let rate = median(&rates).unwrap_or(1.0) / 2.0;
    paced(session, scale, &mut server, rate, &mut rows)?;
    server.stop()?;
    rows.note("produce1k", "beside the lesser of bare loopback and bare disk");
    rows.note("nosync", "durable; beside the same with --no-sync");
    Ok(rows)
}

/// Bytes of values a second, over so many partitions.
fn produce(
    session: &Session<'_>,
    scale: &Scale,
    server: &mut Server,
    payload: &Payload,
    partitions: u32,
) -> Result<f64> {
    let topic = Topic::new(server, Protocol::Native, partitions, &[])?;
    let cpus = &session.setup.load_cpus;
    let run = load::run(&plan(scale, topic.name(), payload, cpus, (1, IN_FLIGHT)), server)?;
    Ok(run.bytes_s())
}

/// At an even rate, through checkpoints.
fn paced(
    session: &mut Session<'_>,
    scale: &Scale,
    server: &mut Server,
    rate: f64,
    rows: &mut Rows,
) -> Result<()> {
    let limit = LoneLimit::measure(session, scale.limit)?;
    session.progress.say(format!("{rate:.0} records a second for {:?}", scale.paced));
    let payload = Payload::fixed(RECORD_BYTES, paced_records(rate))?;
    let topic = Topic::new(server, Protocol::Native, 1, &[])?;
    let cpus = &session.setup.load_cpus;
    let closed = plan(scale, topic.name(), &payload, cpus, (1, 1000));
    let run = load::run(&Plan { rate: Some(rate), lasting: scale.paced, ..closed }, server)?;
    let p999 = Sample::beside(run.tally.times.at(0.999), limit.at(0.999));
    session.hdr.add("paced", &run.tally.times);
    rows.add("paced.p999", Unit::Seconds, p999);
    rows.note("paced.p999", format!("at {rate:.0} records/s; beside a bare write and round trip"));
    Ok(())
}

/// Records of a batch at a rate.
pub(super) fn paced_records(rate: f64) -> usize {
    ((rate * LINGER_S) as usize).clamp(1, BATCH_RECORDS)
}
