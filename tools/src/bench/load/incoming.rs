//! Frames out of bytes that come in pieces, without copying what the log holds.
//!
//! ```text
//! answer | header 16 | body ...........|   held until it is whole: it is small
//! push   | header 16 | head 16 | bytes of the log ......|   passed on piece by piece
//! ```

use duramen_protocol::native::messages::PushHead;
use duramen_protocol::native::{FrameHeader, HEADER_LEN, Opcode};

use crate::bench::error::{BenchError, Result};
use crate::bench::wire::decode_header;

/// The longest answer that is held.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A frame with all of its body.
    Frame(FrameHeader, &'a [u8]),
    /// A push begins, with so many bytes of the log.
    Push(u32, usize),
    /// Bytes of the log, of the push before.
    Log(u32, &'a [u8]),
}

/// The stream of one connection.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    /// The beginning of a frame that is not whole.
    held: Vec<u8>,
    /// Bytes of the log that the push has yet to bring.
    log_left: usize,
    subscription: u32,
}

impl Incoming {
    /// Takes the next bytes, and gives what they complete to `sink`.
    ///
    /// # Errors
    /// When they can't be frames, or with `sink`'s first error.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        while !bytes.is_empty() {
            let used = if self.log_left > 0 {
                let n = self.log_left.min(bytes.len());
                self.log_left -= n;
                sink(Event::Log(self.subscription, &bytes[..n]))?;
                n
            } else if self.held.is_empty() {
                self.take(bytes, sink)?
            } else {
                self.complete(bytes, sink)?
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// A frame that starts with `bytes`: passed on if it is whole, else held.
    fn take(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<usize> {
        match head_len(bytes)? {
            Some(len) if len <= bytes.len() => {
                self.pass_on(&bytes[..len], sink)?;
                Ok(len)
            }
            _ => {
                self.held.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    /// More of the frame that is held.
    fn complete(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<usize> {
        let wanted = head_len(&self.held)?.unwrap_or(HEADER_LEN) - self.held.len();
        let n = wanted.min(bytes.len());
        self.held.extend_from_slice(&bytes[..n]);
        if head_len(&self.held)? == Some(self.held.len()) {
            let mut head = std::mem::take(&mut self.held);
            self.pass_on(&head, sink)?;
            head.clear();
            self.held = head;
        }
        Ok(n)
    }

    fn pass_on(
        &mut self,
        head: &[u8],
        sink: &mut impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let header = decode_header(head)?;
        if !is_push(&header) {
            return sink(Event::Frame(header, &head[HEADER_LEN..]));
        }
        self.subscription = header.handle;
        self.log_left = header.body_len as usize - PushHead::LEN;
        sink(Event::Push(self.subscription, self.log_left))
    }
}

fn is_push(header: &FrameHeader) -> bool {
    header.opcode == Opcode::Push.request()
}

/// Bytes of the frame that starts here up to what is passed on piece by piece; `None` while its
/// header is not all there.
fn head_len(bytes: &[u8]) -> Result<Option<usize>> {
    if bytes.len() < HEADER_LEN {
        return Ok(None);
    }
    let header = decode_header(bytes)?;
    match is_push(&header) {
        true if header.body_len as usize >= PushHead::LEN => Ok(Some(HEADER_LEN + PushHead::LEN)),
        false if header.frame_len() <= ANSWER_BYTES_MAX => Ok(Some(header.frame_len())),
        _ => Err(BenchError::Connection(format!("a frame that can't be: {header:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        let answer = FrameHeader { opcode: 0x8023, ..FrameHeader::push(0, 3) };
        let push = FrameHeader::push(9, PushHead::LEN as u32 + 5);
        let mut bytes = answer.encode().to_vec();
        bytes.extend_from_slice(b"abc");
        bytes.extend_from_slice(&push.encode());
        bytes.extend_from_slice(&[0; PushHead::LEN]);
        bytes.extend_from_slice(b"hello");
        bytes.extend_from_slice(&answer.encode());
        bytes.extend_from_slice(b"def");
        bytes
    }

    /// Frames' bodies, how long pushes are, and the log.
    fn parse(stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, Vec<usize>, Vec<u8>) {
        let (mut bodies, mut pushes, mut log) = (Vec::new(), Vec::new(), Vec::new());
        let mut incoming = Incoming::default();
        for piece in stream.chunks(piece) {
            let sink = &mut |event: Event<'_>| {
                match event {
                    Event::Frame(_, body) => bodies.push(body.to_vec()),
                    Event::Push(9, len) => pushes.push(len),
                    Event::Log(9, bytes) => log.extend_from_slice(bytes),
                    other => panic!("{other:?}"),
                }
                Ok(())
            };
            incoming.feed(piece, sink).unwrap();
        }
        (bodies, pushes, log)
    }

    #[test]
    fn frames_are_the_same_however_their_bytes_come() {
        let stream = stream();
        for piece in 1..=stream.len() {
            let (bodies, pushes, log) = parse(&stream, piece);
            assert_eq!(bodies, [b"abc".to_vec(), b"def".to_vec()], "pieces of {piece}");
            assert_eq!((&pushes[..], &log[..]), (&[5][..], &b"hello"[..]), "pieces of {piece}");
        }
    }

    #[test]
    fn noise_is_an_error() {
        let feed = |bytes: &[u8]| Incoming::default().feed(bytes, &mut |_| Ok(()));
        assert!(feed(&[0xff; 16]).is_err());
        assert!(feed(&FrameHeader::push(1, 3).encode()).is_err(), "a push without its head");
    }
}
