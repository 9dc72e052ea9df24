//! What `*.index` and `*.timeindex` have in common: entries of one length that rise, one behind the
//! other, and a tail of zeros where the file was allocated ahead.
//!
//! ```text
//! ├─ N ─┼─ N ─┼─ N ─┼ … ┼ 0 0 0 0 0 … ┤
//! │ entry, entry, entry  │ zeros         │
//! ```

use std::marker::PhantomData;

/// An entry of `N` bytes.
pub trait IndexEntry<const N: usize>: Sized {
    /// Whether an index's first entry may be all zeros.
    const ZEROS_MAY_BE_FIRST: bool;

    /// The entry of the index of the segment that starts at `base_offset`.
    fn decode(bytes: &[u8; N], base_offset: i64) -> Self;

    /// The last offset of the batch that it is about.
    fn offset(&self) -> i64;

    /// What entries rise by, and are looked up by.
    fn key(&self) -> i64;
}

/// The bytes of an index, borrowed; whatever they hold, nothing here panics.
#[derive(Clone, Copy, Debug)]
pub struct SparseIndex<'a, E, const N: usize> {
    base_offset: i64,
    entries: &'a [[u8; N]],
    entry: PhantomData<E>,
}

impl<'a, E: IndexEntry<N>, const N: usize> SparseIndex<'a, E, N> {
    /// The index of the segment that starts at `base_offset`. A tail of zeros, or of less than an
    /// entry, is left aside.
    pub fn new(base_offset: i64, bytes: &'a [u8]) -> Self {
        let (entries, _) = bytes.as_chunks::<N>();
        let before_zeros = |entries: &[[u8; N]]| entries.partition_point(|entry| *entry != [0; N]);
        let valid = match entries.split_first() {
            Some((first, rest)) if E::ZEROS_MAY_BE_FIRST && *first == [0; N] => {
                match before_zeros(rest) {
                    // Alone it is an entry only in a file that was trimmed to it.
                    0 if bytes.len() > N => 0,
                    others => 1 + others,
                }
            }
            _ => before_zeros(entries),
        };
        SparseIndex { base_offset, entries: &entries[..valid], entry: PhantomData }
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
        self.entries.len() * N
    }

    /// The entries in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = E> + ExactSizeIterator + use<'a, E, N> {
        let base_offset = self.base_offset;
        self.entries.iter().map(move |bytes| E::decode(bytes, base_offset))
    }

    /// The last entry.
    pub fn last(&self) -> Option<E> {
        self.iter().next_back()
    }

    /// The greatest entry at or below `key`: an offset, or a timestamp in milliseconds since 1970.
    /// `None`: start at the segment's first byte.
    pub fn lookup(&self, key: i64) -> Option<E> {
        let decode = |bytes: &_| E::decode(bytes, self.base_offset);
        let after = self.entries.partition_point(|bytes| decode(bytes).key() <= key);
        Some(decode(self.entries.get(after.checked_sub(1)?)?))
    }
}
