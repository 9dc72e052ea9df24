//! Appends by the native protocol.

use std::net::TcpStream;

use bytes::Bytes;
use duramen_protocol::native::messages::AppendAnswer;
use duramen_protocol::native::{FrameHeader, HEADER_LEN, Opcode, frame};

use super::dialect::{Acknowledged, Dialect, Frame, Opening};
use super::incoming::{Event, Incoming};
use crate::bench::error::{BenchError, Result};
use crate::bench::wire::{Wire, answer, unexpected};

/// A connection's partitions.
#[derive(Debug)]
pub(crate) struct Native {
    handles: Vec<u32>,
    incoming: Incoming,
}

impl Native {
    /// Partitions that are open already, at least one.
    pub(crate) fn new(handles: Vec<u32>) -> Native {
        Native { handles, incoming: Incoming::default() }
    }
}

impl Dialect for Native {
    type Head = [u8; HEADER_LEN];

    fn open(opening: &Opening<'_>) -> Result<(TcpStream, Native)> {
        let mut wire = Wire::connect_to(opening.home.address, opening.home.core)?;
        let open = |&partition: &u32| wire.open(opening.topic, partition);
        let handles = opening.partitions.iter().map(open).collect::<Result<_>>()?;
        // Nothing was asked that is not answered yet, so nothing was read that is not used.
        let (stream, _) = wire.into_parts();
        Ok((stream, Native::new(handles)))
    }

    fn partitions(&self) -> usize {
        self.handles.len()
    }

    fn frame(
        &mut self,
        slot: Option<u32>,
        index: usize,
        batch: &Bytes,
    ) -> Result<Frame<Self::Head>> {
        let (correlation, flags) = slot.map_or((0, frame::NO_ANSWER), |slot| (slot, 0));
        let len = batch.len() as u32;
        let header = FrameHeader::append(correlation, self.handles[index], flags, len);
        Ok(Frame { head: header.encode(), batch: batch.clone(), tail: &[] })
    }

    fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Acknowledged) -> Result<()>,
    ) -> Result<()> {
        self.incoming.feed(bytes, &mut |event| {
            let Event::Frame(header, body) = event else {
                return Err(BenchError::Connection("a push that nobody asked for".into()));
            };
            if header.opcode != Opcode::Append.answer() {
                return Err(unexpected(&header, body));
            }
            let answer: AppendAnswer = answer(&header, Opcode::Append, body)?;
            sink(Acknowledged { slot: header.correlation, base_offset: answer.base_offset })
        })
    }
}
