//! Bytes from a socket, cut into frames.
//!
//! ```text
//! | frame | frame | half a fr
//!   taken   next    needs more
//! ```
//! Memory follows what came, not what a length field promises: a buffer at most doubles at a time.
//! Who waits for the next frame's first byte holds none.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use duramen_protocol::native::{FrameError, FrameHeader, HEADER_LEN};
use tokio::net::TcpStream;

/// Bytes of the length that a frame of Kafka's protocol begins with.
const PREFIX_LEN: usize = 4;
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
        let mut frame = self.buffer.split_to(self.frame_bytes);
        frame.advance(PREFIX_LEN);
        self.frame_bytes = 0;
        Ok(Some(frame.freeze()))
    }

    /// Waits for bytes. Returns `false` when there will be none. Can be dropped and called again.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn read(&mut self, stream: &TcpStream) -> io::Result<bool> {
        // A socket that always has bytes must not keep the thread to itself.
        tokio::task::coop::consume_budget().await;
        loop {
            self.make_room();
            let room = self.buffer.capacity() - self.buffer.len();
            match stream.try_read_buf(&mut self.buffer) {
                Ok(n) => {
                    let next = if n == room { room.saturating_mul(2) } else { n };
                    self.room = next.clamp(READ_BYTES, READ_BYTES_MAX);
                    return Ok(n > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.buffer.is_empty() {
                        self.buffer = BytesMut::new();
                    }
                    stream.readable().await?;
                }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen_protocol::native::messages::Ping;
    use duramen_protocol::native::{Opcode, frame};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// Both ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, theirs)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn frames_are_cut_out_however_their_bytes_come() {
        run(async {
            let (ours, mut theirs) = pair().await;
            let mut sent = Vec::new();
            for n in 0..50u8 {
                let ping = Ping { echo: vec![n; usize::from(n)] };
                sent.extend_from_slice(&frame::request(u32::from(n), 0, &ping));
            }
            let mut inbound = Inbound::default();
            let mut taken = 0;
            for bytes in sent.chunks(7) {
                theirs.write_all(bytes).await.unwrap();
                assert!(inbound.read(&ours).await.unwrap());
                while let Some(header) = inbound.header(1 << 20).unwrap() {
                    let Some(body) = inbound.take(&header) else { break };
                    assert_eq!((header.kind(), header.correlation), (Some(Opcode::Ping), taken));
                    assert_eq!(body.len(), 4 + taken as usize);
                    taken += 1;
                }
            }
            assert_eq!(taken, 50);
            drop(theirs);
            assert!(!inbound.read(&ours).await.unwrap(), "the end");
            assert_eq!(inbound.buffer.capacity() / READ_BYTES, 1);
        });
    }

    #[test]
    fn prefixed_frames_are_cut_out_and_wrong_lengths_refused() {
        let mut inbound = Inbound::default();
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
            let (ours, mut theirs) = pair().await;
            let mut inbound = Inbound::default();
            let huge = FrameHeader::append(1, 1, 0, 900_000_000).encode();
            theirs.write_all(&huge).await.unwrap();
            assert!(inbound.read(&ours).await.unwrap());
            let header = inbound.header(u32::MAX).unwrap().unwrap();
            assert!(inbound.take(&header).is_none());
            theirs.write_all(&[7; 100]).await.unwrap();
            assert!(inbound.read(&ours).await.unwrap());
            assert!(inbound.buffer.capacity() < 4 * READ_BYTES, "{}", inbound.buffer.capacity());
        });
    }
}
