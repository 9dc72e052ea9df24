//! Bytes from a socket, cut into frames.
//!
//! ```text
//! | frame | frame | half a fr
//!   taken   next    needs more
//! ```
//! Memory follows what came, not what a length field promises: a buffer at most doubles at a time.
//! An empty buffer that grew is given back.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use duramen_protocol::native::{FrameError, FrameHeader, HEADER_LEN};
use tokio::net::TcpStream;

/// The least room for a read.
const READ_BYTES: usize = 16 << 10;
/// The most room for a read, unless a frame needs more.
const READ_BYTES_MAX: usize = 256 << 10;

/// A connection's bytes that are not taken yet.
#[derive(Default)]
pub struct Inbound {
    buffer: BytesMut,
    /// Bytes of the frame that the buffer begins with, once its length is known.
    frame_bytes: usize,
    /// Room for the next read: it doubles while reads fill it.
    room: usize,
}

impl Inbound {
    /// The frame's header, if it is there.
    ///
    /// # Errors
    /// When its length is wrong.
    pub fn header(&mut self, max_frame_bytes: u32) -> Result<Option<FrameHeader>, FrameError> {
        let header = FrameHeader::decode(&self.buffer, max_frame_bytes)?;
        self.frame_bytes = header.map_or(HEADER_LEN, |header| header.frame_len());
        Ok(header)
    }

    /// The header that stands first, whatever its length, if it is there.
    pub fn any_header(&self) -> Option<FrameHeader> {
        FrameHeader::decode(&self.buffer, u32::MAX).ok().flatten()
    }

    /// Takes the frame of `header`, which stands first, if all of it is there: its body.
    pub fn take(&mut self, header: &FrameHeader) -> Option<Bytes> {
        if self.buffer.len() < header.frame_len() {
            return None;
        }
        let mut frame = self.buffer.split_to(header.frame_len());
        frame.advance(HEADER_LEN);
        Some(frame.freeze())
    }

    /// Waits for bytes. Returns `false` when there will be none. Can be dropped and called again.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn read(&mut self, stream: &TcpStream) -> io::Result<bool> {
        if self.buffer.is_empty() {
            self.give_back();
        }
        loop {
            stream.readable().await?;
            self.make_room();
            let room = self.buffer.capacity() - self.buffer.len();
            match stream.try_read_buf(&mut self.buffer) {
                Ok(n) => {
                    let next = if n == room { room.saturating_mul(2) } else { n };
                    self.room = next.clamp(READ_BYTES, READ_BYTES_MAX);
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes room for the rest of the frame, or for as much again as is there already.
    fn make_room(&mut self) {
        let missing = self.frame_bytes.saturating_sub(self.buffer.len());
        let trusted = missing.min(self.buffer.len().max(READ_BYTES));
        self.buffer.reserve(trusted.max(self.room).max(READ_BYTES));
    }

    /// Gives the memory of an empty buffer back, if it is more than a quiet connection needs.
    fn give_back(&mut self) {
        if self.buffer.capacity() > READ_BYTES && self.room <= READ_BYTES {
            self.buffer = BytesMut::new();
        }
    }
}
