//! The 16 bytes before every body.
//!
//! ```text
//! 0         4       6       8             12            16
//! +---------+-------+-------+-------------+-------------+--------
//! | length  |opcode | flags | correlation | handle      | body
//! | u32     |u16    | u16   | u32         | u32         |
//! +---------+-------+-------+-------------+-------------+--------
//!           |<------------------ length bytes ------------------>
//! ```
//! Invariants:
//! - `length` counts what follows it, so it is at least 12; a frame takes `length + 4` bytes.
//! - `flags` is the error code in error answers and in the end of a subscription.
//! - `handle` is the partition's handle, the subscription's id, or 0.
//! - A frame's size is checked against the limit before anything is allocated for it.

use bytes::BytesMut;

use crate::codes::ErrorCode;

use super::error::ErrorAnswer;
use super::field::{Call, Message};
use super::opcode::{self, Opcode};

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 16;

/// Bytes of the length field, which does not count itself.
pub const LENGTH_LEN: usize = 4;

/// The largest frame, header and all, before the hello is answered.
pub const HELLO_FRAME_BYTES: u32 = 4096;

/// The largest request, header and all, that is not an append.
pub const CONTROL_FRAME_BYTES: u32 = 1 << 20;

/// What a frame of the largest batch needs beside the batch: a server's `max_frame_bytes` is at
/// least its largest `max.message.bytes` and this.
pub const FRAME_OVERHEAD_BYTES: usize = HEADER_LEN + super::messages::ReadHead::LEN;

/// In an append's flags: send no answer, not even an error.
pub const NO_ANSWER: u16 = 1;

/// In an append's answer's flags: the batch was there already, at the offset given.
pub const DUPLICATE: u16 = 1;

/// A frame's header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the body, after the header.
    pub body_len: u32,
    /// The opcode as sent, with its answer bits: see [`Opcode`].
    pub opcode: u16,
    /// Flags, or an error code where [`FrameHeader::is_error`].
    pub flags: u16,
    /// Chosen by the client, repeated in the answer.
    pub correlation: u32,
    /// The partition's handle or the subscription's id; 0 where there is none.
    pub handle: u32,
}

/// A frame that cannot be; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length does not even cover the header.
    #[error("a frame length of {length} bytes, below the header's 12")]
    TooShort {
        /// The length field as sent.
        length: u32,
    },
    /// The frame is larger than allowed here.
    #[error("a frame of {frame_bytes} bytes, above the limit of {limit_bytes}")]
    TooLarge {
        /// The whole frame's size in bytes.
        frame_bytes: u64,
        /// The limit in bytes.
        limit_bytes: u32,
    },
}

impl FrameHeader {
    /// The header at the start of `bytes`; `None` if fewer than [`HEADER_LEN`] are there yet.
    ///
    /// # Errors
    /// When the length field is too small, or the frame larger than `max_frame_bytes`. The length
    /// alone suffices for that, so a wrong one is refused as soon as four bytes are there.
    pub fn decode(bytes: &[u8], max_frame_bytes: u32) -> Result<Option<Self>, FrameError> {
        let Some(length) = bytes.first_chunk() else { return Ok(None) };
        let length = u32::from_le_bytes(*length);
        let Some(body_len) = length.checked_sub((HEADER_LEN - LENGTH_LEN) as u32) else {
            return Err(FrameError::TooShort { length });
        };
        let frame_bytes = u64::from(length) + LENGTH_LEN as u64;
        if frame_bytes > u64::from(max_frame_bytes) {
            return Err(FrameError::TooLarge { frame_bytes, limit_bytes: max_frame_bytes });
        }
        let Some(&[_, _, _, _, o0, o1, f0, f1, c0, c1, c2, c3, h0, h1, h2, h3]) =
            bytes.first_chunk::<HEADER_LEN>()
        else {
            return Ok(None);
        };
        Ok(Some(FrameHeader {
            body_len,
            opcode: u16::from_le_bytes([o0, o1]),
            flags: u16::from_le_bytes([f0, f1]),
            correlation: u32::from_le_bytes([c0, c1, c2, c3]),
            handle: u32::from_le_bytes([h0, h1, h2, h3]),
        }))
    }

