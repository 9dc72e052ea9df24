//! What a server pushes: native subscriptions of one connection.
//!
//! Credit is renewed once half of it is used.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use duramen_protocol::native::messages::{Credit, Subscribe, SubscribeAnswer};
use duramen_protocol::native::{Opcode, frame};

use super::incoming::{Event, Incoming};
use super::reader::{Logs, STEP};
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::target::Home;
use crate::bench::wire::{Wire, answer, broken};

/// What the server may push of one partition before it is renewed.
const CREDIT_BYTES: u32 = 8 << 20;
/// Bytes that one call takes at most.
const BUFFER_BYTES: usize = 1 << 20;

/// Subscriptions.
#[derive(Debug)]
pub(super) struct Pushes {
    stream: TcpStream,
    incoming: Incoming,
    buffer: Vec<u8>,
    subscriptions: Subscriptions,
}

#[derive(Debug)]
struct Subscriptions {
    /// Which partition a subscription is of.
    by_number: HashMap<u32, usize>,
    /// The credit that each has used since it was renewed.
    used_bytes: Vec<u32>,
    /// Credit that is to be renewed.
    due: Vec<(u32, u32)>,
}

impl Pushes {
    /// Subscribes on the core that owns the partitions.
    ///
    /// # Errors
    /// When the server refuses.
    pub(super) fn subscribe(home: Home, topic: &str, from: &[(u32, i64)]) -> Result<Pushes> {
        let mut wire = Wire::connect_to(home.address, home.core)?;
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
        let used_bytes = vec![0; from.len()];
        let subscriptions =
            Subscriptions { by_number: HashMap::new(), used_bytes, due: Vec::new() };
        let (incoming, buffer) = (Incoming::default(), vec![0; BUFFER_BYTES]);
        Ok(Pushes { stream, incoming, buffer, subscriptions })
    }

    /// Takes what is there, or waits for a moment; says whether anything came.
    ///
    /// # Errors
    /// When the server is gone, or a record is missing.
    pub(super) fn step(&mut self, logs: &mut Logs) -> Result<bool> {
        let Pushes { stream, incoming, buffer, subscriptions } = self;
        match stream.read(buffer) {
            Ok(0) => return Err(BenchError::Connection("the server closed the connection".into())),
            Ok(read) => {
                incoming.feed(&buffer[..read], &mut |event| subscriptions.take(event, logs))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(broken(error)),
        }
        for (subscription, bytes) in subscriptions.due.drain(..) {
            let credit = frame::request(0, subscription, &Credit { bytes });
            stream.write_all(&credit).map_err(broken)?;
        }
        Ok(true)
    }
}

impl Subscriptions {
    fn take(&mut self, event: Event<'_>, logs: &mut Logs) -> Result<()> {
        match event {
            Event::Frame(header, body) => {
                let given: SubscribeAnswer = answer(&header, Opcode::Subscribe, body)?;
                self.by_number.insert(given.subscription, header.correlation as usize);
                Ok(())
            }
            Event::Push(..) => Ok(()),
            Event::Log(subscription, bytes) => self.take_log(subscription, bytes, logs),
        }
    }

    fn take_log(&mut self, subscription: u32, bytes: &[u8], logs: &mut Logs) -> Result<()> {
        let known = self.by_number.get(&subscription).copied();
        let Some((index, walk)) = known.and_then(|i| Some((i, logs.walks.get_mut(i)?))) else {
            return Err(BenchError::Connection(format!("a push of subscription {subscription}")));
        };
        walk.feed(bytes)?;
        logs.bytes += bytes.len() as u64;
        let used = &mut self.used_bytes[index];
        *used += bytes.len() as u32;
        if *used > CREDIT_BYTES / 2 {
            self.due.push((subscription, std::mem::take(used)));
        }
        Ok(())
    }
}
