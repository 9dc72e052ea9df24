//! One producer: a connection, the partitions that it appends to in turn, and what is under way.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::time::Instant;

use super::dialect::Dialect;
use super::link::Link;
use crate::bench::error::{BenchError, Result};
use crate::bench::payload::{Batch, Payload};

/// A producer.
#[derive(Debug)]
pub(super) struct Producer<D: Dialect> {
    pub(super) link: Link<D::Head>,
    dialect: D,
    /// How many batches it has sent.
    turn: usize,
    /// What is under way, by correlation.
    slots: Vec<Option<Sent>>,
    free: Vec<u32>,
    /// When each batch that waits for room was due.
    backlog: VecDeque<Instant>,
    /// Whether batches are answered.
    answers: bool,
    /// Whether the socket was asked to tell when it takes more.
    pub(super) watches_room: bool,
}

/// A batch that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When it was due.
    pub(super) due: Instant,
    pub(super) records: u64,
    pub(super) value_bytes: u64,
}

impl<D: Dialect> Producer<D> {
    /// A producer that has at most `in_flight` batches under way.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(
        (stream, dialect): (TcpStream, D),
        in_flight: usize,
        answers: bool,
    ) -> Result<Producer<D>> {
        Ok(Producer {
            link: Link::new(stream)?,
            dialect,
            turn: 0,
            slots: vec![None; in_flight],
            free: (0..in_flight as u32).rev().collect(),
            backlog: VecDeque::new(),
            answers,
            watches_room: false,
        })
    }

    /// Batches under way.
    pub(super) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing is under way or waits.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight() == 0 && self.backlog.is_empty() && !self.link.is_stuck()
    }

    /// Whether it may send one more.
    pub(super) fn has_room(&self) -> bool {
        match self.answers {
            true => !self.free.is_empty(),
            false => !self.link.is_stuck(),
        }
    }

    /// A batch was due, and there was no room for it.
    pub(super) fn put_off(&mut self, due: Instant) {
        self.backlog.push_back(due);
    }

    /// When the batch that has waited longest was due.
    pub(super) fn next_put_off(&mut self) -> Option<Instant> {
        self.backlog.pop_front()
    }

    /// Lines up the next batch. There must be room.
    ///
    /// Gives it back where nobody will answer.
    ///
    /// # Errors
    /// When the protocol has no frame for it.
    pub(super) fn send(&mut self, payload: &Payload, due: Instant) -> Result<Option<Sent>> {
        let Batch { bytes, records, value_bytes } = payload.batch(self.turn);
        let index = self.turn % self.dialect.partitions();
        self.turn += 1;
        let sent = Sent { due, records: *records, value_bytes: *value_bytes };
        if !self.answers {
            self.link.push(self.dialect.frame(None, index, bytes)?);
            return Ok(Some(sent));
        }
        // The caller has looked whether there is room.
        let slot = self.free.pop().expect("there is room for one more batch");
        self.slots[slot as usize] = Some(sent);
        self.link.push(self.dialect.frame(Some(slot), index, bytes)?);
        Ok(None)
    }

    /// Reads what is there, and gives each batch that was acknowledged to `acknowledged`.
    ///
    /// # Errors
    /// When the connection has ended, or a batch was refused.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut acknowledged: impl FnMut(Sent),
    ) -> Result<()> {
        let Producer { link, dialect, slots, free, .. } = self;
        dialect.feed(link.receive(buffer)?, &mut |answer| {
            let Some(sent) = slots.get_mut(answer.slot as usize).and_then(Option::take) else {
                return Err(BenchError::Connection(format!("an answer to nothing: {answer:?}")));
            };
            free.push(answer.slot);
            acknowledged(sent);
            Ok(())
        })
    }
}
