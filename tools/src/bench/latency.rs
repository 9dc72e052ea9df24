//! `bench latency`: one record at a time, durable, from its producer to a subscriber.

use std::io::Write;
use std::time::Duration;

use super::beside::LoneLimit;
use super::error::Result;
use super::lone::{self, Alone};
use super::report::Rows;
use super::session::{Session, Setup, Topic};

/// How long the limits beside a run are measured at most, each.
const LIMIT_TIME_MAX: Duration = Duration::from_millis(500);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Before anything counts.
    pub warm_up: Duration,
    /// How long each way is measured.
    pub lasting: Duration,
    /// How often; medians are reported.
    pub rounds: usize,
}

/// Measures and prints what came of it.
///
/// # Errors
/// When the server dies, refuses a record, or one is missing.
pub fn run(setup: &Setup, options: &Options, out: &mut dyn Write) -> Result<()> {
    let mut session = Session::open(setup)?;
    let mut server = session.server()?;
    let mut rows = Rows::new();
    let protocol = setup.protocol;
    for round in 1..=options.rounds {
        let limit = LoneLimit::measure(&session, options.lasting.min(LIMIT_TIME_MAX))?;
        session.progress.say(format!("one at a time, round {round} of {}", options.rounds));
        let topic = Topic::new(&server, protocol, 1, &[])?;
        let alone = Alone {
            protocol,
            topic: topic.name(),
            cpus: &setup.load_cpus,
            record_bytes: options.record_bytes,
            warm_up: options.warm_up,
            lasting: options.lasting,
        };
        let appends = lone::appends(&mut server, &alone)?;
        rows.add_percentiles("append", &appends, |quantile| Some(limit.at(quantile)));
        session.hdr.add("append", &appends);
        let topic = Topic::new(&server, protocol, 1, &[])?;
        let pushes = lone::pushes(&mut server, &Alone { topic: topic.name(), ..alone })?;
        rows.add_percentiles("push", &pushes, |quantile| Some(limit.at(quantile)));
        session.hdr.add("push", &pushes);
    }
    server.stop()?;
    rows.note("append.p50", "until acknowledged; beside a bare write and a bare round trip");
    rows.note("push.p50", "until a consumer at the log's end has it; beside the same");
    session.finish(&rows.finish(), out)
}
