//! `*.snapshot`: what is known of each producer before the offset in the file's name.
//!
//! ```text
//! 0       2        6       10
//! ├─ i16 ─┼─ u32 ──┼─ i32 ─┼───────────────────────────────
//! │ ver-  │ CRC32C │ count │ entries of 46 bytes ...
//! │ sion 1│ of 6.. │       │
//!
//! entry: i64 producer id · i16 epoch · i32 last sequence · i64 last offset · i32 offset delta
//!      · i64 timestamp · i32 coordinator epoch · i64 first offset of the open transaction
//! ```
//!
//! An entry has room for the last batch alone: `last sequence` and `last offset` are those of its
//! last record, `offset delta` is how many offsets before that it starts.

use super::FormatError;
use crate::wire::{BufMut, Reader, WireError};

/// Bytes of an entry.
pub const ENTRY_LEN: usize = 46;
/// Where the count stands: what the CRC covers starts here.
const CRC_START: usize = 6;
const VERSION: i16 = 1;

/// A producer and its last batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub producer_epoch: i16,
    /// The sequence number of its last record, -1 if there is none in this epoch.
    pub last_sequence: i32,
    /// The offset of its last record, -1 if there is none in this epoch.
    pub last_offset: i64,
    /// The last offset of its last batch less the first.
    pub offset_delta: i32,
    /// The largest timestamp of its last batch, in milliseconds since 1970.
    pub timestamp: i64,
    /// The epoch of the coordinator that wrote its last marker, -1 if none has.
    pub coordinator_epoch: i32,
    /// The first offset of its open transaction, -1 if none is open.
    pub current_txn_first_offset: i64,
}

impl ProducerEntry {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.last_sequence);
        out.put_i64(self.last_offset);
        out.put_i32(self.offset_delta);
        out.put_i64(self.timestamp);
        out.put_i32(self.coordinator_epoch);
        out.put_i64(self.current_txn_first_offset);
    }

    fn read(reader: &mut Reader<'_>) -> Result<ProducerEntry, WireError> {
        Ok(ProducerEntry {
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
            last_sequence: reader.i32()?,
            last_offset: reader.i64()?,
            offset_delta: reader.i32()?,
            timestamp: reader.i64()?,
            coordinator_epoch: reader.i32()?,
            current_txn_first_offset: reader.i64()?,
        })
    }
}

/// The bytes of a file with these entries.
pub fn encode(entries: &[ProducerEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(CRC_START + 4 + entries.len() * ENTRY_LEN);
    out.put_i16(VERSION);
    out.put_u32(0);
    out.put_i32(entries.len() as i32);
    for entry in entries {
        entry.write(&mut out);
    }
    let crc = crc32c::crc32c(&out[CRC_START..]);
    (&mut out[2..]).put_u32(crc);
    out
}

/// Reads a whole file.
///
/// # Errors
/// If the version is another, the CRC wrong, or the length not that of the entries counted.
pub fn decode(bytes: &[u8]) -> Result<Vec<ProducerEntry>, FormatError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if version != VERSION {
        return Err(FormatError::Version { found: version.into(), known: VERSION.into() });
    }
    let stored = reader.u32()?;
    let computed = crc32c::crc32c(&bytes[CRC_START..]);
    if stored != computed {
        return Err(FormatError::Crc { stored, computed });
    }
    let count = reader.i32()?;
    let fits = usize::try_from(count)
        .is_ok_and(|count| count.checked_mul(ENTRY_LEN) == Some(reader.remaining()));
    if !fits {
        return Err(reader.error("a count that is not that of the entries").into());
    }
    let entries = (0..count).map(|_| ProducerEntry::read(&mut reader));
    Ok(entries.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<ProducerEntry> {
        let entry = |producer_id| ProducerEntry {
            producer_id,
            producer_epoch: 3,
            last_sequence: 41,
            last_offset: 1_041,
            offset_delta: 9,
            timestamp: 1_750_000_000_000,
            coordinator_epoch: -1,
            current_txn_first_offset: -1,
        };
        vec![entry(1), entry(2)]
    }

    #[test]
    fn files_round_trip() {
        for entries in [vec![], entries()] {
            assert_eq!(decode(&encode(&entries)), Ok(entries));
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_an_error() {
        let bytes = encode(&entries());
        for n in 0..bytes.len() {
            assert!(decode(&bytes[..n]).is_err(), "cut to {n}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_claimed_count_is_not_trusted() {
        let mut bytes = encode(&[]);
        bytes[CRC_START..].copy_from_slice(&i32::MAX.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[CRC_START..]);
        bytes[2..6].copy_from_slice(&crc.to_be_bytes());
        assert!(matches!(decode(&bytes), Err(FormatError::Wire(_))));
    }
}
