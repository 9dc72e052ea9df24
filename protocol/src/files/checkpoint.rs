//! What a core knows to be in its segments for good, and where its journal goes on.
//!
//! A core has two checkpoint files and writes them in turn, so that one is always whole. The
//! valid one with the higher sequence counts.
//!
//! The newest index entries of a segment that grows stand here rather than in its index files:
//! one file to be synced, not two a partition.
//!
//! ```text
//!   0:8   magic "DrmnChk2"
//!   8:4   CRC32C of everything behind it
//!  12:4   length of everything behind it
//!  16:8   sequence: rises with each checkpoint of the core
//!  24:4   start epoch of the session
//!  28:4   core
//!  32:8   journal file in which the first group that counts would stand
//!  40:8   generation of that file's use
//!  48:8   position of that group in it
//!  56:8   sequence of that group
//!  64:4   header CRC of the group before it
//!  68:4   number of partitions
//!  72:    the partitions
//!
//! partition
//!   0:16  topic id           16:4  partition
//!  20:8   recovery point: the offset up to which the segments hold everything
//!  28:8   base offset of the segment that holds it   36:8  its position there
//!  44:8   log start offset
//!  52:8   largest timestamp of that segment below the point, -1 for none
//!  60:8   last offset of the first batch with that timestamp, -1 for none
//!  68:8   timestamp of the last entry in that segment's time index, -1 for none
//!  76:8   bytes since its last index entry
//!  84:4   bytes of its index file      88:4  bytes of its time index file
//!  92:4   bytes of index entries that belong behind those, then they, as in the file
//!   :4    likewise of the time index
//!   :4    number of leader epochs, 12 bytes each: epoch 4, start offset 8
//!   :4    number of producers, then each
//!
//! producer
//!   0:8   producer id   8:2  epoch   10:2  number of batches, 1 to 5, oldest first
//!  12:    batches of 32 bytes: first sequence 4, last sequence 4, first offset 8, last offset 8,
//!         timestamp 8
//! ```
//!
//! All integers are little-endian.

use bytes::BufMut;

use super::index_builder::IndexState;
use super::journal::PartitionKey;
use super::time_index::TimeEntry;
use crate::TopicId;
use crate::wire::{Reader, WireError};

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"DrmnChk2";
/// Bytes before the partitions.
pub const HEADER_LEN: usize = 72;

/// A core's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub sequence: u64,
    pub start_epoch: u32,
    pub core: u32,
    pub journal: JournalStart,
    pub partitions: Vec<PartitionRecord>,
}

/// The place of the first group that isn't covered by a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStart {
    pub file: u64,
    pub generation: u64,
    pub position: u64,
    pub sequence: u64,
    pub previous_crc: u32,
}

/// What a checkpoint says of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionRecord {
    pub key: PartitionKey,
    pub recovery_point: u64,
    pub segment_base: u64,
    pub position: u64,
    pub log_start: u64,
    /// How to go on with the segment's indexes, which hold everything below `position`.
    pub index: IndexState,
    /// Bytes of the segment's index file that are stored for good.
    pub index_len: u32,
    /// Bytes of the segment's time index file that are.
    pub time_index_len: u32,
    /// Entries that belong behind those of the index file, encoded as there.
    pub index_rest: Vec<u8>,
    /// Entries that belong behind those of the time index file.
    pub time_index_rest: Vec<u8>,
    pub epochs: Vec<(u32, u64)>,
    pub producers: Vec<ProducerRecord>,
}

/// The last batches of one producer in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerRecord {
    pub producer_id: i64,
    pub epoch: i16,
    pub batches: Vec<ProducerBatch>,
}

/// One remembered batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    pub first_sequence: i32,
    pub last_sequence: i32,
    pub first_offset: u64,
    pub last_offset: u64,
    pub timestamp_ms: i64,
}

/// Why bytes are not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("this is no checkpoint: it doesn't begin with the magic bytes")]
    NoMagic,
    #[error("the checkpoint is cut short: {have} of {need} bytes")]
    Short { have: usize, need: usize },
    #[error("the checkpoint's checksum is {found:#010x}, its bytes give {computed:#010x}")]
    Crc { found: u32, computed: u32 },
    #[error("the checkpoint's content is not understood: {0}")]
    Content(#[from] WireError),
}

