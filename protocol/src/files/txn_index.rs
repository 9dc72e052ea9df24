//! `*.txnindex`: the aborted transactions that end in a segment.
//!
//! ```text
//! ├─ i16 ─────┼─ i64 ───────┼─ i64 ────────┼─ i64 ───────┼─ i64 ──────────────┤
//! │ version 0 │ producer id │ first offset │ last offset │ last stable offset │
//! ```
//!
//! 34 bytes an entry, big-endian, in the order in which the transactions ended.

use super::FormatError;
use crate::wire::{BufMut, Reader, WireError};

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 34;
const VERSION: i16 = 0;

/// A transaction that was aborted: readers of committed records skip what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose transaction it was.
    pub producer_id: i64,
    /// The offset of its first record.
    pub first_offset: i64,
    /// The offset of its abort marker.
    pub last_offset: i64,
    /// The last stable offset after it: no open transaction starts below.
    pub last_stable_offset: i64,
}

impl AbortedTxn {
    /// Appends the entry's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i16(VERSION);
        out.put_i64(self.producer_id);
        out.put_i64(self.first_offset);
        out.put_i64(self.last_offset);
        out.put_i64(self.last_stable_offset);
    }

    fn read(reader: &mut Reader<'_>) -> Result<AbortedTxn, WireError> {
        Ok(AbortedTxn {
            producer_id: reader.i64()?,
            first_offset: reader.i64()?,
            last_offset: reader.i64()?,
            last_stable_offset: reader.i64()?,
        })
    }
}

/// Reads a whole file.
///
/// # Errors
/// If an entry has another version or the last one is cut.
pub fn decode(bytes: &[u8]) -> Result<Vec<AbortedTxn>, FormatError> {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::new();
    while !reader.is_empty() {
        let version = reader.i16()?;
        if version != VERSION {
            return Err(FormatError::Version { found: version.into(), known: VERSION.into() });
        }
        entries.push(AbortedTxn::read(&mut reader)?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip_and_cuts_are_errors() {
        let entry = |i| AbortedTxn {
            producer_id: i,
            first_offset: 1,
            last_offset: 2,
            last_stable_offset: 3,
        };
        let mut bytes = Vec::new();
        entry(7).encode(&mut bytes);
        entry(8).encode(&mut bytes);
        assert_eq!(bytes.len(), 2 * ENTRY_LEN);
        assert_eq!(decode(&bytes), Ok(vec![entry(7), entry(8)]));
        for n in (1..bytes.len()).filter(|n| n % ENTRY_LEN != 0) {
            assert!(decode(&bytes[..n]).is_err(), "{n}");
        }
        bytes[1] = 9;
        assert_eq!(decode(&bytes), Err(FormatError::Version { found: 9, known: 0 }));
    }
}
