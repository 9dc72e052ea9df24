//! Splitting bytes into lines: what stands before a LF is a record, and exactly one LF is taken off.
//!
//! ```text
//! "a\r\n" "\n" "last"   three records: "a\r", "", "last"
//! ```
//! A CR stays. The last line needs no LF, so bytes without any are one record, and none at all are
//! no record.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of a line at most: far above what a topic takes, far below what memory holds.
pub(super) const LINE_BYTES_MAX: usize = 256 << 20;

/// A line that does not end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Takes bytes in pieces and gives lines. Lines within a piece are parts of it, not copies.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Of the last piece, what was not given yet.
    chunk: Bytes,
    /// The beginning of a line that the pieces before ended in.
    begun: BytesMut,
}

impl Lines {
    /// Adds a piece. The lines of the one before have all been taken.
    pub(super) fn feed(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "a piece is fed while there is one");
        self.chunk = chunk;
    }

    /// The next line that ends within the bytes fed so far.
    ///
    /// # Errors
    /// When it grows beyond [`LINE_BYTES_MAX`].
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, TooLong> {
        let end = self.chunk.iter().position(|&byte| byte == b'\n');
        let part = self.chunk.split_to(end.unwrap_or(self.chunk.len()));
        if self.begun.len() + part.len() > LINE_BYTES_MAX {
            return Err(TooLong);
        }
        match end {
            Some(_) => {
                self.chunk.advance(1);
                if self.begun.is_empty() {
                    return Ok(Some(part));
                }
                self.begun.extend_from_slice(&part);
                Ok(Some(self.begun.split().freeze()))
            }
            None => {
                self.begun.extend_from_slice(&part);
                Ok(None)
            }
        }
    }

    /// The last line, if it has no LF; there are no more bytes.
    pub(super) fn last(&mut self) -> Option<Bytes> {
        (!self.begun.is_empty()).then(|| self.begun.split().freeze())
    }

    /// Bytes of a line whose end has not come.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.begun.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `text`, fed in pieces of `size`.
    fn lines(text: &[u8], size: usize) -> Vec<Bytes> {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        for chunk in text.chunks(size) {
            lines.feed(Bytes::copy_from_slice(chunk));
            while let Some(line) = lines.next().unwrap() {
                out.push(line);
            }
        }
        out.extend(lines.last());
        out
    }

    #[test]
    fn exactly_one_lf_is_taken_off() {
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("\n", &[""]),
            ("\n\n", &["", ""]),
            ("a", &["a"]),
            ("a\n", &["a"]),
            ("a\r\nb\r\n", &["a\r", "b\r"]),
            ("a\n\nlast", &["a", "", "last"]),
            ("\r", &["\r"]),
        ];
        for (text, expected) in cases {
            for size in 1..=text.len().max(1) {
                assert_eq!(lines(text.as_bytes(), size), expected, "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn any_bytes_come_back() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            // Few different bytes, so that there are many LF.
            let text: Vec<u8> = (0..random.usize(..200))
                .map(|_| [b'\n', b'\r', 0, 0xff][random.usize(..4)])
                .collect();
            let mut joined = Vec::new();
            for line in lines(&text, random.usize(1..50)) {
                joined.extend_from_slice(&line);
                joined.push(b'\n');
            }
            if !text.is_empty() && !text.ends_with(b"\n") {
                joined.pop();
            }
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::default();
        let piece = Bytes::from(vec![0; LINE_BYTES_MAX / 4]);
        for _ in 0..4 {
            lines.feed(piece.clone());
            assert_eq!(lines.next(), Ok(None));
        }
        assert_eq!(lines.unfinished_bytes(), LINE_BYTES_MAX);
        lines.feed(Bytes::from_static(b"x\n"));
        assert_eq!(lines.next(), Err(TooLong));
    }
}
