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

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 12;

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

    /// The inverse of [`TimeEntry::encode`].
    pub fn decode(bytes: &[u8; ENTRY_LEN], base_offset: i64) -> TimeEntry {
        let [timestamp @ .., a, b, c, d] = *bytes;
        let relative = i32::from_be_bytes([a, b, c, d]);
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp),
            offset: base_offset.saturating_add(i64::from(relative)),
        }
    }
}

/// The bytes of an index, borrowed; whatever they hold, nothing here panics.
#[derive(Clone, Copy, Debug)]
pub struct TimeIndex<'a> {
    base_offset: i64,
    entries: &'a [[u8; ENTRY_LEN]],
}

impl<'a> TimeIndex<'a> {
    /// The index of the segment that starts at `base_offset`. A tail of zeros, or of less than an
    /// entry, is left aside.
    pub fn new(base_offset: i64, bytes: &'a [u8]) -> Self {
        let (entries, _) = bytes.as_chunks::<ENTRY_LEN>();
        let valid = match entries.split_first() {
            None => 0,
            Some((first, rest)) => {
                let rest = rest.partition_point(|entry| *entry != [0; ENTRY_LEN]);
                // Time 0 at the first offset is all zeros too. Alone it is an entry only in a file
                // that was trimmed to it.
                let tail = *first == [0; ENTRY_LEN] && rest == 0 && bytes.len() > ENTRY_LEN;
                if tail { 0 } else { 1 + rest }
            }
        };
        TimeIndex { base_offset, entries: &entries[..valid] }
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
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = TimeEntry> + ExactSizeIterator + use<'a> {
        let base_offset = self.base_offset;
        self.entries.iter().map(move |bytes| TimeEntry::decode(bytes, base_offset))
    }

    /// The last entry.
    pub fn last(&self) -> Option<TimeEntry> {
        self.iter().next_back()
    }

    /// The greatest entry at or below `timestamp`, in milliseconds since 1970. `None`: start at
    /// the segment's first record.
    pub fn lookup(&self, timestamp: i64) -> Option<TimeEntry> {
        let decode = |bytes: &_| TimeEntry::decode(bytes, self.base_offset);
        let after = self.entries.partition_point(|bytes| decode(bytes).timestamp <= timestamp);
        Some(decode(self.entries.get(after.checked_sub(1)?)?))
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
