//! `append1` and `push`: one record at a time.

use super::Scale;
use crate::bench::beside::LoneLimit;
use crate::bench::error::Result;
use crate::bench::lone::{self, Alone};
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::session::{Session, Topic};
use crate::bench::target::Protocol;

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;

pub(super) const ROWS: &[(&str, Unit)] =
    &[("append1.p50", Unit::Seconds), ("append1.p99", Unit::Seconds), ("push.p50", Unit::Seconds)];

pub(super) fn measure(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let mut server = session.server()?;
    let mut rows = Rows::new();
    for round in 1..=scale.rounds {
        let limit = LoneLimit::measure(session, scale.limit)?;
        session.progress.say(format!("append1, round {round} of {}", scale.rounds));
        let topic = Topic::new(&server, Protocol::Native, 1, &[])?;
        let alone = alone(session, scale, Protocol::Native, topic.name());
        let appends = lone::appends(&mut server, &alone)?;
        for (id, quantile) in [("append1.p50", 0.5), ("append1.p99", 0.99)] {
            let sample = Sample::beside(appends.at(quantile), limit.at(quantile));
            rows.add(id, Unit::Seconds, sample);
        }
        session.progress.say(format!("push, round {round} of {}", scale.rounds));
        let topic = Topic::new(&server, Protocol::Native, 1, &[])?;
        let pushes = lone::pushes(&mut server, &Alone { topic: topic.name(), ..alone })?;
        rows.add("push.p50", Unit::Seconds, Sample::beside(pushes.at(0.5), limit.at(0.5)));
        session.hdr.add("append1", &appends);
        session.hdr.add("push", &pushes);
    }
    server.stop()?;
    rows.note("append1.p50", "beside a bare write and a bare round trip");
    rows.note("push.p50", "beside a bare write and two one-way trips; the difference counts");
    Ok(rows)
}

/// One record at a time to a topic, for a round.
pub(super) fn alone<'a>(
    session: &Session<'a>,
    scale: &Scale,
    protocol: Protocol,
    topic: &'a str,
) -> Alone<'a> {
    Alone {
        protocol,
        topic,
        cpus: &session.setup.load_cpus,
        record_bytes: RECORD_BYTES,
        warm_up: scale.warm_up,
        lasting: scale.lasting,
    }
}
