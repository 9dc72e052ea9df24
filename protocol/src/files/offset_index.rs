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

use super::sparse_index::{IndexEntry, SparseIndex};

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 8;

/// The bytes of an index.
pub type OffsetIndex<'a> = SparseIndex<'a, OffsetEntry, ENTRY_LEN>;

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
}

impl IndexEntry<ENTRY_LEN> for OffsetEntry {
    const ZEROS_MAY_BE_FIRST: bool = false;

    fn decode(bytes: &[u8; ENTRY_LEN], base_offset: i64) -> OffsetEntry {
        let [a, b, c, d, position @ ..] = *bytes;
        let relative = i32::from_be_bytes([a, b, c, d]);
        OffsetEntry {
            offset: base_offset.saturating_add(i64::from(relative)),
            position: u32::from_be_bytes(position),
        }
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn key(&self) -> i64 {
        self.offset
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
