//! `bench fanout`: one producer, many subscribers, each of whom gets everything.
//!
//! The producer keeps a little ahead of the slowest subscriber and no more, so that all of them
//! stay at the log's end, where fan-out happens. What bounds it is a bare `write` of as many bytes.
//! The processor's time for what goes out is the server's, less what it takes to produce as much
//! with nobody listening.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::bare::joined;
use super::bare::stream::{Source, drain};
use super::error::{BenchError, Result};
use super::load::appender::Appender;
use super::load::dialect::{Acks, Opening};
use super::load::reader::Reader;
use super::payload::{Batch, Payload};
use super::report::{Rows, Sample, Unit};
use super::server::Server;
use super::session::{Session, Setup, Topic};
use super::wire::PATIENCE;

/// Bytes that the producer is ahead of the slowest subscriber at most.
const AHEAD_BYTES: u64 = 4 << 20;
/// Batches that are unanswered at most.
const IN_FLIGHT: usize = 8;
/// How long the producer sleeps at most while it waits for subscribers.
const NAP: Duration = Duration::from_millis(1);
/// How long the limit is measured at most.
const LIMIT_TIME_MAX: Duration = Duration::from_millis(500);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many subscribers, one row each.
    pub subscribers: Vec<usize>,
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Records of a batch.
    pub batch_records: usize,
    /// Before anything counts.
    pub warm_up: Duration,
    /// How long a round is.
    pub lasting: Duration,
    /// How often; medians are reported.
    pub rounds: usize,
}

/// Measures and prints what came of it.
///
/// # Errors
/// When the server dies or a subscriber misses a record.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    let mut session = Session::open(setup)?;
    let rows = measure(&mut session, options)?;
    session.finish(&rows.finish(), out)
}

/// The rows `fanoutN.rate` and `fanoutN.cpu`.
pub(super) fn measure(session: &mut Session<'_>, options: &Options) -> Result<Rows> {
    let payload = Payload::fixed(options.record_bytes, options.batch_records)?;
    let mut server = session.server()?;
    let mut rows = Rows::new();
    for round in 1..=options.rounds {
        session.progress.say(format!("fan-out, round {round} of {}", options.rounds));
        let sides = session.sides();
        let source = Source::Memory(options.lasting.min(LIMIT_TIME_MAX));
        let limit = drain(&source, sides.server, sides.load)?.bytes_s;
        let nobody = fan_out(session, &mut server, options, &payload, 0)?;
        let one = fan_out(session, &mut server, options, &payload, 1)?.cpu_s_gb_out(&nobody);
        for &subscribers in &options.subscribers {
            let fanned = fan_out(session, &mut server, options, &payload, subscribers)?;
            let id = format!("fanout{subscribers}");
            let rate = Sample::beside(fanned.bytes_out_s, limit);
            rows.add(format!("{id}.rate"), Unit::BytesPerSecond, rate);
            rows.note(&format!("{id}.rate"), "bytes out; beside a bare write");
            if let Some((cpu, one)) = fanned.cpu_s_gb_out(&nobody).zip(one) {
                rows.add(format!("{id}.cpu"), Unit::SecondsPerGb, Sample::beside(cpu, one));
                rows.note(&format!("{id}.cpu"), "for each GB out; beside one subscriber's");
            } else if round == options.rounds && !rows.has(&format!("{id}.cpu")) {
                let why = "the processor's time was too little to tell from that of producing";
                rows.add_absent(&format!("{id}.cpu"), Unit::SecondsPerGb, why.into());
            }
        }
    }
    server.stop()?;
    Ok(rows)
}

/// What came of one number of subscribers.
#[derive(Clone, Copy, Debug)]
struct Fanned {
    bytes_out_s: f64,
    gb_in: f64,
    gb_out: f64,
    /// The server's seconds on a processor, from the first record to the last delivery.
    cpu_s: Option<f64>,
}

impl Fanned {
    /// Seconds on a processor a GB out, without those of producing.
    fn cpu_s_gb_out(&self, nobody: &Fanned) -> Option<f64> {
        let producing = nobody.cpu_s? / nobody.gb_in * self.gb_in;
        Some((self.cpu_s? - producing) / self.gb_out).filter(|cpu| *cpu > 0.0)
    }
}

/// What producer and subscribers tell each other.
struct Shared {
    /// Bytes that each subscriber has.
    delivered: Vec<AtomicU64>,
    /// Records that were acknowledged in all, once that is known; before that nothing.
    end: AtomicU64,
    /// Somebody has failed.
    failed: AtomicBool,
    from: Instant,
    until: Instant,
}

/// Bytes that one subscriber got.
#[derive(Clone, Copy, Debug)]
struct Received {
    in_window: u64,
    all: u64,
}

impl Shared {
    fn new(subscribers: usize, options: &Options) -> Shared {
        let from = Instant::now() + options.warm_up;
        Shared {
            delivered: (0..subscribers).map(|_| AtomicU64::new(0)).collect(),
            end: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            from,
            until: from + options.lasting,
        }
    }

