//! `kafka`: the same loads over both protocols, on the same server, in turn.
//!
//! The native figure is the limit that the Kafka one stands beside. Which goes first changes from
//! round to round, so that a disk that tires does not count against one of them.

use super::lone::alone;
use super::{Scale, plan};
use crate::bench::consume::StoredLog;
use crate::bench::error::Result;
use crate::bench::load::{self, Plan};
use crate::bench::lone;
use crate::bench::payload::Payload;
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::server::Server;
use crate::bench::session::{KAFKA_LISTENER, Session, Topic};
use crate::bench::target::Protocol;

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;
/// Records of a batch.
const BATCH_RECORDS: usize = 1000;
/// Batches that are unanswered.
const IN_FLIGHT: usize = 12;
/// As many bytes as a native subscriber lets the server push.
const KAFKA: Protocol = Protocol::Kafka { fetch_bytes: 8 << 20 };

pub(super) const ROWS: &[(&str, Unit)] = &[
    ("kafka.append1.p50", Unit::Seconds),
    ("kafka.produce1k", Unit::BytesPerSecond),
    ("kafka.consume", Unit::BytesPerSecond),
];

pub(super) fn measure(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let payload = Payload::fixed(RECORD_BYTES, BATCH_RECORDS)?;
    let mut rows = Rows::new();
    let mut server = session.server_with(&KAFKA_LISTENER)?;
    // Lone appends go first: large batches leave a server and its disk with work to do.
    for round in 1..=scale.rounds {
        session.progress.say(format!("kafka.append1, round {round} of {}", scale.rounds));
        let appended = in_turn(round, |protocol| append(session, scale, &mut server, protocol))?;
        rows.add("kafka.append1.p50", Unit::Seconds, appended);
    }
    for round in 1..=scale.rounds {
        session.progress.say(format!("kafka.produce1k, round {round} of {}", scale.rounds));
        let produced =
            in_turn(round, |protocol| produce(session, scale, &mut server, &payload, protocol))?;
        rows.add("kafka.produce1k", Unit::BytesPerSecond, produced);
    }
    server.stop()?;
    let mut log = StoredLog::new(session, scale.read_bytes, &payload, &KAFKA_LISTENER)?;
    // A server checks what it did not write itself when it is first read.
    log.consume(session, Protocol::Native)?;
    for round in 1..=scale.rounds {
        session.progress.say(format!("kafka.consume, round {round} of {}", scale.rounds));
        let read = in_turn(round, |protocol| {
            log.prepare(true)?;
            Ok(log.consume(session, protocol)?.bytes_s)
        })?;
        rows.add("kafka.consume", Unit::BytesPerSecond, read);
    }
    log.server.stop()?;
    rows.note("kafka.produce1k", "over Kafka's protocol; beside the same load over the native one");
    rows.note("kafka.consume", "warm, 8 MiB a fetch; beside native pushes of the same log");
    rows.note("kafka.append1.p50", "beside a native append of the same server");
    Ok(rows)
}

/// Kafka's figure beside the native one.
fn in_turn(round: usize, mut measure: impl FnMut(Protocol) -> Result<f64>) -> Result<Sample> {
    if round.is_multiple_of(2) {
        let kafka = measure(KAFKA)?;
        return Ok(Sample::beside(kafka, measure(Protocol::Native)?));
    }
    let native = measure(Protocol::Native)?;
    Ok(Sample::beside(measure(KAFKA)?, native))
}

/// Bytes of values a second.
fn produce(
    session: &Session<'_>,
    scale: &Scale,
    server: &mut Server,
    payload: &Payload,
    protocol: Protocol,
) -> Result<f64> {
    let topic = Topic::new(server, protocol, 1, &[])?;
    let cpus = &session.setup.load_cpus;
    let native = plan(scale, topic.name(), payload, cpus, (1, IN_FLIGHT));
    Ok(load::run(&Plan { protocol, ..native }, server)?.bytes_s())
}

/// Half of the lone appends take no longer, in seconds.
fn append(
    session: &mut Session<'_>,
    scale: &Scale,
    server: &mut Server,
    protocol: Protocol,
) -> Result<f64> {
    let topic = Topic::new(server, protocol, 1, &[])?;
    let times = lone::appends(server, &alone(session, scale, protocol, topic.name()))?;
    let tag = if protocol == Protocol::Native { "append1-beside-kafka" } else { "kafka-append1" };
    session.hdr.add(tag, &times);
    Ok(times.at(0.5))
}
