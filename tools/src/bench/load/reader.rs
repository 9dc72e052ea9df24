//! A consumer that does nothing with what it gets but count it: subscriptions of one connection.
//!
//! It copies the bytes into its memory, as any consumer must, and looks at the headers of batches
//! ([`Walk`]). Credit is renewed once half of it is used.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use duramen_protocol::native::messages::{Credit, Subscribe, SubscribeAnswer};
use duramen_protocol::native::{Opcode, frame};

use super::incoming::{Event, Incoming};
use super::walk::Walk;
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::wire::{PATIENCE, Wire, answer, broken};

/// What the server may push of one partition before it is renewed.
const CREDIT_BYTES: u32 = 8 << 20;
/// Bytes that one call takes at most.
const BUFFER_BYTES: usize = 1 << 20;
/// The longest wait for bytes within one step.
const STEP: Duration = Duration::from_millis(20);

/// A consumer of some partitions that one core owns.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: TcpStream,
    incoming: Incoming,
    buffer: Vec<u8>,
    logs: Logs,
    last: Instant,
}

#[derive(Debug)]
struct Logs {
    all: Vec<Log>,
    /// Which one a subscription is of.
    by_subscription: HashMap<u32, usize>,
    bytes: u64,
    /// Credit that is to be renewed.
    due: Vec<(u32, u32)>,
}

#[derive(Debug)]
struct Log {
    walk: Walk,
    used_bytes: u32,
}

impl Reader {
    /// Subscribes to partitions from an offset on, on the core that owns them.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn subscribe(
        address: SocketAddr,
        core: u16,
        topic: &str,
        from: &[(u32, i64)],
    ) -> Result<Reader> {
        let mut wire = Wire::connect_to(address, core)?;
        let open = |&(partition, _): &(u32, i64)| wire.open(topic, partition);
        let handles: Vec<u32> = from.iter().map(open).collect::<Result<_>>()?;
        let (mut stream, _) = wire.into_parts();
        stream.set_read_timeout(Some(STEP)).tried(|| "cannot bound a wait".into())?;
        let mut requests = Vec::new();
        for (number, (handle, &(_, offset))) in (0..).zip(handles.iter().zip(from)) {
            let subscribe = Subscribe { offset, credit_bytes: CREDIT_BYTES };
            requests.extend_from_slice(&frame::request(number, *handle, &subscribe));
        }
        stream.write_all(&requests).map_err(broken)?;
        let log = |&(_, offset): &(u32, i64)| Log { walk: Walk::new(offset), used_bytes: 0 };
        let all = from.iter().map(log).collect();
        let logs = Logs { all, by_subscription: HashMap::new(), bytes: 0, due: Vec::new() };
        let (incoming, buffer) = (Incoming::default(), vec![0; BUFFER_BYTES]);
        Ok(Reader { stream, incoming, buffer, logs, last: Instant::now() })
    }

    /// Bytes of the log that have come.
    pub(crate) fn bytes(&self) -> u64 {
        self.logs.bytes
    }

    /// Records that have come, those of a batch that is on its way included.
    pub(crate) fn records(&self) -> u64 {
        self.logs.all.iter().map(|log| log.walk.records()).sum()
    }

    /// Whether every partition has come up to its end.
    pub(crate) fn has_reached(&self, ends: &[i64]) -> bool {
        self.logs.all.iter().zip(ends).all(|(log, &end)| log.walk.has_reached(end))
    }

    /// Reads until every partition has come up to its end.
    ///
    /// # Errors
    /// When the server is gone or silent, or a record is missing.
    pub(crate) fn read_to(&mut self, ends: &[i64]) -> Result<()> {
        while !self.has_reached(ends) {
            self.step()?;
            if self.last.elapsed() > PATIENCE {
                let s = PATIENCE.as_secs();
                return Err(BenchError::Connection(format!("nothing was pushed for {s} s")));
            }
        }
        Ok(())
    }

    /// Takes what is there, or waits for a moment.
    ///
    /// # Errors
    /// When the server is gone, or a record is missing.
    pub(crate) fn step(&mut self) -> Result<()> {
        let Reader { stream, incoming, buffer, logs, last } = self;
        match stream.read(buffer) {
            Ok(0) => return Err(BenchError::Connection("the server closed the connection".into())),
            Ok(read) => incoming.feed(&buffer[..read], &mut |event| logs.take(event))?,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(broken(error)),
        }
        *last = Instant::now();
        for (subscription, bytes) in logs.due.drain(..) {
            let credit = frame::request(0, subscription, &Credit { bytes });
            stream.write_all(&credit).map_err(broken)?;
        }
        Ok(())
    }
}

impl Logs {
    fn take(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Frame(header, body) => {
                let given: SubscribeAnswer = answer(&header, Opcode::Subscribe, body)?;
                self.by_subscription.insert(given.subscription, header.correlation as usize);
                Ok(())
            }
            Event::Push(..) => Ok(()),
            Event::Log(subscription, bytes) => self.take_log(subscription, bytes),
        }
    }

    fn take_log(&mut self, subscription: u32, bytes: &[u8]) -> Result<()> {
        let log = self.by_subscription.get(&subscription).and_then(|&i| self.all.get_mut(i));
        let Some(log) = log else {
            return Err(BenchError::Connection(format!("a push of subscription {subscription}")));
        };
        log.walk.feed(bytes)?;
        log.used_bytes += bytes.len() as u32;
        if log.used_bytes > CREDIT_BYTES / 2 {
            self.due.push((subscription, std::mem::take(&mut log.used_bytes)));
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}
