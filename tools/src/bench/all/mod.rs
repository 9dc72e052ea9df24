//! `bench all`: every row of the table, in one run.
//!
//! ```text
//! lone       append1, push                 one record at a time
//! streams    produce1k, nosync, paced      large batches, and an even rate
//! small      produce100                    records of 100 bytes, and the Rust client
//! many       single64, partitions1000      many producers, many partitions
//! reads      consume, fanout20, mixed      catching up, fan-out, both at once
//! kafka      kafka.produce1k and others    the same over both protocols
//! sizes      idle10k, rss                  memory
//! disks      ready10g, slowdisk            a restart, and a disk that is slow
//! ```
//! A group that fails costs its own rows and no others: they stand without a value and with the
//! reason, the rest goes on, and in the end the whole run has failed.

mod disks;
mod kafka;
mod lone;
mod many;
mod reads;
mod sizes;
mod small;
mod streams;

use std::io::Write;
use std::time::Duration;

use super::cpus::Cpus;
use super::error::{BenchError, Result};
use super::load::Plan;
use super::load::dialect::Acks;
use super::payload::Payload;
use super::report::{Row, Rows, Unit};
use super::session::{Session, Setup};
use super::target::Protocol;

/// How thoroughly.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// In three minutes instead of twenty: shorter rounds, fewer of them, smaller logs.
    pub quick: bool,
    /// The ids of those that are wanted, with those that are measured with them; all if empty.
    pub rows: Vec<String>,
}

/// How long and how large everything is.
#[derive(Clone, Copy, Debug)]
struct Scale {
    rounds: usize,
    warm_up: Duration,
    lasting: Duration,
    /// Each limit beside a round.
    limit: Duration,
    /// The long run at an even rate.
    paced: Duration,
    /// The log that is read.
    read_bytes: u64,
    /// The logs that are recovered.
    recovered_bytes: [u64; 2],
    idle: usize,
}

const FULL: Scale = Scale {
    rounds: 5,
    warm_up: Duration::from_millis(1000),
    lasting: Duration::from_millis(3000),
    limit: Duration::from_millis(1000),
    paced: Duration::from_secs(60),
    read_bytes: 768 << 20,
    recovered_bytes: [100_000_000, 10_000_000_000],
    idle: 10_000,
};

const QUICK: Scale = Scale {
    rounds: 3,
    warm_up: Duration::from_millis(300),
    lasting: Duration::from_millis(1000),
    limit: Duration::from_millis(300),
    paced: Duration::from_secs(5),
    read_bytes: 128 << 20,
    recovered_bytes: [100_000_000, 1_000_000_000],
    idle: 10_000,
};

/// Rows that are measured together: their ids, and how.
struct Group {
    rows: &'static [(&'static str, Unit)],
    measure: fn(&mut Session<'_>, &Scale) -> Result<Rows>,
}

impl Group {
    fn has(&self, id: &str) -> bool {
        self.rows.iter().any(|row| row.0 == id)
    }
}

const GROUPS: &[Group] = &[
    Group { rows: lone::ROWS, measure: lone::measure },
    Group { rows: streams::ROWS, measure: streams::measure },
    Group { rows: small::ROWS, measure: small::measure },
    Group { rows: many::ROWS, measure: many::measure },
    Group { rows: reads::CONSUME_ROWS, measure: reads::measure_consume },
    Group { rows: reads::FANOUT_ROWS, measure: reads::measure_fanout },
    Group { rows: reads::MIXED_ROWS, measure: reads::measure_mixed },
    Group { rows: kafka::ROWS, measure: kafka::measure },
    Group { rows: sizes::IDLE_ROWS, measure: sizes::measure_idle },
    Group { rows: sizes::RSS_ROWS, measure: sizes::measure_rss },
    Group { rows: disks::READY_ROWS, measure: disks::measure_ready },
    Group { rows: disks::SLOW_ROWS, measure: disks::measure_slow },
];

/// Measures everything and prints it.
///
/// # Errors
/// When a group of rows could not be measured; the others were, and are printed.
pub fn run(setup: &Setup, options: Options, out: &mut dyn Write) -> Result<()> {
    Session::native_only(
        setup,
        "`bench all` measures both protocols: its rows kafka.* are among the others",
    )?;
    if setup.server.is_some() {
        let what = "`bench all` kills and restarts servers: it starts its own";
        return Err(BenchError::Usage(what.into()));
    }
    if let Some(id) = options.rows.iter().find(|id| !GROUPS.iter().any(|group| group.has(id))) {
        let ids: Vec<&str> = GROUPS.iter().flat_map(|group| group.rows).map(|row| row.0).collect();
        let what = format!("--rows: there is no row {id:?}, but {}", ids.join(", "));
        return Err(BenchError::Usage(what));
    }
    let is_wanted =
        |group: &&Group| options.rows.is_empty() || options.rows.iter().any(|id| group.has(id));
    let scale = if options.quick { QUICK } else { FULL };
    let mut session = Session::open(setup)?;
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for group in GROUPS.iter().filter(is_wanted) {
        match (group.measure)(&mut session, &scale) {
            Ok(measured) => rows.extend(measured.finish()),
            Err(error) => {
                let why = error.to_string();
                let absent = |&(id, unit): &(&str, Unit)| Row::absent(id, unit, first_line(&why));
                rows.extend(group.rows.iter().map(absent));
                failures.push(format!("{}: {why}", group.rows[0].0));
            }
        }
    }
    session.finish(&rows, out)?;
    match failures.is_empty() {
        true => Ok(()),
        false => Err(BenchError::Rows(failures.join("\n"))),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// A closed loop on one topic, for a round.
fn plan<'a>(
    scale: &Scale,
    topic: &'a str,
    payload: &'a Payload,
    cpus: &'a Cpus,
    (producers, in_flight): (usize, usize),
) -> Plan<'a> {
    Plan {
        protocol: Protocol::Native,
        topic,
        payload,
        producers,
        in_flight,
        acks: Acks::All,
        rate: None,
        warm_up: scale.warm_up,
        lasting: scale.lasting,
        cpus,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_has_a_group() {
        let ids: Vec<&str> = GROUPS.iter().flat_map(|group| group.rows).map(|row| row.0).collect();
        for id in [
            "append1.p50",
            "append1.p99",
            "produce1k",
            "produce1k.p16",
            "produce100",
            "paced.p999",
            "single64",
            "partitions1000.rate",
            "partitions1000.p99",
            "consume.warm",
            "consume.cold",
            "push.p50",
            "fanout20.rate",
            "fanout20.cpu",
            "mixed",
            "nosync",
            "idle10k.memory",
            "idle10k.p99",
            "ready10g.time",
            "ready10g.growth",
            "rss",
            "slowdisk",
            "kafka.produce1k",
            "kafka.consume",
            "kafka.append1.p50",
        ] {
            assert_eq!(ids.iter().filter(|known| **known == id).count(), 1, "{id}");
        }
    }
}
