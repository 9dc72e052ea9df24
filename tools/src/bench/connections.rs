//! `bench connections`: thousands of connections that say nothing, and some that do.

use std::io::Write;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::{BenchError, Result, Tried};
use super::load::dialect::Acks;
use super::load::{self, Plan};
use super::payload::Payload;
use super::report::{Rows, Sample, Unit};
use super::server::Server;
use super::session::{Session, Setup, Topic};
use super::target::Protocol;
use super::times::Times;

/// Files that are open besides connections.
const OTHER_FILES: u64 = 1000;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections that say hello and then nothing.
    pub idle: usize,
    /// Connections that append one record at a time.
    pub active: usize,
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Before anything counts.
    pub warm_up: Duration,
    /// How long the active ones are measured, without and with the idle ones.
    pub lasting: Duration,
    /// How often, each with a server of its own; medians are reported.
    pub rounds: usize,
}

/// Measures and prints what came of it.
///
/// # Errors
/// When the server dies or refuses a connection, or so many can't be had.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    let mut session = Session::open(setup)?;
    let rows = measure(&mut session, options, "idle")?;
    session.finish(&rows.finish(), out)
}

/// The rows `ID.memory` and `ID.p99`.
pub(super) fn measure(session: &mut Session<'_>, options: &Options, id: &str) -> Result<Rows> {
    raise_file_limit(options.idle as u64)?;
    let payload = Payload::fixed(options.record_bytes, 1)?;
    let mut rows = Rows::new();
    for round in 1..=options.rounds {
        let (idle, of) = (options.idle, options.rounds);
        session.progress.say(format!("beside {idle} idle connections, round {round} of {of}"));
        let beside = measure_once(session, options, &payload)?;
        session.hdr.add("active-alone", &beside.alone);
        session.hdr.add("active-beside-idle", &beside.beside_idle);
        if let Some(grown) = beside.grown_bytes {
            let each = Sample::alone(grown as f64 / options.idle as f64);
            rows.add(format!("{id}.memory"), Unit::Bytes, each);
        }
        let p99 = Sample::beside(beside.beside_idle.at(0.99), beside.alone.at(0.99));
        rows.add(format!("{id}.p99"), Unit::Seconds, p99);
    }
    let active = options.active;
    rows.note(&format!("{id}.memory"), format!("of user memory for each of {}", options.idle));
    rows.note(&format!("{id}.p99"), format!("of {active} active ones; beside theirs alone"));
    Ok(rows)
}

/// What one server did.
struct Beside {
    alone: Times,
    beside_idle: Times,
    /// User memory that the idle connections took; none of a server that runs elsewhere.
    grown_bytes: Option<u64>,
}

fn measure_once(session: &mut Session<'_>, options: &Options, payload: &Payload) -> Result<Beside> {
    let mut server = session.server()?;
    let protocol = session.setup.protocol;
    let topic = Topic::new(&server, protocol, 1, &[])?;
    let plan = Plan {
        protocol,
        topic: topic.name(),
        payload,
        producers: options.active,
        in_flight: 1,
        acks: Acks::All,
        rate: None,
        warm_up: options.warm_up,
        lasting: options.lasting,
        cpus: &session.setup.load_cpus,
    };
    let alone = load::run(&plan, &mut server)?.tally.times;
    let before = server.usage();
    let idle = connect(&mut server, protocol, options.idle)?;
    let grown_bytes = before
        .zip(server.usage())
        .map(|(before, after)| after.anonymous_bytes.saturating_sub(before.anonymous_bytes));
    let beside_idle = load::run(&plan, &mut server)?.tally.times;
    drop(idle);
    drop(topic);
    server.stop()?;
    Ok(Beside { alone, beside_idle, grown_bytes })
}

/// Connections that have said hello.
fn connect(
    server: &mut Server,
    protocol: Protocol,
    count: usize,
) -> Result<Vec<std::net::TcpStream>> {
    let target = server.target(protocol)?;
    let connected = (0..count).map(|_| target.greet()).collect();
    server.judge(connected)
}

/// Both ends of each connection are files, of this process and of the server, which inherits its
/// limit.
fn raise_file_limit(connections: u64) -> Result<()> {
    let wanted = connections + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < wanted) {
        let what =
            format!("{wanted} open files are not allowed here: raise the limit (ulimit -Hn)");
        return Err(BenchError::Usage(what));
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).tried(|| "cannot raise the limit on open files".into())
}
