//! `bench limits`: what this machine can do, bare.

use std::fs;
use std::io::Write;
use std::time::Duration;

use super::bare::stream::{Source, drain};
use super::bare::{disk, echo, memory};
use super::error::{Result, Tried};
use super::load::dialect::Acks;
use super::load::{Plan, run_against_echo};
use super::payload::Payload;
use super::report::{Rows, Sample, Unit};
use super::session::{Session, Setup};
use super::target::Protocol;
use super::times::{PERCENTILES, Times};

/// Connections of the many round trips.
const CONNECTIONS: usize = 64;
/// The file that `sendfile` sends, again and again from the page cache.
const FILE_BYTES: usize = 64 << 20;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long each limit is measured.
    pub lasting: Duration,
    /// How often; medians are reported.
    pub rounds: usize,
}

/// Measures the limits and prints them.
///
/// # Errors
/// When the disk or the system refuses, or the folder lies in memory.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    Session::native_only(
        setup,
        "the machine has no protocol: `bench limits` takes no --protocol kafka",
    )?;
    let mut session = Session::open(setup)?;
    let mut rows = Rows::new();
    for _ in 0..options.rounds {
        disk_limits(&mut session, options.lasting, &mut rows)?;
        trip_limits(&mut session, options.lasting, &mut rows)?;
        stream_limits(&session, options.lasting, &mut rows)?;
        session.progress.say("memory");
        rows.add("copy", Unit::BytesPerSecond, Sample::alone(memory::copy(options.lasting)));
        rows.add("crc32c", Unit::BytesPerSecond, Sample::alone(memory::crc32c(options.lasting)));
    }
    rows.note("copy", "64 MiB from memory to memory");
    rows.note("crc32c", "over 1 MiB");
    session.finish(&rows.finish(), out)
}

fn disk_limits(session: &mut Session<'_>, lasting: Duration, rows: &mut Rows) -> Result<()> {
    session.progress.say("direct writes of 4 KiB");
    let (folder, cpus) = (session.folder().to_owned(), session.sides().server);
    let small = disk::small(&folder, cpus, lasting)?;
    add_times(rows, "write4k", &small, &["p50", "p99", "p999"]);
    rows.note("write4k.p50", "direct and durable, to zeroes");
    session.hdr.add("write4k", &small);
    for (name, target, what) in [
        ("zeroes1m", disk::Target::Zeroes, "to zeroes"),
        ("reserved1m", disk::Target::Reserved, "to a reserved file"),
    ] {
        for depth in [1, 2] {
            session.progress.say(format!("direct writes of 1 MiB {what}, {depth} at a time"));
            let large = disk::large(&folder, cpus, depth, target, lasting)?;
            let id = format!("{name}.d{depth}");
            rows.add(&id, Unit::BytesPerSecond, Sample::alone(large.bytes_s));
            rows.note(&id, format!("direct writes of 1 MiB {what}, {depth} at a time"));
            add_times(rows, &id, &large.times, &["p50", "p99"]);
            session.hdr.add(&id, &large.times);
        }
    }
    Ok(())
}

fn trip_limits(session: &mut Session<'_>, lasting: Duration, rows: &mut Rows) -> Result<()> {
    session.progress.say("round trips of 1 KB");
    let sides = session.sides();
    let trips = echo::round_trips(sides, lasting)?;
    add_times(rows, "trip1k", &trips, &["p50", "p99", "p999"]);
    rows.note("trip1k.p50", "1 KB there, 32 bytes back");
    session.hdr.add("trip1k", &trips);
    let payload = Payload::fixed(1000, 1)?;
    let plan = Plan {
        protocol: Protocol::Native,
        topic: "",
        payload: &payload,
        producers: CONNECTIONS,
        in_flight: 1,
        acks: Acks::All,
        rate: None,
        warm_up: lasting / 4,
        lasting,
        cpus: sides.load,
    };
    let rate = run_against_echo(&plan, sides.server)?;
    rows.add("trips64", Unit::TripsPerSecond, Sample::alone(rate));
    rows.note("trips64", "the same over 64 connections");
    Ok(())
}

fn stream_limits(session: &Session<'_>, lasting: Duration, rows: &mut Rows) -> Result<()> {
    session.progress.say("streams over loopback");
    let sides = session.sides();
    let path = session.folder().join("streamed");
    let written = fs::write(&path, vec![7; FILE_BYTES]);
    written.tried(|| format!("cannot write {}", path.display()))?;
    for (id, source) in
        [("write", Source::Memory(lasting)), ("sendfile", Source::Repeat(path.clone(), lasting))]
    {
        let streamed = drain(&source, sides.server, sides.load)?;
        rows.add(id, Unit::BytesPerSecond, Sample::alone(streamed.bytes_s));
        rows.add(format!("{id}.cpu"), Unit::SecondsPerGb, Sample::alone(streamed.cpu_s_gb));
        rows.note(id, "a loopback stream to a receiver that copies");
        rows.note(&format!("{id}.cpu"), "both sides together");
    }
    fs::remove_file(&path).tried(|| format!("cannot remove {}", path.display()))
}

fn add_times(rows: &mut Rows, id: &str, times: &Times, percentiles: &[&str]) {
    for (name, quantile) in PERCENTILES.iter().filter(|(name, _)| percentiles.contains(name)) {
        rows.add(format!("{id}.{name}"), Unit::Seconds, Sample::alone(times.at(*quantile)));
    }
}
