//! `bench consume`: how fast a reader catches up, from the page cache and from the disk.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use super::bare::joined;
use super::bare::stream::{Source, Streamed, stream};
use super::error::{BenchError, Result};
use super::fill::Fill;
use super::load::reader::Reader;
use super::load::walk::Walk;
use super::payload::Payload;
use super::report::{Rows, Sample, Unit};
use super::segments::Segments;
use super::server::Server;
use super::session::{Session, Setup};
use super::wire::Wire;

/// The topic that is read.
const TOPIC: &str = "bench-consume";
/// Several of them, so that most of the log is sealed, as most of any log is.
const SEGMENT_BYTES: &str = "268435456";

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
/// When the server dies or a record is missing, or it is not one of our own.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    if setup.server.is_some() {
        let what = "the files of a server that runs elsewhere can't be sent bare, nor taken out of \
                    the page cache: `bench consume` starts its own";
        return Err(BenchError::Usage(what.into()));
    }
    let mut session = Session::open(setup)?;
    let rows = measure(&mut session, options)?;
    session.finish(&rows.finish(), out)
}

/// The rows `consume.warm` and `consume.cold`, and what they cost the server.
pub(super) fn measure(session: &mut Session<'_>, options: &Options) -> Result<Rows> {
    let payload = Payload::fixed(options.record_bytes, options.batch_records)?;
    let mut log = StoredLog::new(session, options.log_bytes, &payload)?;
    let mut rows = Rows::new();
    // A server checks what it did not write itself when it is first read.
    session.progress.say("reading everything once");
    log.consume(session)?;
    for round in 1..=options.rounds {
        for (id, is_warm) in [("consume.warm", true), ("consume.cold", false)] {
            session.progress.say(format!("{id}, round {round} of {}", options.rounds));
            log.prepare(is_warm)?;
            let bare = log.send_bare(session)?;
            log.prepare(is_warm)?;
            let read = log.consume(session)?;
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
struct Caught {
    bytes_s: f64,
    server_cpu_s: f64,
}

impl StoredLog {
    /// Writes one. The server is started anew behind that, so that the files have their lengths.
    pub(super) fn new(
        session: &mut Session<'_>,
        log_bytes: u64,
        payload: &Payload,
    ) -> Result<StoredLog> {
        session.progress.say(format!("writing a log of {} MB", log_bytes / 1_000_000));
        let data = session.fresh_data();
        let mut server = session.start_keeping(&data, &[])?;
        let fill = |server: &Server| {
            let mut wire = Wire::connect(server.address())?;
            wire.create(TOPIC, 1, &[("segment.bytes", SEGMENT_BYTES)])?;
            Fill::open(server, TOPIC, payload)?.up_to(log_bytes)
        };
        let filled = fill(&server);
        let records = server.judge(filled)?;
        server.stop()?;
        let segments = Segments::of(&data, TOPIC, 0)?;
        let server = session.start_on(&data, &[])?;
        let bytes = segments.paths().iter().map(|path| length(path)).sum();
        Ok(StoredLog { server, segments, records, bytes })
    }

    /// What somebody needs to read it while the server is busy with others.
    pub(super) fn catching_up(&self) -> CatchingUp {
        CatchingUp {
            address: self.server.address(),
            segments: self.segments.clone(),
            end: self.records as i64,
        }
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

    fn consume(&mut self, session: &Session<'_>) -> Result<Caught> {
        let before = self.server.usage().unwrap_or_default();
        let start = Instant::now();
        let read = self.read_all(session);
        let elapsed = start.elapsed().as_secs_f64();
        let bytes = self.server.judge(read)?;
        let used = self.server.usage().unwrap_or_default().since(&before);
        Ok(Caught { bytes_s: bytes as f64 / elapsed, server_cpu_s: used.cpu_s })
    }

    fn read_all(&self, session: &Session<'_>) -> Result<u64> {
        let catching_up = self.catching_up();
        let cpus = session.sides().load;
        let (records, bytes) = std::thread::scope(|scope| {
            joined(scope.spawn(|| {
                cpus.pin(0)?;
                let mut reader = catching_up.subscribe()?;
                reader.read_to(&[catching_up.end])?;
                Ok((reader.records(), reader.bytes()))
            }))
        })?;
        expect(records, self.records)?;
        Ok(bytes)
    }
}

/// A stored log, for a reader on a thread of its own.
#[derive(Clone, Debug)]
pub(super) struct CatchingUp {
    address: SocketAddr,
    pub(super) segments: Segments,
    /// The offset that it ends before.
    pub(super) end: i64,
}

impl CatchingUp {
    /// A reader from the beginning on.
    pub(super) fn subscribe(&self) -> Result<Reader> {
        let owner = Wire::connect(self.address)?.describe(TOPIC)?.partitions[0].core;
        Reader::subscribe(self.address, owner, TOPIC, &[(0, 0)])
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
