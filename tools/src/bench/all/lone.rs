//! `append1` and `push`: one record at a time.

use super::Scale;
use crate::bench::beside::LoneLimit;
use crate::bench::error::Result;
use crate::bench::lone;
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::session::{Session, Topic};

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;

pub(super) const ROWS: &[(&str, Unit)] =
    &[("append1.p50", Unit::Seconds), ("append1.p99", Unit::Seconds), ("push.p50", Unit::Seconds)];

pub(super) fn measure(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let mut server = session.server()?;
    let mut rows = Rows::new();
    let time = (scale.warm_up, scale.lasting);
    for round in 1..=scale.rounds {
        let limit = LoneLimit::measure(session, scale.limit)?;
        session.progress.say(format!("append1, round {round} of {}", scale.rounds));
        let cpus = &session.setup.load_cpus;
        let topic = Topic::new(&server, 1, &[])?;
        let appends = lone::appends(&mut server, topic.name(), cpus, RECORD_BYTES, time)?;
        for (id, quantile) in [("append1.p50", 0.5), ("append1.p99", 0.99)] {
            let sample = Sample::beside(appends.at(quantile), limit.at(quantile));
            rows.add(id, Unit::Seconds, sample);
        }
        session.progress.say(format!("push, round {round} of {}", scale.rounds));
        let topic = Topic::new(&server, 1, &[])?;
        let pushes = lone::pushes(&mut server, topic.name(), cpus, RECORD_BYTES, time)?;
        rows.add("push.p50", Unit::Seconds, Sample::beside(pushes.at(0.5), limit.at(0.5)));
        session.hdr.add("append1", &appends);
        session.hdr.add("push", &pushes);
    }
    server.stop()?;
    rows.note("append1.p50", "beside a bare write and a bare round trip");
    rows.note("push.p50", "beside a bare write and two one-way trips; the difference counts");
    Ok(rows)
}