    /// The header as bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let length = self.body_len + (HEADER_LEN - LENGTH_LEN) as u32;
        bytes[0..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.opcode.to_le_bytes());
        bytes[6..8].copy_from_slice(&self.flags.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.correlation.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.handle.to_le_bytes());
        bytes
    }

    /// Bytes of the whole frame, header and body.
    pub fn frame_len(&self) -> usize {
        HEADER_LEN + self.body_len as usize
    }

    /// Which request this is, answers or pushes; `None` if this version has no such opcode.
    pub fn kind(&self) -> Option<Opcode> {
        Opcode::from_wire(self.opcode)
    }

    /// Whether this answers a request, with success or an error.
    pub fn is_answer(&self) -> bool {
        self.opcode & opcode::ANSWER != 0
    }

    /// Whether [`FrameHeader::error_code`] has something to say: an error answer, or the end of a
    /// subscription.
    pub fn is_error(&self) -> bool {
        self.opcode & opcode::ERROR != 0 || self.opcode == Opcode::PushEnd.request()
    }

    /// The error code of an error answer or of a subscription's end.
    pub fn error_code(&self) -> Option<ErrorCode> {
        self.is_error().then_some(ErrorCode(self.flags as i16))
    }

    /// The header of an append of `batch_len` bytes.
    pub fn append(correlation: u32, handle: u32, flags: u16, batch_len: u32) -> Self {
        let opcode = Opcode::Append.request();
        FrameHeader { body_len: batch_len, opcode, flags, correlation, handle }
    }

    /// The header of `call`'s successful answer, whose body takes `body_len` bytes.
    pub fn answer(call: Opcode, correlation: u32, handle: u32, body_len: u32) -> Self {
        FrameHeader { body_len, opcode: call.answer(), flags: 0, correlation, handle }
    }

    /// The header of a push to `subscription`, whose body takes `body_len` bytes: its
    /// [`PushHead`](super::messages::PushHead) and the bytes of the log.
    pub fn push(subscription: u32, body_len: u32) -> Self {
        let opcode = Opcode::Push.request();
        FrameHeader { body_len, opcode, flags: 0, correlation: 0, handle: subscription }
    }
}

/// Appends to `out` the frame of `header` and `body`; the header's length is filled in.
pub fn put(out: &mut BytesMut, header: FrameHeader, body: &impl Message) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_LEN]);
    body.encode(out);
    let body_len = (out.len() - start - HEADER_LEN) as u32;
    let header = FrameHeader { body_len, ..header };
    out[start..start + HEADER_LEN].copy_from_slice(&header.encode());
}

/// The whole frame of a request.
pub fn request<C: Call>(correlation: u32, handle: u32, call: &C) -> BytesMut {
    let opcode = C::OPCODE.request();
    let header = FrameHeader { body_len: 0, opcode, flags: 0, correlation, handle };
    let mut out = BytesMut::new();
    put(&mut out, header, call);
    out
}

/// Appends to `out` a successful answer.
pub fn put_answer(
    out: &mut BytesMut,
    call: Opcode,
    correlation: u32,
    handle: u32,
    body: &impl Message,
) {
    put(out, FrameHeader::answer(call, correlation, handle, 0), body);
}

/// Appends to `out` an error answer. `opcode` is the request's as it was sent, so that a request of
/// an unknown kind can be answered too.
pub fn put_error(
    out: &mut BytesMut,
    opcode: u16,
    correlation: u32,
    handle: u32,
    error: &ErrorAnswer,
) {
    let opcode = opcode | opcode::ANSWER | opcode::ERROR;
    put(
        out,
        FrameHeader { body_len: 0, opcode, flags: error.code.0 as u16, correlation, handle },
        error,
    );
}

/// Appends to `out` the end of a subscription.
pub fn put_push_end(out: &mut BytesMut, subscription: u32, error: &ErrorAnswer) {
    let opcode = Opcode::PushEnd.request();
    let flags = error.code.0 as u16;
    put(
        out,
        FrameHeader { body_len: 0, opcode, flags, correlation: 0, handle: subscription },
        error,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FrameHeader =
        FrameHeader { body_len: 5, opcode: 0x8023, flags: 1, correlation: 0x01020304, handle: 9 };

    #[test]
    fn a_header_round_trips_and_waits_for_all_its_bytes() {
        let bytes = HEADER.encode();
        assert_eq!(bytes[..4], [17, 0, 0, 0], "the length counts what follows it");
        for n in 0..HEADER_LEN {
            assert_eq!(FrameHeader::decode(&bytes[..n], 21), Ok(None), "{n} bytes");
        }
        assert_eq!(FrameHeader::decode(&bytes, 21), Ok(Some(HEADER)));
        assert_eq!(HEADER.frame_len(), 21);
        assert!(HEADER.is_answer() && !HEADER.is_error());
    }

    #[test]
    fn lengths_are_refused_before_the_rest_is_there() {
        let too_large = FrameError::TooLarge { frame_bytes: 21, limit_bytes: 20 };
        assert_eq!(FrameHeader::decode(&HEADER.encode()[..4], 20), Err(too_large));
        let short = FrameHeader::decode(&[11, 0, 0, 0], u32::MAX);
        assert_eq!(short, Err(FrameError::TooShort { length: 11 }));
        let huge = FrameHeader::decode(&[0xff; 16], u32::MAX);
        assert!(matches!(huge, Err(FrameError::TooLarge { .. })), "{huge:?}");
    }
}
