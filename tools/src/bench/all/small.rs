//! `produce100`: records of 100 bytes in batches of 1,000, as fast as it goes; and the same by the
//! Rust client, which makes the batches while it sends.

use super::{Scale, plan};
use crate::bench::beside::StreamLimit;
use crate::bench::error::Result;
use crate::bench::load;
use crate::bench::payload::Payload;
use crate::bench::real_client;
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::session::{Session, Topic};
use crate::bench::target::Protocol;

/// Bytes of a record.
const RECORD_BYTES: usize = 100;
/// Records of a batch.
const BATCH_RECORDS: usize = 1000;
/// Batches that are unanswered: about as many bytes as of the large ones.
const IN_FLIGHT: usize = 64;

pub(super) const ROWS: &[(&str, Unit)] = &[
    ("produce100", Unit::RecordsPerSecond),
    ("produce100.client", Unit::RecordsPerSecond),
    ("produce100.client_cpu", Unit::Fraction),
];

pub(super) fn measure(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let mut server = session.server()?;
    let payload = Payload::fixed(RECORD_BYTES, BATCH_RECORDS)?;
    let record_bytes = payload.batch(0).bytes.len() as f64 / BATCH_RECORDS as f64;
    let mut rows = Rows::new();
    let cpus = &session.setup.load_cpus;
    for round in 1..=scale.rounds {
        let limit = StreamLimit::measure(session, scale.limit)?.least() / record_bytes;
        session.progress.say(format!("produce100, round {round} of {}", scale.rounds));
        let topic = Topic::new(&server, Protocol::Native, 1, &[])?;
        let plan = plan(scale, topic.name(), &payload, cpus, (1, IN_FLIGHT));
        let rate = load::run(&plan, &mut server)?.records_s();
        rows.add("produce100", Unit::RecordsPerSecond, Sample::beside(rate, limit));
        let topic = Topic::new(&server, Protocol::Native, 1, &[])?;
        let (what, time) = ((RECORD_BYTES, BATCH_RECORDS), (scale.warm_up, scale.lasting));
        let client = real_client::produce(&mut server, topic.name(), cpus, what, time)?;
        let beside = Sample::beside(client.records_s, rate);
        rows.add("produce100.client", Unit::RecordsPerSecond, beside);
        if let Some(share) = client.client_share {
            rows.add("produce100.client_cpu", Unit::Fraction, Sample::alone(share));
        }
    }
    server.stop()?;
    rows.note("produce100", "batches made before; beside what loopback and disk take");
    rows.note("produce100.client", "by the Rust client; beside batches made before");
    rows.note("produce100.client_cpu", "the Rust client's share of all processor time");
    Ok(rows)
}