impl Checkpoint {
    /// Appends the whole file.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let records: Vec<u8> = self.partitions.iter().fold(Vec::new(), |mut bytes, p| {
            p.encode(&mut bytes);
            bytes
        });
        let head = Head { sequence: self.sequence, start_epoch: self.start_epoch, core: self.core };
        head.encode(self.journal, self.partitions.len() as u32, &records, out);
    }

    /// Reads a whole file; bytes behind the checkpoint are an older, longer one's.
    ///
    /// # Errors
    /// When it is none, is damaged, or isn't understood.
    pub fn decode(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
        let mut reader = Reader::new(bytes);
        if reader.bytes(8).ok() != Some(&MAGIC[..]) {
            return Err(CheckpointError::NoMagic);
        }
        let found = reader.u32_le()?;
        let need = reader.u32_le()? as usize;
        let have = reader.remaining();
        let Ok(content) = reader.bytes(need) else {
            return Err(CheckpointError::Short { have, need });
        };
        let computed = crc32c::crc32c(content);
        if computed != found {
            return Err(CheckpointError::Crc { found, computed });
        }
        Ok(Self::content(&mut Reader::new(content))?)
    }

    fn content(reader: &mut Reader<'_>) -> Result<Checkpoint, WireError> {
        let sequence = reader.u64_le()?;
        let start_epoch = reader.u32_le()?;
        let core = reader.u32_le()?;
        let journal = JournalStart {
            file: reader.u64_le()?,
            generation: reader.u64_le()?,
            position: reader.u64_le()?,
            sequence: reader.u64_le()?,
            previous_crc: reader.u32_le()?,
        };
        let count = reader.u32_le()?;
        let mut partitions = Vec::new();
        for _ in 0..count {
            partitions.push(PartitionRecord::decode(reader)?);
        }
        reader.finish()?;
        Ok(Checkpoint { sequence, start_epoch, core, journal, partitions })
    }
}

/// A checkpoint's own names, for writers that encode the partitions as they go.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub sequence: u64,
    pub start_epoch: u32,
    pub core: u32,
}

impl Head {
    /// Appends the whole file, given `count` encoded partition records.
    pub fn encode(&self, journal: JournalStart, count: u32, records: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.put_slice(&MAGIC);
        out.put_u64_le(0);
        out.put_u64_le(self.sequence);
        out.put_u32_le(self.start_epoch);
        out.put_u32_le(self.core);
        out.put_u64_le(journal.file);
        out.put_u64_le(journal.generation);
        out.put_u64_le(journal.position);
        out.put_u64_le(journal.sequence);
        out.put_u32_le(journal.previous_crc);
        out.put_u32_le(count);
        out.put_slice(records);
        let content = &out[start + 16..];
        let (crc, len) = (crc32c::crc32c(content), content.len() as u32);
        out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
        out[start + 12..start + 16].copy_from_slice(&len.to_le_bytes());
    }
}

