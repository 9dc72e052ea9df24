//! `bench partitions`: the same load over one partition and over many.
//!
//! Many producers append one record at a time each. A server that pays for each partition that is
//! written to would fall behind as they become more; one that writes them together would not.

use std::io::Write;
use std::time::Duration;

use super::error::Result;
use super::fill::Fill;
use super::load::dialect::Acks;
use super::load::{self, Plan};
use super::payload::Payload;
use super::report::{Rows, Sample, Unit};
use super::server::Server;
use super::session::{Session, Setup, Topic};
use super::target::Protocol;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many partitions, two rows each; the first is what the others stand beside.
    pub partitions: Vec<u32>,
    /// Producers, one record at a time each.
    pub producers: usize,
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Before anything counts.
    pub warm_up: Duration,
    /// How long each number of partitions is measured.
    pub lasting: Duration,
    /// How often; medians are reported.
    pub rounds: usize,
}

/// Measures and prints what came of it.
///
/// # Errors
/// When the server dies, refuses a record, or one is missing.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    let mut session = Session::open(setup)?;
    let rows = measure(&mut session, options)?;
    session.finish(&rows.finish(), out)
}

/// The rows `partitionsN.rate` and `partitionsN.p99`.
pub(super) fn measure(session: &mut Session<'_>, options: &Options) -> Result<Rows> {
    let payload = Payload::fixed(options.record_bytes, 1)?;
    let mut server = session.server()?;
    session.progress.say("the first record of each partition");
    let protocol = session.setup.protocol;
    let begun = |&n: &u32| begun_topic(&mut server, protocol, n, &payload);
    let topics = options.partitions.iter().map(begun).collect::<Result<Vec<_>>>()?;
    let mut rows = Rows::new();
    for round in 1..=options.rounds {
        let mut first = None;
        for (partitions, topic) in options.partitions.iter().zip(&topics) {
            let (of, id) = (options.rounds, format!("partitions{partitions}"));
            session.progress.say(format!("{partitions} partitions, round {round} of {of}"));
            let plan = Plan {
                protocol,
                topic: topic.name(),
                payload: &payload,
                producers: options.producers,
                in_flight: 1,
                acks: Acks::All,
                rate: None,
                warm_up: options.warm_up,
                lasting: options.lasting,
                cpus: &session.setup.load_cpus,
            };
            let run = load::run(&plan, &mut server)?;
            let (rate, p99) = (run.records_s(), run.tally.times.at(0.99));
            let (first_rate, first_p99) = *first.get_or_insert((rate, p99));
            session.hdr.add(&id, &run.tally.times);
            let rate = Sample::beside(rate, first_rate);
            rows.add(format!("{id}.rate"), Unit::RecordsPerSecond, rate);
            rows.add(format!("{id}.p99"), Unit::Seconds, Sample::beside(p99, first_p99));
            rows.note(&format!("{id}.rate"), format!("beside {}", options.partitions[0]));
        }
    }
    drop(topics);
    server.stop()?;
    Ok(rows)
}

/// A topic with a record in each partition: what the first one costs, the making of files, is
/// another matter.
fn begun_topic(
    server: &mut Server,
    protocol: Protocol,
    partitions: u32,
    payload: &Payload,
) -> Result<Topic> {
    let topic = Topic::new(server, protocol, partitions, &[])?;
    let bytes = payload.batch(0).bytes.len() as u64 * u64::from(partitions);
    let target = server.target(protocol)?;
    let filled = Fill::open(target, topic.name(), payload).and_then(|mut fill| fill.up_to(bytes));
    server.judge(filled)?;
    Ok(topic)
}
