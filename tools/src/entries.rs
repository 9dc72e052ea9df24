//! Files of entries of one size, such as the indexes, entry by entry.
//!
//! Indexes are allocated ahead, so an unclean stop leaves zeroes behind the last entry. Those are
//! told from entries by going on to the end of the file.

use std::io;

use crate::source::Source;

/// What stands at a place of a file of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot<const N: usize> {
    /// An entry.
    Entry([u8; N]),
    /// So many zeroes, to the end of the file.
    Zeroes(u64),
    /// So many bytes at the end, too few for an entry.
    Rest(u64),
}

/// A walk over entries of `N` bytes.
pub(crate) struct Entries<const N: usize> {
    source: Source,
    position: u64,
    /// Whether an entry of zeroes may be one, at the start of a file of one entry.
    zero_is_entry: bool,
    zeroes_until: u64,
}

impl<const N: usize> Entries<N> {
    /// Starts at the beginning. `zero_is_entry` if a file of a single entry may hold only zeroes.
    pub(crate) fn new(source: Source, zero_is_entry: bool) -> Self {
        Entries { source, position: 0, zero_is_entry, zeroes_until: 0 }
    }

    /// Where the next slot starts.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next slot, and where it starts; `None` at the end.
    ///
    /// # Errors
    /// If the file can't be read at [`Entries::position`].
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Slot<N>)>> {
        let position = self.position;
        let bytes = self.source.read(position, N)?;
        let Some(&entry) = bytes.first_chunk::<N>() else {
            let rest = bytes.len() as u64;
            self.position += rest;
            return Ok((rest > 0).then_some((position, Slot::Rest(rest))));
        };
        let alone = self.zero_is_entry && self.source.len() == N as u64;
        if entry == [0; N] && !alone && self.zeroes_until <= position {
            self.zeroes_until = self.source.zeroes_until(position)?;
            let len = self.source.len();
            if self.zeroes_until >= len {
                self.position = len;
                return Ok(Some((position, Slot::Zeroes(len - position))));
            }
        }
        self.position += N as u64;
        Ok(Some((position, Slot::Entry(entry))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Access;

    fn slots(bytes: &[u8], zero_is_entry: bool) -> Vec<(u64, Slot<4>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut entries =
            Entries::new(Source::open(file.path(), Access::Read).unwrap(), zero_is_entry);
        std::iter::from_fn(|| entries.next().unwrap()).collect()
    }

    #[test]
    fn only_zeroes_to_the_end_are_no_entries() {
        assert_eq!(slots(b"", false), []);
        assert_eq!(
            slots(b"aaaa\0\0\0\0\0\0\0\0bbbb\0\0\0\0\0\0", false),
            [
                (0, Slot::Entry(*b"aaaa")),
                (4, Slot::Entry([0; 4])),
                (8, Slot::Entry([0; 4])),
                (12, Slot::Entry(*b"bbbb")),
                (16, Slot::Zeroes(6)),
            ]
        );
        assert_eq!(slots(b"aaaab", false), [(0, Slot::Entry(*b"aaaa")), (4, Slot::Rest(1))]);
    }

    #[test]
    fn a_lone_entry_may_be_all_zeroes() {
        assert_eq!(slots(&[0; 4], true), [(0, Slot::Entry([0; 4]))]);
        assert_eq!(slots(&[0; 4], false), [(0, Slot::Zeroes(4))]);
        assert_eq!(slots(&[0; 8], true), [(0, Slot::Zeroes(8))]);
    }
}
