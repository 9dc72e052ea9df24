//! `*.timeindex`: from a timestamp to an offset, sparsely.
//!
//! ```text
//! ├─ i64 ─────┼─ i32 ────────────────┤  12 bytes an entry, big-endian, timestamps rising
//! │ timestamp │ offset - base offset │
//! ```
//!
//! An entry says: up to here the largest timestamp was this one, and the batch that brought it
//! ends at this offset. Every record with a later timestamp lies behind that batch. So whoever
//! looks for the first record at or after a time takes the greatest entry at or below it and walks
//! on from the batch that holds its offset.

use super::sparse_index::{IndexEntry, SparseIndex};

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 12;

/// The bytes of an index.
pub type TimeIndex<'a> = SparseIndex<'a, TimeEntry, ENTRY_LEN>;

/// The largest timestamp so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// In milliseconds since 1970.
    pub timestamp: i64,
    /// The last offset of the first batch with that timestamp.
    pub offset: i64,
}

impl TimeEntry {
    /// The entry's bytes in the index of the segment that starts at `base_offset`.
    ///
    /// # Panics
    /// If the offset does not fit 31 bits: segments roll before that.
    pub fn encode(&self, base_offset: i64) -> [u8; ENTRY_LEN] {
        let relative = super::segment::relative_offset(self.offset, base_offset);
        let mut bytes = [0; ENTRY_LEN];
        bytes[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&relative.to_be_bytes());
        bytes
    }
}

impl IndexEntry<ENTRY_LEN> for TimeEntry {
    /// Time 0 at the first offset.
    const ZEROS_MAY_BE_FIRST: bool = true;

    fn decode(bytes: &[u8; ENTRY_LEN], base_offset: i64) -> TimeEntry {
        let [timestamp @ .., a, b, c, d] = *bytes;
        let relative = i32::from_be_bytes([a, b, c, d]);
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp),
            offset: base_offset.saturating_add(i64::from(relative)),
        }
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn key(&self) -> i64 {
        self.timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &[(i64, i64)]) -> Vec<u8> {
        let entries = entries.iter().map(|&(timestamp, offset)| TimeEntry { timestamp, offset });
        entries.flat_map(|entry| entry.encode(50)).collect()
    }

    #[test]
    fn lookups_find_the_greatest_entry_at_or_below() {
        let mut bytes = index(&[(0, 50), (1_000, 60), (2_000, 70)]);
        bytes.resize(36 + 1_200, 0);
        let index = TimeIndex::new(50, &bytes);
        let offset = |timestamp| index.lookup(timestamp).map(|entry| entry.offset);
        assert_eq!(index.valid_bytes(), 36);
        assert_eq!(offset(-1), None);
        assert_eq!(offset(0), Some(50));
        assert_eq!(offset(1_999), Some(60));
        assert_eq!(offset(i64::MAX), Some(70));
    }

    #[test]
    fn zeros_are_an_entry_only_where_nothing_else_fits() {
        assert_eq!(TimeIndex::new(0, &[0; 12]).len(), 1);
        assert_eq!(TimeIndex::new(0, &[0; 24]).len(), 0);
        assert_eq!(TimeIndex::new(0, &[0; 11]).len(), 0);
    }

    #[test]
    fn bytes_of_an_entry() {
        assert_eq!(index(&[(258, 53)]), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3]);
    }
}