impl PartitionRecord {
    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_slice(&self.key.topic_id.0);
        out.put_u32_le(self.key.partition);
        out.put_u64_le(self.recovery_point);
        out.put_u64_le(self.segment_base);
        out.put_u64_le(self.position);
        out.put_u64_le(self.log_start);
        let largest = self.index.largest.unwrap_or(TimeEntry { timestamp: -1, offset: -1 });
        out.put_i64_le(largest.timestamp);
        out.put_i64_le(largest.offset);
        out.put_i64_le(self.index.last_entry_timestamp);
        out.put_u64_le(self.index.bytes_since_entry);
        out.put_u32_le(self.index_len);
        out.put_u32_le(self.time_index_len);
        for rest in [&self.index_rest, &self.time_index_rest] {
            out.put_u32_le(rest.len() as u32);
            out.put_slice(rest);
        }
        out.put_u32_le(self.epochs.len() as u32);
        for (epoch, start) in &self.epochs {
            out.put_u32_le(*epoch);
            out.put_u64_le(*start);
        }
        out.put_u32_le(self.producers.len() as u32);
        for producer in &self.producers {
            producer.encode(out);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<PartitionRecord, WireError> {
        let mut topic_id = [0; 16];
        topic_id.copy_from_slice(reader.bytes(16)?);
        let key = PartitionKey { topic_id: TopicId(topic_id), partition: reader.u32_le()? };
        let recovery_point = reader.u64_le()?;
        let segment_base = reader.u64_le()?;
        let position = reader.u64_le()?;
        let log_start = reader.u64_le()?;
        let largest = TimeEntry { timestamp: reader.i64_le()?, offset: reader.i64_le()? };
        let index = IndexState {
            largest: (largest.offset >= 0).then_some(largest),
            last_entry_timestamp: reader.i64_le()?,
            bytes_since_entry: reader.u64_le()?,
        };
        let (index_len, time_index_len) = (reader.u32_le()?, reader.u32_le()?);
        let rest = |reader: &mut Reader<'_>| -> Result<Vec<u8>, WireError> {
            let len = reader.u32_le()? as usize;
            Ok(reader.bytes(len)?.to_vec())
        };
        let (index_rest, time_index_rest) = (rest(reader)?, rest(reader)?);
        let mut epochs = Vec::new();
        for _ in 0..reader.u32_le()? {
            epochs.push((reader.u32_le()?, reader.u64_le()?));
        }
        let mut producers = Vec::new();
        for _ in 0..reader.u32_le()? {
            producers.push(ProducerRecord::decode(reader)?);
        }
        Ok(PartitionRecord {
            key,
            recovery_point,
            segment_base,
            position,
            log_start,
            index,
            index_len,
            time_index_len,
            index_rest,
            time_index_rest,
            epochs,
            producers,
        })
    }
}

impl ProducerRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64_le(self.producer_id);
        out.put_i16_le(self.epoch);
        out.put_u16_le(self.batches.len() as u16);
        for batch in &self.batches {
            out.put_i32_le(batch.first_sequence);
            out.put_i32_le(batch.last_sequence);
            out.put_u64_le(batch.first_offset);
            out.put_u64_le(batch.last_offset);
            out.put_i64_le(batch.timestamp_ms);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<ProducerRecord, WireError> {
        let producer_id = reader.i64_le()?;
        let epoch = reader.i16_le()?;
        let mut batches = Vec::new();
        for _ in 0..reader.u16_le()? {
            batches.push(ProducerBatch {
                first_sequence: reader.i32_le()?,
                last_sequence: reader.i32_le()?,
                first_offset: reader.u64_le()?,
                last_offset: reader.u64_le()?,
                timestamp_ms: reader.i64_le()?,
            });
        }
        Ok(ProducerRecord { producer_id, epoch, batches })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        Checkpoint {
            sequence: 5,
            start_epoch: 3,
            core: 1,
            journal: JournalStart {
                file: 2,
                generation: 7,
                position: 8192,
                sequence: 99,
                previous_crc: 0xabad1dea,
            },
            partitions: vec![PartitionRecord {
                key: PartitionKey { topic_id: TopicId([1; 16]), partition: 0 },
                recovery_point: 1000,
                segment_base: 900,
                position: 4321,
                log_start: 10,
                index: IndexState {
                    largest: Some(TimeEntry { timestamp: 1_700_000_000_000, offset: 999 }),
                    last_entry_timestamp: 1_600_000_000_000,
                    bytes_since_entry: 77,
                },
                index_len: 16,
                time_index_len: 12,
                index_rest: vec![1; 8],
                time_index_rest: vec![2; 24],
                epochs: vec![(1, 0), (3, 500)],
                producers: vec![ProducerRecord {
                    producer_id: 17,
                    epoch: 1,
                    batches: vec![ProducerBatch {
                        first_sequence: 3,
                        last_sequence: 4,
                        first_offset: 998,
                        last_offset: 999,
                        timestamp_ms: 1_700_000_000_001,
                    }],
                }],
            }],
        }
    }

    #[test]
    fn a_checkpoint_round_trips_and_ignores_what_is_behind_it() {
        let mut bytes = Vec::new();
        sample().encode(&mut bytes);
        bytes.extend_from_slice(b"an older, longer checkpoint's end");
        assert_eq!(Checkpoint::decode(&bytes), Ok(sample()));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_an_error() {
        let mut bytes = Vec::new();
        sample().encode(&mut bytes);
        for len in 0..bytes.len() {
            assert!(Checkpoint::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpoint::decode(&bad).is_err(), "bit {bit}");
        }
    }
}
