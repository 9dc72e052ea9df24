//! `single64` and `partitions1000`: many producers, one record at a time each.

use super::{Scale, plan};
use crate::bench::error::Result;
use crate::bench::load;
use crate::bench::partitions;
use crate::bench::payload::Payload;
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::session::{Session, Topic};
use crate::bench::target::Protocol;

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;
const PRODUCERS: usize = 64;

pub(super) const ROWS: &[(&str, Unit)] = &[
    ("single64", Unit::RecordsPerSecond),
    ("partitions1000.rate", Unit::RecordsPerSecond),
    ("partitions1000.p99", Unit::Seconds),
];

pub(super) fn measure(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let payload = Payload::fixed(RECORD_BYTES, 1)?;
    let mut server = session.server()?;
    let mut rows = Rows::new();
    for round in 1..=scale.rounds {
        session.progress.say(format!("single64, round {round} of {}", scale.rounds));
        let topic = Topic::new(&server, Protocol::Native, 1, &[])?;
        let sides = session.sides();
        let plan = plan(scale, topic.name(), &payload, sides.load, (PRODUCERS, 1));
        let echo = load::run_against_echo(&plan, sides.server)?;
        let run = load::run(&plan, &mut server)?;
        session.hdr.add("single64", &run.tally.times);
        rows.add("single64", Unit::RecordsPerSecond, Sample::beside(run.records_s(), echo));
    }
    server.stop()?;
    rows.note("single64", "beside a bare echo server and the same client");
    let options = partitions::Options {
        partitions: vec![1, 1000],
        producers: PRODUCERS,
        record_bytes: RECORD_BYTES,
        warm_up: scale.warm_up,
        lasting: scale.lasting,
        rounds: scale.rounds,
    };
    rows.append(partitions::measure(session, &options)?.without("partitions1."));
    Ok(rows)
}
