//! `bench produce`: what a server takes, and how long each record waits.

use std::io::Write;
use std::time::Duration;

use duramen_protocol::batch::Codec;

use super::beside::{LoneLimit, StreamLimit};
use super::error::{BenchError, Result};
use super::load::dialect::Acks;
use super::load::{self, Plan, Run};
use super::payload::{Content, Payload};
use super::report::{Rows, Sample, Unit};
use super::session::{Session, Setup, Topic};

/// How long the limits beside a run are measured at most, each.
const LIMIT_TIME_MAX: Duration = Duration::from_millis(500);

/// What to produce.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the records hold.
    pub content: Content,
    /// Records of a batch at most.
    pub batch_records: usize,
    /// Bytes of records of a batch at most.
    pub batch_bytes: usize,
    /// At a rate: for how long records are collected at most.
    pub linger: Duration,
    /// Producers, a connection each.
    pub producers: usize,
    /// Batches that each has unanswered.
    pub in_flight: usize,
    /// Partitions of the topic.
    pub partitions: u32,
    /// Who has to have a batch before it is acknowledged.
    pub acks: Acks,
    /// How batches are compressed.
    pub codec: Codec,
    /// Records a second, all producers together: an open loop. Without it each producer sends as
    /// fast as it is answered.
    pub rate: Option<f64>,
    /// Before anything counts.
    pub warm_up: Duration,
    /// How long a round is.
    pub lasting: Duration,
    /// How often; medians are reported.
    pub rounds: usize,
}

impl Options {
    /// Records of a batch: at a rate, those that come while one lingers.
    fn records_a_batch(&self) -> usize {
        let Some(rate) = self.rate else { return self.batch_records };
        let lingering = rate / self.producers as f64 * self.linger.as_secs_f64();
        self.batch_records.min((lingering as usize).max(1))
    }

    fn check(&self) -> Result<()> {
        let wrong = match () {
            () if self.producers == 0 || self.in_flight == 0 || self.rounds == 0 => {
                "producers, in flight and rounds are 1 at least"
            }
            () if self.in_flight > 1000 => "a server takes 1,000 unanswered batches at most",
            () if self.partitions == 0 => "a topic has one partition at least",
            () if self.rate.is_some_and(|rate| rate.is_nan() || rate <= 0.0) => {
                "a rate is more than 0 records a second"
            }
            () if self.lasting.is_zero() => "a round has to last",
            () => return Ok(()),
        };
        Err(BenchError::Usage(wrong.into()))
    }
}

/// Produces and prints what came of it.
///
/// # Errors
/// When the server dies, refuses a batch, or a record is missing.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    options.check()?;
    let mut session = Session::open(setup)?;
    let records = options.records_a_batch();
    let payload = Payload::new(&options.content, records, options.batch_bytes, options.codec)?;
    let mut server = session.server()?;
    let mut rows = Rows::new();
    for round in 1..=options.rounds {
        let stream = StreamLimit::measure(&session, options.lasting.min(LIMIT_TIME_MAX))?;
        let lone = LoneLimit::measure(&session, options.lasting.min(LIMIT_TIME_MAX))?;
        session.progress.say(format!("producing, round {round} of {}", options.rounds));
        let topic = Topic::new(&server, setup.protocol, options.partitions, &[])?;
        let plan = Plan {
            protocol: setup.protocol,
            topic: topic.name(),
            payload: &payload,
            producers: options.producers,
            in_flight: options.in_flight,
            acks: options.acks,
            rate: options.rate,
            warm_up: options.warm_up,
            lasting: options.lasting,
            cpus: &setup.load_cpus,
        };
        let run = load::run(&plan, &mut server)?;
        add_rates(&mut rows, &run, &stream);
        if options.acks != Acks::None {
            rows.add_percentiles("produce", &run.tally.times, |quantile| Some(lone.at(quantile)));
            session.hdr.add("produce", &run.tally.times);
        }
        add_costs(&mut rows, &run);
    }
    server.stop()?;
    rows.note("produce.bytes", "of values; beside the lesser of bare loopback and bare disk");
    rows.note("produce.p50", "beside a bare write and a bare round trip");
    session.finish(&rows.finish(), out)
}

fn add_rates(rows: &mut Rows, run: &Run, limit: &StreamLimit) {
    let bytes_s = Sample::beside(run.bytes_s(), limit.least());
    rows.add("produce.rate", Unit::RecordsPerSecond, Sample::alone(run.records_s()));
    rows.add("produce.bytes", Unit::BytesPerSecond, bytes_s);
}

/// What server and load took, where the server is ours.
pub(super) fn add_costs(rows: &mut Rows, run: &Run) {
    let Some(usage) = run.server.filter(|_| run.tally.records > 0) else { return };
    let (gb, million) = (run.tally.value_bytes as f64 / 1e9, run.tally.records as f64 / 1e6);
    let calls = usage.io_calls as f64 / run.tally.records as f64;
    for (id, unit, value) in [
        ("produce.cpu_gb", Unit::SecondsPerGb, usage.cpu_s / gb),
        ("produce.cpu_million", Unit::SecondsPerMillion, usage.cpu_s / million),
        ("produce.rss", Unit::Bytes, usage.resident_bytes as f64),
        ("produce.calls", Unit::CallsPerRecord, calls),
        ("produce.load_cpu", Unit::Fraction, run.load_cpu_s / (run.load_cpu_s + usage.cpu_s)),
    ] {
        rows.add(id, unit, Sample::alone(value));
    }
    rows.note("produce.cpu_gb", "the server's");
    rows.note("produce.calls", "the server's system calls that read or write");
    rows.note("produce.load_cpu", "the load's share of all processor time");
}
