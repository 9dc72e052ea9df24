//! `*.index`: from an offset to a position in the segment, sparsely.
//!
//! ```text
//! ├─ i32 ────────────────┼─ i32 ────┤  8 bytes an entry, big-endian, rising
//! │ offset - base offset │ position │
//! ```
//!
//! The offset is the *last* of the batch that starts at the position. So whoever looks for an
//! offset takes the greatest entry at or below it and walks on from there. An entry is a hint: the
//! batch found is checked before it is believed.
//!
//! The first batch never has an entry, so that a position is never 0; what is all zeros is the
//! rest of a file that was allocated ahead.

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 8;

/// Where a batch starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The last offset of the batch.
    pub offset: i64,
    /// The byte of the segment at which the batch starts.
    pub position: u32,
}

impl OffsetEntry {
    /// The entry's bytes in the index of the segment that starts at `base_offset`.
    ///
    /// # Panics
    /// If the offset or the position does not fit 31 bits: segments roll before that.
    pub fn encode(&self, base_offset: i64) -> [u8; ENTRY_LEN] {
        let relative = super::segment::relative_offset(self.offset, base_offset);
        assert!(
            i32::try_from(self.position).is_ok(),
            "position {} beyond a segment",
            self.position
        );
        let mut bytes = [0; ENTRY_LEN];
        bytes[..4].copy_from_slice(&relative.to_be_bytes());
        bytes[4..].copy_from_slice(&self.position.to_be_bytes());
        bytes
    }

    /// The inverse of [`OffsetEntry::encode`].
    pub fn decode(bytes: &[u8; ENTRY_LEN], base_offset: i64) -> OffsetEntry {
        let [a, b, c, d, position @ ..] = *bytes;
        let relative = i32::from_be_bytes([a, b, c, d]);
        OffsetEntry {
            offset: base_offset.saturating_add(i64::from(relative)),
            position: u32::from_be_bytes(position),
        }
    }
}

/// The bytes of an index, borrowed; whatever they hold, nothing here panics.
#[derive(Clone, Copy, Debug)]
pub struct OffsetIndex<'a> {
    base_offset: i64,
    entries: &'a [[u8; ENTRY_LEN]],
}

impl<'a> OffsetIndex<'a> {
    /// The index of the segment that starts at `base_offset`. A tail of zeros, or of less than an
    /// entry, is left aside.
    pub fn new(base_offset: i64, bytes: &'a [u8]) -> Self {
        let (entries, _) = bytes.as_chunks::<ENTRY_LEN>();
        let valid = entries.partition_point(|entry| *entry != [0; ENTRY_LEN]);
        OffsetIndex { base_offset, entries: &entries[..valid] }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that hold entries: the exact length of the file, without its tail.
    pub fn valid_bytes(&self) -> usize {
        self.entries.len() * ENTRY_LEN
    }

    /// The entries in order.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = OffsetEntry> + ExactSizeIterator + use<'a> {
        let base_offset = self.base_offset;
        self.entries.iter().map(move |bytes| OffsetEntry::decode(bytes, base_offset))
    }

    /// The last entry.
    pub fn last(&self) -> Option<OffsetEntry> {
        self.iter().next_back()
    }

    /// The greatest entry at or below `offset`. `None`: start at the segment's first byte.
    pub fn lookup(&self, offset: i64) -> Option<OffsetEntry> {
        let decode = |bytes: &_| OffsetEntry::decode(bytes, self.base_offset);
        let after = self.entries.partition_point(|bytes| decode(bytes).offset <= offset);
        Some(decode(self.entries.get(after.checked_sub(1)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(offsets: &[(i64, u32)]) -> Vec<u8> {
        let entries = offsets.iter().map(|&(offset, position)| OffsetEntry { offset, position });
        entries.flat_map(|entry| entry.encode(1_000)).collect()
    }

    #[test]
    fn lookups_find_the_greatest_entry_at_or_below() {
        let mut bytes = index(&[(1_010, 100), (1_020, 200), (1_030, 300)]);
        for tail in [0, 3, 800] {
            bytes.resize(24 + tail, 0);
            let index = OffsetIndex::new(1_000, &bytes);
            let position = |offset| index.lookup(offset).map(|entry| entry.position);
            assert_eq!(position(0), None);
            assert_eq!(position(1_009), None);
            assert_eq!(position(1_010), Some(100));
            assert_eq!(position(1_029), Some(200));
            assert_eq!(position(i64::MAX), Some(300));
            assert_eq!((index.len(), index.valid_bytes()), (3, 24));
        }
        assert_eq!(OffsetIndex::new(1_000, &[]).lookup(5), None);
    }

    #[test]
    fn bytes_of_an_entry() {
        assert_eq!(index(&[(1_258, 4_100)]), [0, 0, 1, 2, 0, 0, 16, 4]);
    }

    #[test]
    #[should_panic(expected = "offset 2147484648 too far above the segment's base 1000")]
    fn an_offset_that_does_not_fit_is_our_own_fault() {
        index(&[(1_000 + (1 << 31), 1)]);
    }
}
