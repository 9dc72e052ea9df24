//! Small answers out of bytes that come in pieces.
//!
//! ```text
//! i32 length | answer ......|   held until it is whole
//! ```

use super::connection::frame_len;
use crate::bench::error::Result;

/// Bytes of the length that an answer begins with.
const LENGTH_LEN: usize = 4;
/// The longest answer that is held.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The stream of one connection.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The beginning of an answer that is not whole, its length included.
    held: Vec<u8>,
}

impl Answers {
    /// Takes the next bytes, and gives each answer that they complete to `sink`, without its length.
    ///
    /// # Errors
    /// When an answer can't be so long, or with `sink`'s first error.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        while !bytes.is_empty() {
            if self.held.is_empty()
                && let Some(len) = whole_len(bytes)?.filter(|len| *len <= bytes.len())
            {
                sink(&bytes[LENGTH_LEN..len])?;
                bytes = &bytes[len..];
                continue;
            }
            let wanted = whole_len(&self.held)?.unwrap_or(LENGTH_LEN) - self.held.len();
            let (taken, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.held.extend_from_slice(taken);
            bytes = rest;
            if whole_len(&self.held)? == Some(self.held.len()) {
                sink(&self.held[LENGTH_LEN..])?;
                self.held.clear();
            }
        }
        Ok(())
    }
}

/// Bytes of the answer that starts here, its length included; `None` while that is not all there.
fn whole_len(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(length) = bytes.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
    Ok(Some(LENGTH_LEN + frame_len(*length, ANSWER_BYTES_MAX)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_same_however_their_bytes_come() {
        let answers = [&b"answer"[..], b"four", b"longer than the others"];
        let mut stream = Vec::new();
        for answer in answers {
            stream.extend_from_slice(&(answer.len() as i32).to_be_bytes());
            stream.extend_from_slice(answer);
        }
        for piece in 1..=stream.len() {
            let (mut incoming, mut got) = (Answers::default(), Vec::new());
            let mut sink = |answer: &[u8]| {
                got.push(answer.to_vec());
                Ok(())
            };
            stream.chunks(piece).for_each(|piece| incoming.feed(piece, &mut sink).unwrap());
            assert_eq!(got, answers, "pieces of {piece}");
            assert!(incoming.held.is_empty());
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_an_error() {
        for length in [-1, 0, 3, 1 << 24] {
            for piece in [1, 4] {
                let mut incoming = Answers::default();
                let bytes = i32::to_be_bytes(length);
                let fed = bytes.chunks(piece).try_for_each(|b| incoming.feed(b, &mut |_| Ok(())));
                assert!(fed.is_err(), "{length}");
            }
        }
    }
}
