//! One producer: a connection, the partitions that it appends to in turn, and what is under way.

use std::collections::VecDeque;
use std::time::Instant;

use duramen_protocol::native::messages::AppendAnswer;
use duramen_protocol::native::{FrameHeader, Opcode, frame};

use super::incoming::Event;
use super::link::Link;
use crate::bench::error::{BenchError, Result};
use crate::bench::payload::{Batch, Payload};
use crate::bench::wire::{Wire, answer, unexpected};

/// A producer.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) link: Link,
    /// The partitions that it appends to.
    handles: Vec<u32>,
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

impl Producer {
    /// A producer that has at most `in_flight` batches under way.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(
        wire: Wire,
        handles: Vec<u32>,
        in_flight: usize,
        answers: bool,
    ) -> Result<Producer> {
        Ok(Producer {
            link: Link::new(wire)?,
            handles,
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
    pub(super) fn send(&mut self, payload: &Payload, due: Instant) -> Option<Sent> {
        let Batch { bytes, records, value_bytes } = payload.batch(self.turn);
        let handle = self.handles[self.turn % self.handles.len()];
        self.turn += 1;
        let sent = Sent { due, records: *records, value_bytes: *value_bytes };
        let len = bytes.len() as u32;
        if !self.answers {
            let header = FrameHeader::append(0, handle, frame::NO_ANSWER, len);
            self.link.push(header, bytes.clone());
            return Some(sent);
        }
        // The caller has looked whether there is room.
        let slot = self.free.pop().expect("there is room for one more batch");
        self.slots[slot as usize] = Some(sent);
        self.link.push(FrameHeader::append(slot, handle, 0, len), bytes.clone());
        None
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
        let Producer { link, slots, free, .. } = self;
        link.receive(buffer, &mut |event| {
            let Event::Frame(header, body) = event else {
                return Err(BenchError::Connection("a push that nobody asked for".into()));
            };
            if header.opcode != Opcode::Append.answer() {
                return Err(unexpected(&header, body));
            }
            answer::<AppendAnswer>(&header, Opcode::Append, body)?;
            let slot = slots.get_mut(header.correlation as usize).and_then(Option::take);
            let Some(sent) = slot else {
                return Err(BenchError::Connection(format!("an answer to nothing: {header:?}")));
            };
            free.push(header.correlation);
            acknowledged(sent);
            Ok(())
        })
    }
}