    /// Tells the others when somebody has failed, so that nobody waits for him.
    fn or_fail<T>(&self, result: Result<T>) -> Result<T> {
        self.failed.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }
}

fn fan_out(
    session: &Session<'_>,
    server: &mut Server,
    options: &Options,
    payload: &Payload,
    subscribers: usize,
) -> Result<Fanned> {
    let topic = Topic::new(server, session.setup.protocol, 1, &[])?;
    let before = server.usage();
    let result = try_fan_out(session, server, &topic, options, payload, subscribers);
    let used = before.zip(server.usage()).map(|(before, after)| after.since(&before).cpu_s);
    Ok(Fanned { cpu_s: used, ..server.judge(result)? })
}

fn try_fan_out(
    session: &Session<'_>,
    server: &Server,
    topic: &Topic,
    options: &Options,
    payload: &Payload,
    subscribers: usize,
) -> Result<Fanned> {
    let protocol = session.setup.protocol;
    let home = server.target(protocol)?.home(topic.name(), 0)?;
    let opening = Opening { home, topic: topic.name(), partitions: &[0], acks: Acks::All };
    let mut appender = Appender::open(protocol, &opening)?;
    let subscribe = |_| Reader::open(protocol, home, topic.name(), &[(0, 0)]);
    let readers = (0..subscribers).map(subscribe).collect::<Result<Vec<_>>>()?;
    let shared = &Shared::new(subscribers, options);
    let cpus = session.sides().load;
    let (bytes_in, read) = std::thread::scope(|scope| -> Result<_> {
        let producing = scope.spawn(|| {
            cpus.pin(0)?;
            shared.or_fail(produce(&mut appender, payload.batch(0), shared))
        });
        let producer = producing.thread().clone();
        let read_on_thread = |(i, mut reader): (usize, Reader)| {
            let producer = producer.clone();
            scope.spawn(move || {
                cpus.pin(i)?;
                shared.or_fail(read(&mut reader, &shared.delivered[i], &producer, shared))
            })
        };
        let reading: Vec<_> = readers.into_iter().enumerate().map(read_on_thread).collect();
        let bytes_in = joined(producing);
        let read: Result<Vec<Received>> = reading.into_iter().map(joined).collect();
        Ok((bytes_in?, read?))
    })?;
    let in_window: u64 = read.iter().map(|received| received.in_window).sum();
    let bytes_out: u64 = read.iter().map(|received| received.all).sum();
    Ok(Fanned {
        bytes_out_s: in_window as f64 / options.lasting.as_secs_f64(),
        gb_in: bytes_in as f64 / 1e9,
        gb_out: bytes_out as f64 / 1e9,
        cpu_s: None,
    })
}

/// Produces until the window closes, and then tells everybody where the end is. Gives the bytes.
fn produce(appender: &mut Appender, batch: &Batch, shared: &Shared) -> Result<u64> {
    let len = batch.bytes.len() as u64;
    let (mut sent, mut acknowledged) = (0, 0);
    while Instant::now() < shared.until && !shared.failed.load(Ordering::Relaxed) {
        let slowest = shared.delivered.iter().map(|bytes| bytes.load(Ordering::Relaxed)).min();
        if sent * len > slowest.unwrap_or(u64::MAX - AHEAD_BYTES) + AHEAD_BYTES {
            std::thread::park_timeout(NAP);
            continue;
        }
        if sent - acknowledged == IN_FLIGHT as u64 {
            appender.acknowledged()?;
            acknowledged += 1;
        }
        appender.append(0, &batch.bytes)?;
        sent += 1;
    }
    (acknowledged..sent).try_for_each(|_| appender.acknowledged().map(drop))?;
    shared.end.store(sent * batch.records, Ordering::Relaxed);
    Ok(sent * len)
}

/// Reads up to the end, once that is known.
fn read(
    reader: &mut Reader,
    delivered: &AtomicU64,
    producer: &std::thread::Thread,
    shared: &Shared,
) -> Result<Received> {
    let mut at_start = None;
    let mut at_end = None;
    loop {
        let end = shared.end.load(Ordering::Relaxed);
        if end != u64::MAX && reader.has_reached(&[end as i64]) {
            break;
        }
        reader.step()?;
        let now = Instant::now();
        if now < shared.from {
            at_start = Some(reader.bytes());
        } else if now < shared.until {
            at_end = Some(reader.bytes());
        }
        delivered.store(reader.bytes(), Ordering::Relaxed);
        producer.unpark();
        if shared.failed.load(Ordering::Relaxed) || now > shared.until + PATIENCE {
            return Err(BenchError::Connection("a subscriber got nothing more".into()));
        }
    }
    let (start, all) = (at_start.unwrap_or(0), reader.bytes());
    if reader.records() != shared.end.load(Ordering::Relaxed) {
        return Err(BenchError::Missing(format!("a subscriber got {} records", reader.records())));
    }
    Ok(Received { in_window: at_end.unwrap_or(start) - start, all })
}
