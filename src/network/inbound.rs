//! Bytes from a socket, cut into frames.
//!
//! ```text
//! | frame | frame | half a fr
//!   taken   next    needs more
//! ```
//! Memory follows what came, not what a length field promises: a buffer at most doubles at a time.
//! Who waits for the next frame's first byte holds none: the buffer goes to the next connection of
//! the core that is sent something. Small frames are copied out of it, so that it can.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use duramen_protocol::native::{FrameError, FrameHeader, HEADER_LEN};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

/// Bytes of the length that a frame of Kafka's protocol begins with.
const PREFIX_LEN: usize = 4;
/// The least room for a read.
const READ_BYTES: usize = 16 << 10;
/// The most room for a read, unless a frame needs more.
const READ_BYTES_MAX: usize = 256 << 10;
/// Frames up to this size are copied; larger ones keep the buffer that they came in.
const COPY_BYTES: usize = 4 << 10;

/// The buffer that one core's connections pass on.
#[derive(Default)]
pub struct Spare(Cell<BytesMut>);

impl Spare {
    /// Takes an empty buffer back, unless something else holds on to it.
    fn give(&self, mut buffer: BytesMut) {
        if buffer.try_reclaim(READ_BYTES) && buffer.capacity() <= READ_BYTES_MAX {
            self.0.set(buffer);
        }
    }
}

/// A connection's bytes that are not taken yet.
pub struct Inbound {
    spare: Rc<Spare>,
    buffer: BytesMut,
    /// Bytes of the frame that the buffer begins with, once its length is known.
    frame_bytes: usize,
    /// Room for the next read: it doubles while reads fill it.
    room: usize,
}

impl Inbound {
    /// No bytes yet.
    pub fn new(spare: Rc<Spare>) -> Inbound {
        Inbound { spare, buffer: BytesMut::new(), frame_bytes: 0, room: 0 }
    }

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
        Some(self.split(header.frame_len(), HEADER_LEN))
    }

    /// Takes the frame that stands first, if all of it is there, where a frame begins with the
    /// length of what follows, as in Kafka's protocol: what follows.
    ///
    /// # Errors
    /// The length, when it is negative or more than `max_bytes`.
    pub fn take_prefixed(&mut self, max_bytes: usize) -> Result<Option<Bytes>, i32> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
        let length = i32::from_be_bytes(*prefix);
        let len = usize::try_from(length).ok().filter(|&len| len <= max_bytes).ok_or(length)?;
        self.frame_bytes = PREFIX_LEN + len;
        if self.buffer.len() < self.frame_bytes {
            return Ok(None);
        }
        let frame = self.split(self.frame_bytes, PREFIX_LEN);
        self.frame_bytes = 0;
        Ok(Some(frame))
    }

    /// Takes `len` bytes off the front, less the first `head`.
    fn split(&mut self, len: usize, head: usize) -> Bytes {
        if len <= COPY_BYTES {
            let frame = Bytes::copy_from_slice(&self.buffer[head..len]);
            self.buffer.advance(len);
            return frame;
        }
        let mut frame = self.buffer.split_to(len);
        frame.advance(head);
        frame.freeze()
    }

    /// How many bytes there are.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Waits for bytes. Returns `false` when there will be none. Can be dropped and called again.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn read(&mut self, stream: &mut OwnedReadHalf) -> io::Result<bool> {
        let n = std::future::poll_fn(|context| self.poll_read(stream, context)).await?;
        Ok(n > 0)
    }

    /// A read that brings less than there was room for has emptied the socket: `OwnedReadHalf`
    /// knows, and waits without asking the kernel again.
    fn poll_read(
        &mut self,
        stream: &mut OwnedReadHalf,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(ready) = stream.as_ref().poll_read_ready(context) {
            ready?;
            self.make_room();
            let room = self.buffer.capacity() - self.buffer.len();
            if let Poll::Ready(read) = pin!(stream.read_buf(&mut self.buffer)).poll(context) {
                let n = read?;
                let next = if n == room { room.saturating_mul(2) } else { n };
                self.room = next.clamp(READ_BYTES, READ_BYTES_MAX);
                return Poll::Ready(Ok(n));
            }
        }
        if self.buffer.is_empty() {
            self.spare.give(std::mem::take(&mut self.buffer));
        }
        Poll::Pending
    }

    /// Makes room for the rest of the frame, or for as much again as is there already.
    fn make_room(&mut self) {
        if self.buffer.capacity() == 0 {
            self.buffer = self.spare.0.take();
        }
        let missing = self.frame_bytes.saturating_sub(self.buffer.len());
        let trusted = missing.min(self.buffer.len().max(READ_BYTES));
        self.buffer.reserve(trusted.max(self.room).max(READ_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen_protocol::native::messages::Ping;
    use duramen_protocol::native::{Opcode, frame};
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    /// Both ends of a connection.
    async fn pair() -> (OwnedReadHalf, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0.into_split().0, theirs)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn frames_are_cut_out_however_their_bytes_come() {
        run(async {
            let (mut ours, mut theirs) = pair().await;
            let mut sent = Vec::new();
            for n in 0..50u8 {
                let ping = Ping { echo: vec![n; usize::from(n)] };
                sent.extend_from_slice(&frame::request(u32::from(n), 0, &ping));
            }
            let mut inbound = Inbound::new(Rc::default());
            let mut taken = 0;
            for bytes in sent.chunks(7) {
                theirs.write_all(bytes).await.unwrap();
                assert!(inbound.read(&mut ours).await.unwrap());
                while let Some(header) = inbound.header(1 << 20).unwrap() {
                    let Some(body) = inbound.take(&header) else { break };
                    assert_eq!((header.kind(), header.correlation), (Some(Opcode::Ping), taken));
                    assert_eq!(body.len(), 4 + taken as usize);
                    taken += 1;
                }
            }
            assert_eq!(taken, 50);
            drop(theirs);
            assert!(!inbound.read(&mut ours).await.unwrap(), "the end");
            assert_eq!(inbound.buffer.capacity() / READ_BYTES, 1);
        });
    }

    #[test]
    fn prefixed_frames_are_cut_out_and_wrong_lengths_refused() {
        let mut inbound = Inbound::new(Rc::default());
        inbound.buffer.extend_from_slice(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(inbound.take_prefixed(2).unwrap().unwrap(), [7, 8][..]);
        assert_eq!(inbound.take_prefixed(2).unwrap().unwrap(), [][..]);
        assert_eq!(inbound.take_prefixed(2), Ok(None), "half a length");
        inbound.buffer.extend_from_slice(&[3, 9]);
        assert_eq!(inbound.take_prefixed(259), Ok(None));
        assert_eq!(inbound.take_prefixed(258), Err(259));
        inbound.buffer[0] = 0x80;
        assert!(inbound.take_prefixed(usize::MAX).unwrap_err() < 0);
    }

    #[test]
    fn memory_follows_what_came() {
        run(async {
            let (mut ours, mut theirs) = pair().await;
            let mut inbound = Inbound::new(Rc::default());
            let huge = FrameHeader::append(1, 1, 0, 900_000_000).encode();
            theirs.write_all(&huge).await.unwrap();
            assert!(inbound.read(&mut ours).await.unwrap());
            let header = inbound.header(u32::MAX).unwrap().unwrap();
            assert!(inbound.take(&header).is_none());
            theirs.write_all(&[7; 100]).await.unwrap();
            assert!(inbound.read(&mut ours).await.unwrap());
            assert!(inbound.buffer.capacity() < 4 * READ_BYTES, "{}", inbound.buffer.capacity());
        });
    }
}
