//! `bench consume`: how fast a reader catches up, from the page cache and from the disk.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::bare::joined;
use super::bare::stream::{Source, Streamed, stream};
use super::cpus::Cpus;
use super::error::{BenchError, Result};
use super::fill::Fill;
use super::load::reader::Reader;
use super::load::walk::Walk;
use super::payload::Payload;
use super::report::{Rows, Sample, Unit};
use super::segments::Segments;
use super::server::Server;
use super::session::{Session, Setup, Topic};
use super::target::{Protocol, Target};

/// The topic that is read.
const TOPIC: &str = "bench-consume";
/// Several of them, so that most of the log is sealed, as most of any log is.
const SEGMENT_BYTES: (&str, &str) = ("segment.bytes", "268435456");

/// What to read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Records of a batch.
    pub batch_records: usize,
    /// How often; medians are reported.
    pub rounds: usize,
}

/// Reads and prints what came of it.
///
/// # Errors
/// When the server dies or a record is missing.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    let mut session = Session::open(setup)?;
    let rows = match setup.server {
        Some(_) => measure_elsewhere(&mut session, options)?,
        None => measure(&mut session, options)?,
    };
    session.finish(&rows.finish(), out)
}

/// The row `consume.warm` of a server whose files are not at hand: they can be neither sent bare
/// nor taken out of the page cache.
fn measure_elsewhere(session: &mut Session<'_>, options: &Options) -> Result<Rows> {
    let payload = Payload::fixed(options.record_bytes, options.batch_records)?;
    let protocol = session.setup.protocol;
    let server = session.server()?;
    let topic = Topic::new(&server, protocol, 1, &[SEGMENT_BYTES])?;
    session.progress.say(format!("writing a log of {} MB", options.log_bytes / 1_000_000));
    let target = server.target(protocol)?;
    let records = Fill::open(target, topic.name(), &payload)?.up_to(options.log_bytes)?;
    let catching_up = CatchingUp { target, topic: topic.name(), end: records as i64 };
    let mut rows = Rows::new();
    session.progress.say("reading everything once");
    catching_up.read_all(session.sides().load)?;
    for round in 1..=options.rounds {
        session.progress.say(format!("consume.warm, round {round} of {}", options.rounds));
        let bytes_s = catching_up.read_all(session.sides().load)?;
        rows.add("consume.warm", Unit::BytesPerSecond, Sample::alone(bytes_s));
    }
    rows.note("consume.warm", "written and read once before");
    let why = "the files of a server that runs elsewhere stay in its page cache";
    rows.add_absent("consume.cold", Unit::BytesPerSecond, why.into());
    Ok(rows)
}

/// The rows `consume.warm` and `consume.cold`, and what they cost the server.
pub(super) fn measure(session: &mut Session<'_>, options: &Options) -> Result<Rows> {
    let payload = Payload::fixed(options.record_bytes, options.batch_records)?;
    let protocol = session.setup.protocol;
    let mut log = StoredLog::new(session, options.log_bytes, &payload, &[])?;
    let mut rows = Rows::new();
    // A server checks what it did not write itself when it is first read.
    session.progress.say("reading everything once");
    log.consume(session, protocol)?;
    for round in 1..=options.rounds {
        for (id, is_warm) in [("consume.warm", true), ("consume.cold", false)] {
            session.progress.say(format!("{id}, round {round} of {}", options.rounds));
            log.prepare(is_warm)?;
            let bare = log.send_bare(session)?;
            log.prepare(is_warm)?;
            let read = log.consume(session, protocol)?;
            rows.add(id, Unit::BytesPerSecond, Sample::beside(read.bytes_s, bare.bytes_s));
            let cpu_s_gb = read.server_cpu_s / (log.bytes as f64 / 1e9);
            rows.add(format!("{id}.cpu_gb"), Unit::SecondsPerGb, Sample::alone(cpu_s_gb));
            rows.note(id, "beside a bare sendfile of the same files to the same receiver");
            rows.note(&format!("{id}.cpu_gb"), "the server's");
        }
    }
    log.server.stop()?;
    Ok(rows)
}

