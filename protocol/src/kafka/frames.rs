//! Whole frames, one behind the other, ready to be sent.
//!
//! ```text
//! frame   i32 length of what follows | header | body
//! ```
//!
//! The length counts the bytes that the holes stand for (see [`records`](super::records)).

use super::error::CodecError;
use super::header::{RequestHeader, ResponseHeader};
use super::message::{Message, Request};
use super::records::Hole;
use super::spec::Spec;

/// Bytes of the length that a frame begins with.
pub const LENGTH_LEN: usize = 4;

/// Frames that were written and not yet sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    bytes: Vec<u8>,
    holes: Vec<Hole>,
}

/// A run of what has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'f> {
    /// These bytes.
    Bytes(&'f [u8]),
    /// So many bytes of records, which were said to be [elsewhere](super::records::Records).
    Hole(usize),
}

impl Frames {
    /// Appends a response to a request of `version`.
    ///
    /// # Errors
    /// As [`Message::encode`]; nothing is appended then.
    pub fn push_response<'a, M: Message<'a>>(
        &mut self,
        correlation_id: i32,
        version: i16,
        body: &M,
    ) -> Result<(), CodecError> {
        self.push(version, body, |out| {
            ResponseHeader { correlation_id }.encode(M::API, version, out);
            Ok(())
        })
    }

    /// Appends a request.
    ///
    /// # Errors
    /// As [`Message::encode`]; nothing is appended then.
    pub fn push_request<'a, R: Request<'a>>(
        &mut self,
        correlation_id: i32,
        client_id: Option<&str>,
        version: i16,
        body: &R,
    ) -> Result<(), CodecError> {
        let api_key = R::API.number();
        self.push(version, body, |out| {
            RequestHeader { api_key, api_version: version, correlation_id, client_id }.encode(out)
        })
    }

    fn push<'a, M: Message<'a>>(
        &mut self,
        version: i16,
        body: &M,
        header: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        let (start, first_hole) = (self.bytes.len(), self.holes.len());
        self.bytes.extend([0; LENGTH_LEN]);
        let written = header(&mut self.bytes)
            .and_then(|()| body.encode(version, &mut self.bytes, &mut self.holes))
            .and_then(|()| self.set_length::<M>(version, start, first_hole));
        if written.is_err() {
            self.bytes.truncate(start);
            self.holes.truncate(first_hole);
        }
        written
    }

    fn set_length<'a, M: Message<'a>>(
        &mut self,
        version: i16,
        start: usize,
        first_hole: usize,
    ) -> Result<(), CodecError> {
        static LENGTH: Spec = Spec::new("frame", "length", 0);
        let holes: usize = self.holes[first_hole..].iter().map(|hole| hole.len).sum();
        let length = self.bytes.len() - start - LENGTH_LEN + holes;
        let Ok(length) = i32::try_from(length) else {
            let what = "more than 2 GiB";
            return Err(CodecError { message: M::NAME, version, field: &LENGTH, at: start, what });
        };
        self.bytes[start..start + LENGTH_LEN].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }

    /// What to send, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let ends = self.holes.iter().map(|hole| (hole.at, Some(hole.len)));
        let mut start = 0;
        ends.chain([(self.bytes.len(), None)]).flat_map(move |(end, hole)| {
            let bytes = &self.bytes[start..end];
            start = end;
            let bytes = (!bytes.is_empty()).then_some(Piece::Bytes(bytes));
            [bytes, hole.map(Piece::Hole)].into_iter().flatten()
        })
    }

    /// The bytes written, without what the holes stand for.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The holes, in the order of their places in [`Frames::bytes`].
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// Takes what was written; nothing is left.
    pub fn take(&mut self) -> (Vec<u8>, Vec<Hole>) {
        (std::mem::take(&mut self.bytes), std::mem::take(&mut self.holes))
    }

    /// Forgets what was written and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.holes.clear();
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
