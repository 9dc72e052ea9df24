//! `ready10g` and `slowdisk`: a restart after a kill, and a disk that is held to a rate.

use super::{Scale, plan};
use crate::bench::bare::disk;
use crate::bench::error::{Result, Tried};
use crate::bench::load;
use crate::bench::payload::Payload;
use crate::bench::recovery;
use crate::bench::report::{Rows, Sample, Unit};
use crate::bench::session::{Session, Topic};
use crate::bench::slow_disk::SlowDisk;
use crate::bench::target::Protocol;

/// Bytes of a record.
const RECORD_BYTES: usize = 1000;
/// What the slow disk is held to.
const SLOW_BYTES_S: u64 = 125_000_000;

pub(super) const READY_ROWS: &[(&str, Unit)] =
    &[("ready10g.time", Unit::Seconds), ("ready10g.growth", Unit::Seconds)];

pub(super) const SLOW_ROWS: &[(&str, Unit)] = &[("slowdisk", Unit::BytesPerSecond)];

/// Once: writing the log takes longer than everything else.
pub(super) fn measure_ready(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let [small, large] = scale.recovered_bytes;
    let options = recovery::Options {
        log_bytes: Vec::new(),
        partitions: 1000,
        record_bytes: RECORD_BYTES,
        batch_records: 100,
        rounds: 1,
    };
    let before = recovery::ready_after_kill(session, &options, small)?;
    let after = recovery::ready_after_kill(session, &options, large)?;
    let mut rows = Rows::new();
    rows.add("ready10g.time", Unit::Seconds, Sample::beside(after.seconds, after.limit_s));
    rows.add("ready10g.growth", Unit::Seconds, Sample::beside(after.seconds, before.seconds));
    let mb = |bytes: u64| bytes / 1_000_000;
    rows.note("ready10g.time", format!("{} MB of log; {}", mb(large), after.note()));
    rows.note("ready10g.growth", format!("beside {} MB of log", mb(small)));
    Ok(rows)
}

/// Beside bare writes on the very disk that is held.
pub(super) fn measure_slow(session: &mut Session<'_>, scale: &Scale) -> Result<Rows> {
    let mut rows = Rows::new();
    let slow = match SlowDisk::new(session.folder(), SLOW_BYTES_S) {
        Ok(slow) => slow,
        Err(why) => {
            rows.add_absent("slowdisk", Unit::BytesPerSecond, why);
            return Ok(rows);
        }
    };
    let payload = Payload::fixed(RECORD_BYTES, 1000)?;
    let mut server = session.server()?;
    let held = server.pid().map_or(Ok(()), |pid| slow.hold(pid));
    held.tried(|| "cannot hold the server's disk".into())?;
    for round in 1..=scale.rounds {
        session.progress.say(format!("slowdisk, round {round} of {}", scale.rounds));
        let (cpus, target) = (session.sides().server, disk::Target::Reserved);
        let bare = slow.held(|| disk::large(session.folder(), cpus, 2, target, scale.lasting));
        let bare = bare.tried(|| "cannot hold this process's disk".into())??.bytes_s;
        let topic = Topic::new(&server, Protocol::Native, 1, &[])?;
        let load_cpus = &session.setup.load_cpus;
        let run = load::run(&plan(scale, topic.name(), &payload, load_cpus, (1, 12)), &mut server)?;
        rows.add("slowdisk", Unit::BytesPerSecond, Sample::beside(run.bytes_s(), bare));
    }
    server.stop()?;
    rows.note("slowdisk", "beside bare writes to the same disk, held to 125 MB/s");
    Ok(rows)
}
