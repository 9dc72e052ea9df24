//! `bench recovery`: how long a killed server takes to be ready again, by what is in its log.
//!
//! It is killed when its journals are as full as they get. What a restart costs is what they hold,
//! so a log a hundred times as large should take no longer. Beside it stands what the disk takes to
//! write as much as the journals hold: into the segments it has to go.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::bare::disk;
use super::error::{BenchError, Result, Tried};
use super::fill::Fill;
use super::payload::Payload;
use super::report::{Rows, Sample, Unit};
use super::server::Server;
use super::session::{Session, Setup};
use super::target::Protocol;

/// The topic that is recovered.
const TOPIC: &str = "bench-recovery";
/// How long the disk is measured.
const LIMIT_TIME: Duration = Duration::from_millis(500);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of the log, a row each.
    pub log_bytes: Vec<u64>,
    /// Partitions that it is spread over.
    pub partitions: u32,
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Records of a batch.
    pub batch_records: usize,
    /// How often; medians are reported.
    pub rounds: usize,
}

/// Measures and prints what came of it.
///
/// # Errors
/// When the server does not come up again, or a record is missing afterwards.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    Session::native_only(
        setup,
        "a restart is the same whatever clients speak: `bench recovery` is native alone",
    )?;
    if setup.server.is_some() {
        let what = "a server that runs elsewhere can't be killed: `bench recovery` starts its own";
        return Err(BenchError::Usage(what.into()));
    }
    let mut session = Session::open(setup)?;
    let mut rows = Rows::new();
    for _ in 0..options.rounds {
        for &log_bytes in &options.log_bytes {
            let ready = ready_after_kill(&mut session, options, log_bytes)?;
            let id = format!("recovery.{}mb", log_bytes / 1_000_000);
            rows.add(&id, Unit::Seconds, Sample::beside(ready.seconds, ready.limit_s));
            rows.note(&id, ready.note());
        }
    }
    session.finish(&rows.finish(), out)
}

/// What a restart took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) seconds: f64,
    /// What a bare disk takes to write what the journals hold.
    pub(super) limit_s: f64,
    journal_bytes: u64,
}

impl Ready {
    pub(super) fn note(&self) -> String {
        let mb = self.journal_bytes / 1_000_000;
        format!("beside writing as much as is in the journals, {mb} MB")
    }
}

/// Fills a log, kills the server, and starts it again.
pub(super) fn ready_after_kill(
    session: &mut Session<'_>,
    options: &Options,
    log_bytes: u64,
) -> Result<Ready> {
    let payload = Payload::fixed(options.record_bytes, options.batch_records)?;
    let data = session.fresh_data();
    let mut server = session.start_keeping(&data, &[])?;
    session.progress.say(format!("writing a log of {} MB", log_bytes / 1_000_000));
    let filled = fill(&server, options, log_bytes, &payload);
    let records = server.judge(filled)?;
    let used = server.usage().is_some().then(|| journal_bytes(&data));
    server.kill();
    let (sides, target) = (session.sides(), disk::Target::Reserved);
    let disk = disk::large(session.folder(), sides.server, 2, target, LIMIT_TIME)?.bytes_s;
    session.progress.say("starting the killed server again");
    let server = session.start_on(&data, &[])?;
    let seconds = server.ready_after().as_secs_f64();
    expect(&server, records)?;
    server.stop()?;
    let journal_bytes = used.transpose()?.unwrap_or(0);
    Ok(Ready { seconds, limit_s: journal_bytes as f64 / disk, journal_bytes })
}

fn fill(server: &Server, options: &Options, log_bytes: u64, payload: &Payload) -> Result<u64> {
    let target = server.target(Protocol::Native)?;
    target.create(TOPIC, options.partitions, &[])?;
    let mut fill = Fill::open(target, TOPIC, payload)?;
    fill.up_to(log_bytes)?;
    fill.until_journals_are_full()
}

/// Bytes of the journal files.
fn journal_bytes(data: &Path) -> Result<u64> {
    let mut folders = vec![data.join(".duramen")];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        let tried = || format!("cannot list {}", folder.display());
        for entry in fs::read_dir(&folder).tried(tried)? {
            let path = entry.tried(tried)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry_name(&path).starts_with("journal-") {
                bytes += path.metadata().map_or(0, |metadata| metadata.len());
            }
        }
    }
    Ok(bytes)
}

fn entry_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

fn expect(server: &Server, records: u64) -> Result<()> {
    let there = server.target(Protocol::Native)?.records(TOPIC)?;
    match there == records {
        true => Ok(()),
        false => {
            let what = format!("{records} were acknowledged, {there} are there after the kill");
            Err(BenchError::Missing(what))
        }
    }
}
