//! `consume`, `fanout20` and `mixed`: catching up, fan-out, and producing while others catch up.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::setpriority_process;

use super::streams::paced_records;
use super::{Scale, plan};
use crate::bench::bare::joined;
use crate::bench::consume::{self, CatchingUp, StoredLog};
use crate::bench::error::{Result, Tried};
use crate::bench::fanout;
use crate::bench::load::{self, Plan};
use crate::bench::payload::Payload;
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::segments::Segments;
use crate::bench::session::{Session, Topic};
use crate::bench::target::Protocol;
use crate::bench::times::Times;

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;
/// Records of a batch.
const BATCH_RECORDS: usize = 1000;
/// Consumers that catch up while somebody produces.
const CONSUMERS: usize = 3;

pub(super) const CONSUME_ROWS: &[(&str, Unit)] =
    &[("consume.warm", Unit::BytesPerSecond), ("consume.cold", Unit::BytesPerSecond)];

pub(super) const FANOUT_ROWS: &[(&str, Unit)] =
    &[("fanout20.rate", Unit::BytesPerSecond), ("fanout20.cpu", Unit::SecondsPerGb)];

pub(super) const MIXED_ROWS: &[(&str, Unit)] = &[("mixed", Unit::Seconds)];

pub(super) fn measure_consume(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let options = consume::Options {
        log_bytes: scale.read_bytes,
        record_bytes: RECORD_BYTES,
        batch_records: BATCH_RECORDS,
        rounds: scale.rounds,
    };
    Ok(consume::measure(session, &options)?.without("consume.warm.").without("consume.cold."))
}

pub(super) fn measure_fanout(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let options = fanout::Options {
        subscribers: vec![20],
        record_bytes: RECORD_BYTES,
        batch_records: 100,
        warm_up: scale.warm_up,
        lasting: scale.lasting,
        rounds: scale.rounds,
    };
    fanout::measure(session, &options)
}

pub(super) fn measure_mixed(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let large = Payload::fixed(RECORD_BYTES, BATCH_RECORDS)?;
    let mut log = StoredLog::new(session, scale.read_bytes, &large, &[])?;
    let cpus = &session.setup.load_cpus;
    session.progress.say("mixed: the highest rate");
    let topic = Topic::new(&log.server, Protocol::Native, 1, &[])?;
    let closed = plan(scale, topic.name(), &large, cpus, (1, 12));
    let rate = load::run(&closed, &mut log.server)?.records_s() / 2.0;
    drop(topic);
    let payload = Payload::fixed(RECORD_BYTES, paced_records(rate))?;
    let mut rows = Rows::new();
    for round in 1..=scale.rounds {
        session.progress.say(format!("mixed, round {round} of {}", scale.rounds));
        let alone = produce(session, scale, &mut log, &payload, rate, 0)?;
        let mixed = produce(session, scale, &mut log, &payload, rate, CONSUMERS)?;
        session.hdr.add("mixed-alone", &alone);
        session.hdr.add("mixed", &mixed);
        let sample = Sample::beside(mixed.at(0.99), alone.at(0.99));
        rows.add("mixed", Unit::Seconds, sample);
    }
    log.server.stop()?;
    rows.note("mixed", format!("p99 at {rate:.0} records/s; beside nobody catching up"));
    Ok(rows)
}

/// Produces at a rate while consumers read the stored log, cold, again and again.
fn produce(
    session: &Session<'_>,
    scale: &Scale,
    log: &mut StoredLog,
    payload: &Payload,
    rate: f64,
    consumers: usize,
) -> Result<Times> {
    let topic = Topic::new(&log.server, Protocol::Native, 1, &[])?;
    let cpus = &session.setup.load_cpus;
    let closed = plan(scale, topic.name(), payload, cpus, (1, 1000));
    let plan = Plan { rate: Some(rate), ..closed };
    let (catching_up, segments) = (log.catching_up(Protocol::Native)?, log.segments().clone());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let consume = |i| {
            let (segments, is_over) = (&segments, &is_over);
            scope.spawn(move || {
                cpus.pin(i)?;
                catch_up_until(is_over, &catching_up, segments)
            })
        };
        let consuming: Vec<_> = (0..consumers).map(consume).collect();
        let run = load::run(&plan, &mut log.server);
        is_over.store(true, Ordering::Relaxed);
        let consumed: Result<Vec<()>> = consuming.into_iter().map(joined).collect();
        let run = run?;
        consumed?;
        Ok(run.tally.times)
    })
}

/// Reads the stored log from the disk, again and again.
fn catch_up_until(
    is_over: &AtomicBool,
    catching_up: &CatchingUp<'_>,
    segments: &Segments,
) -> Result<()> {
    // On the load's one processor the producer goes first: what is measured is how long the server
    // makes it wait.
    setpriority_process(None, 19).tried(|| "cannot stand back".into())?;
    while !is_over.load(Ordering::Relaxed) {
        segments.cool()?;
        let mut reader = catching_up.open()?;
        while !reader.has_reached(&[catching_up.end]) && !is_over.load(Ordering::Relaxed) {
            reader.step()?;
        }
    }
    Ok(())
}
