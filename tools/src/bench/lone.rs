//! One record at a time, with nothing else under way: what a latency-sensitive producer sees.

use std::time::{Duration, Instant};

use super::cpus::Cpus;
use super::error::{BenchError, Result};
use super::load::appender::Appender;
use super::load::dialect::{Acks, Opening};
use super::load::reader::Reader;
use super::payload::Payload;
use super::server::Server;
use super::target::{Protocol, Target};
use super::times::{Times, repeat};
use super::wire::PATIENCE;

/// A producer that waits for each of its records.
struct Lone {
    appender: Appender,
    frame: Vec<u8>,
    /// The offset that comes next.
    next: i64,
}

impl Lone {
    fn connect(target: &Target, topic: &str, record_bytes: usize) -> Result<Lone> {
        let home = target.home(topic, 0)?;
        let opening = Opening { home, topic, partitions: &[0], acks: Acks::All };
        let mut appender = Appender::open(target.protocol, &opening)?;
        let frame = appender.frame(0, &Payload::fixed(record_bytes, 1)?.batch(0).bytes)?;
        Ok(Lone { appender, frame, next: 0 })
    }

    fn send(&mut self) -> Result<()> {
        self.appender.send(&self.frame)
    }

    fn acknowledged(&mut self) -> Result<()> {
        let offset = self.appender.acknowledged()?;
        if offset != self.next {
            let what = format!("offset {offset} was given where {} was due", self.next);
            return Err(BenchError::Missing(what));
        }
        self.next += 1;
        Ok(())
    }
}

/// What to measure, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alone<'a> {
    pub(crate) protocol: Protocol,
    /// A new topic.
    pub(crate) topic: &'a str,
    /// The processors of the load.
    pub(crate) cpus: &'a Cpus,
    /// Bytes of a record's value.
    pub(crate) record_bytes: usize,
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    pub(crate) lasting: Duration,
}

/// From the sending of an append until it is acknowledged, one at a time, to a new topic.
///
/// # Errors
/// When the server dies, refuses, or loses count.
pub(crate) fn appends(server: &mut Server, alone: &Alone<'_>) -> Result<Times> {
    let measure = |server: &Server| {
        alone.cpus.pin(0)?;
        let target = server.target(alone.protocol)?;
        let mut lone = Lone::connect(&target, alone.topic, alone.record_bytes)?;
        let mut once = || {
            lone.send()?;
            lone.acknowledged()
        };
        repeat(alone.warm_up, &mut once)?;
        repeat(alone.lasting, once)
    };
    let times = measure(server);
    alone.cpus.allow()?;
    server.judge(times)
}

/// From the sending of an append until a consumer at the log's end has it, one at a time, to a new
/// topic.
///
/// # Errors
/// As for [`appends`].
pub(crate) fn pushes(server: &mut Server, alone: &Alone<'_>) -> Result<Times> {
    let measure = |server: &Server| {
        alone.cpus.pin(0)?;
        let target = server.target(alone.protocol)?;
        let mut lone = Lone::connect(&target, alone.topic, alone.record_bytes)?;
        let home = target.home(alone.topic, 0)?;
        let mut reader = Reader::open(alone.protocol, home, alone.topic, &[(0, 0)])?;
        let (mut times, end) = (Times::new(), Instant::now() + alone.warm_up + alone.lasting);
        let from = end - alone.lasting;
        loop {
            // A consumer that has to ask has asked before the record is there.
            reader.ask()?;
            let start = Instant::now();
            if start >= end {
                return Ok(times);
            }
            lone.send()?;
            while !reader.has_reached(&[lone.next + 1]) {
                reader.step()?;
                if start.elapsed() > PATIENCE {
                    let what = format!("a record was not read for {} s", PATIENCE.as_secs());
                    return Err(BenchError::Connection(what));
                }
            }
            if start >= from {
                times.add(start.elapsed());
            }
            lone.acknowledged()?;
        }
    };
    let times = measure(server);
    alone.cpus.allow()?;
    server.judge(times)
}