/// A log of one partition that lies on the disk, and a server that has it.
pub(super) struct StoredLog {
    pub(super) server: Server,
    segments: Segments,
    records: u64,
    bytes: u64,
}

/// What reading it took.
pub(super) struct Caught {
    pub(super) bytes_s: f64,
    server_cpu_s: f64,
}

impl StoredLog {
    /// Writes one, by what the load speaks, to a server with more `arguments`. The server is started
    /// anew behind that, so that the files have their lengths.
    pub(super) fn new(
        session: &mut Session<'_>,
        log_bytes: u64,
        payload: &Payload,
        arguments: &[&str],
    ) -> Result<StoredLog> {
        session.progress.say(format!("writing a log of {} MB", log_bytes / 1_000_000));
        let protocol = session.setup.protocol;
        let data = session.fresh_data();
        let mut server = session.start_keeping(&data, arguments)?;
        let fill = |server: &Server| {
            let target = server.target(protocol)?;
            target.create(TOPIC, 1, &[SEGMENT_BYTES])?;
            Fill::open(target, TOPIC, payload)?.up_to(log_bytes)
        };
        let filled = fill(&server);
        let records = server.judge(filled)?;
        server.stop()?;
        let segments = Segments::of(&data, TOPIC, 0)?;
        let server = session.start_on(&data, arguments)?;
        let bytes = segments.paths().iter().map(|path| length(path)).sum();
        Ok(StoredLog { server, segments, records, bytes })
    }

    /// What somebody needs to read it while the server is busy with others.
    pub(super) fn catching_up(&self, protocol: Protocol) -> Result<CatchingUp<'static>> {
        let target = self.server.target(protocol)?;
        Ok(CatchingUp { target, topic: TOPIC, end: self.records as i64 })
    }

    /// Its files.
    pub(super) fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Into the page cache with it, or out of it.
    pub(super) fn prepare(&self, is_warm: bool) -> Result<()> {
        match is_warm {
            true => self.segments.warm(),
            false => self.segments.cool(),
        }
    }

    fn send_bare(&self, session: &Session<'_>) -> Result<Streamed> {
        let sides = session.sides();
        let source = Source::Files(self.segments.paths().to_vec());
        let mut walk = Walk::new(0);
        let streamed = stream(&source, sides.server, sides.load, |bytes| {
            walk.feed(bytes)?;
            Ok(false)
        })?;
        expect(walk.records(), self.records)?;
        Ok(streamed)
    }

    /// Reads everything once, and takes the time.
    pub(super) fn consume(&mut self, session: &Session<'_>, protocol: Protocol) -> Result<Caught> {
        let before = self.server.usage().unwrap_or_default();
        let read = self.catching_up(protocol)?.read_all(session.sides().load);
        let bytes_s = self.server.judge(read)?;
        let used = self.server.usage().unwrap_or_default().since(&before);
        Ok(Caught { bytes_s, server_cpu_s: used.cpu_s })
    }
}

/// A log of one partition, for a reader on a thread of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchingUp<'a> {
    target: Target,
    topic: &'a str,
    /// The offset that it ends before.
    pub(super) end: i64,
}

impl CatchingUp<'_> {
    /// A reader from the beginning on.
    pub(super) fn open(&self) -> Result<Reader> {
        let home = self.target.home(self.topic, 0)?;
        Reader::open(self.target.protocol, home, self.topic, &[(0, 0)])
    }

    /// Reads everything on the first of those processors, and gives the bytes a second.
    fn read_all(&self, cpus: &Cpus) -> Result<f64> {
        let start = Instant::now();
        let (records, bytes) = std::thread::scope(|scope| {
            joined(scope.spawn(|| {
                cpus.pin(0)?;
                let mut reader = self.open()?;
                reader.read_to(&[self.end])?;
                Ok((reader.records(), reader.bytes()))
            }))
        })?;
        let elapsed = start.elapsed().as_secs_f64();
        expect(records, self.end as u64)?;
        Ok(bytes as f64 / elapsed)
    }
}

fn expect(read: u64, written: u64) -> Result<()> {
    match read == written {
        true => Ok(()),
        false => Err(BenchError::Missing(format!("{written} were written, {read} were read"))),
    }
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}
