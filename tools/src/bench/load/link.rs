//! One connection of the load: what it has to send, and what it hears, without ever waiting.

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use duramen_protocol::native::{FrameHeader, HEADER_LEN};

use super::incoming::{Event, Incoming};
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::wire::{Wire, broken};

/// Frames that one system call sends at most.
const FRAMES_A_CALL: usize = 16;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    out: VecDeque<Frame>,
    /// Bytes of the first frame that are sent.
    sent: usize,
    incoming: Incoming,
}

#[derive(Debug)]
struct Frame {
    header: [u8; HEADER_LEN],
    body: Bytes,
}

impl Link {
    /// Takes over a connection that stands.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(wire: Wire) -> Result<Link> {
        // Nothing was asked that is not answered yet, so nothing was read that is not used.
        let (stream, _) = wire.into_parts();
        stream.set_nonblocking(true).tried(|| "cannot send without waiting".into())?;
        Ok(Link { stream, out: VecDeque::new(), sent: 0, incoming: Incoming::default() })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether there is something that the socket has not taken.
    pub(super) fn is_stuck(&self) -> bool {
        !self.out.is_empty()
    }

    /// Lines up a frame; [`Link::flush`] sends it.
    pub(super) fn push(&mut self, header: FrameHeader, body: Bytes) {
        self.out.push_back(Frame { header: header.encode(), body });
    }

    /// Sends as much as the socket takes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) fn flush(&mut self) -> Result<()> {
        while !self.out.is_empty() {
            let slices = self.slices();
            match (&self.stream).write_vectored(&slices) {
                Ok(0) => return Err(BenchError::Connection("the socket takes nothing".into())),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(())
    }

    fn slices(&self) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(2 * FRAMES_A_CALL);
        let mut sent = self.sent;
        for frame in self.out.iter().take(FRAMES_A_CALL) {
            for bytes in [&frame.header[..], &frame.body] {
                let skipped = sent.min(bytes.len());
                sent -= skipped;
                if skipped < bytes.len() {
                    slices.push(IoSlice::new(&bytes[skipped..]));
                }
            }
        }
        slices
    }

    fn advance(&mut self, written: usize) {
        self.sent += written;
        while let Some(frame) = self.out.front() {
            let len = HEADER_LEN + frame.body.len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            self.out.pop_front();
        }
    }

    /// Reads once what is there, through `buffer`.
    ///
    /// # Errors
    /// When the connection has ended, or with `sink`'s first error.
    pub(super) fn receive(
        &mut self,
        buffer: &mut [u8],
        sink: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        match self.stream.read(buffer) {
            Ok(0) => Err(BenchError::Connection("the server closed the connection".into())),
            Ok(read) => self.incoming.feed(&buffer[..read], sink),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(broken(error)),
        }
    }
}
