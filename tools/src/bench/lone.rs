//! One record at a time, with nothing else under way: what a latency-sensitive producer sees.

use std::time::{Duration, Instant};

use duramen_protocol::native::frame;
use duramen_protocol::native::messages::Credit;

use super::cpus::Cpus;
use super::error::{BenchError, Result};
use super::load::walk::Walk;
use super::payload::Payload;
use super::server::Server;
use super::times::{Times, repeat};
use super::wire::{Wire, append_frame};

/// What a subscriber lets the server push at first, and again once half of it is used.
const CREDIT_BYTES: u32 = 1 << 20;

/// A producer that waits for each of its records.
struct Lone {
    wire: Wire,
    frame: Vec<u8>,
    /// The offset that comes next.
    next: i64,
}

impl Lone {
    fn connect(server: &Server, topic: &str, record_bytes: usize) -> Result<Lone> {
        let owner = Wire::connect(server.address())?.describe(topic)?.partitions[0].core;
        let mut wire = Wire::connect_to(server.address(), owner)?;
        let handle = wire.open(topic, 0)?;
        let frame = append_frame(7, handle, &Payload::fixed(record_bytes, 1)?.batch(0).bytes);
        Ok(Lone { wire, frame, next: 0 })
    }

    fn send(&mut self) -> Result<()> {
        self.wire.send(&self.frame)
    }

    fn acknowledged(&mut self) -> Result<()> {
        let offset = self.wire.acknowledged()?;
        if offset != self.next {
            let what = format!("offset {offset} was given where {} was due", self.next);
            return Err(BenchError::Missing(what));
        }
        self.next += 1;
        Ok(())
    }
}

/// From the sending of an append until it is acknowledged, one at a time, to a new topic.
///
/// # Errors
/// When the server dies, refuses, or loses count.
pub(crate) fn appends(
    server: &mut Server,
    topic: &str,
    cpus: &Cpus,
    record_bytes: usize,
    (warm_up, lasting): (Duration, Duration),
) -> Result<Times> {
    let measure = |server: &Server| {
        cpus.pin(0)?;
        let mut lone = Lone::connect(server, topic, record_bytes)?;
        let mut once = || {
            lone.send()?;
            lone.acknowledged()
        };
        repeat(warm_up, &mut once)?;
        repeat(lasting, once)
    };
    let times = measure(server);
    cpus.allow()?;
    server.judge(times)
}

/// From the sending of an append until it is pushed to a subscriber, one at a time, to a new topic.
///
/// # Errors
/// As for [`appends`].
pub(crate) fn pushes(
    server: &mut Server,
    topic: &str,
    cpus: &Cpus,
    record_bytes: usize,
    (warm_up, lasting): (Duration, Duration),
) -> Result<Times> {
    let measure = |server: &Server| {
        cpus.pin(0)?;
        let mut lone = Lone::connect(server, topic, record_bytes)?;
        let mut subscriber = Subscriber::connect(server, topic)?;
        let (mut times, end) = (Times::new(), Instant::now() + warm_up + lasting);
        let from = end - lasting;
        loop {
            let start = Instant::now();
            if start >= end {
                return Ok(times);
            }
            lone.send()?;
            subscriber.wait_for(lone.next)?;
            if start >= from {
                times.add(start.elapsed());
            }
            lone.acknowledged()?;
        }
    };
    let times = measure(server);
    cpus.allow()?;
    server.judge(times)
}

struct Subscriber {
    wire: Wire,
    subscription: u32,
    walk: Walk,
    used_bytes: u32,
}

impl Subscriber {
    fn connect(server: &Server, topic: &str) -> Result<Subscriber> {
        let owner = Wire::connect(server.address())?.describe(topic)?.partitions[0].core;
        let mut wire = Wire::connect_to(server.address(), owner)?;
        let handle = wire.open(topic, 0)?;
        let subscription = wire.subscribe(handle, 0, CREDIT_BYTES)?.subscription;
        Ok(Subscriber { wire, subscription, walk: Walk::new(0), used_bytes: 0 })
    }

    /// Takes pushes until the record at `offset` has come.
    fn wait_for(&mut self, offset: i64) -> Result<()> {
        while !self.walk.has_reached(offset + 1) {
            let bytes = self.wire.pushed()?;
            self.used_bytes += bytes.len() as u32;
            self.walk.feed(bytes)?;
        }
        if self.used_bytes > CREDIT_BYTES / 2 {
            let credit = Credit { bytes: self.used_bytes };
            self.wire.send(&frame::request(0, self.subscription, &credit))?;
            self.used_bytes = 0;
        }
        Ok(())
    }
}
