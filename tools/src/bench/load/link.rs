//! One connection of the load: what it has to send, and what it hears, without ever waiting.

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;

use super::dialect::Frame;
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::wire::broken;

/// Frames that one system call sends at most.
const FRAMES_A_CALL: usize = 16;

/// A connection.
#[derive(Debug)]
pub(super) struct Link<H> {
    stream: TcpStream,
    out: VecDeque<Frame<H>>,
    /// Bytes of the first frame that are sent.
    sent: usize,
}

impl<H: AsRef<[u8]>> Link<H> {
    /// Takes over a connection that stands.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(stream: TcpStream) -> Result<Link<H>> {
        stream.set_nonblocking(true).tried(|| "cannot send without waiting".into())?;
        Ok(Link { stream, out: VecDeque::new(), sent: 0 })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether there is something that the socket has not taken.
    pub(super) fn is_stuck(&self) -> bool {
        !self.out.is_empty()
    }

    /// Lines up a frame; [`Link::flush`] sends it.
    pub(super) fn push(&mut self, frame: Frame<H>) {
        self.out.push_back(frame);
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
        let mut slices = Vec::with_capacity(3 * FRAMES_A_CALL);
        let mut sent = self.sent;
        for frame in self.out.iter().take(FRAMES_A_CALL) {
            for bytes in frame.parts() {
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
            let len = frame.len();
            if self.sent < len {
                return;
            }
            self.sent -= len;
            self.out.pop_front();
        }
    }

    /// Reads once what is there into `buffer`; gives the bytes, none where nothing is there.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(super) fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
        match self.stream.read(buffer) {
            Ok(0) => Err(BenchError::Connection("the server closed the connection".into())),
            Ok(read) => Ok(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(&[]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(&[]),
            Err(error) => Err(broken(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_the_socket_has_not_taken_is_sent_next_wherever_it_was_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let frame = |batch| Frame { head: *b"head", batch: Bytes::from_static(batch), tail: b"!" };
        let all = b"headone!headthree!";
        for cut in 0..all.len() {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut link = Link::new(stream).unwrap();
            link.push(frame(b"one"));
            link.push(frame(b"three"));
            link.advance(cut);
            let left: Vec<u8> = link.slices().iter().flat_map(|slice| slice.to_vec()).collect();
            assert_eq!(left, all[cut..], "cut at {cut}");
            link.flush().unwrap();
            assert!(!link.is_stuck());
            drop(link);
            let mut sent = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut sent).unwrap();
            assert_eq!(sent, all[cut..], "cut at {cut}");
        }
    }
}
