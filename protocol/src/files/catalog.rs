//! The catalog: which topics there are, and which session's journals count.
//!
//! One file, replaced as a whole (written beside, synced, renamed, folder synced), by core 0.
//!
//! ```text
//!   0:8   magic "DrmnCat1"
//!   8:4   CRC32C of everything behind it
//!  12:4   length of everything behind it
//!  16:4   format version, 1
//!  20:4   start epoch: the session whose checkpoints and journals count
//!  24:16  cluster id
//!  40:8   producer ids below this one may have been handed out
//!  48:4   number of topics, then each:
//!         id 16, partitions 4, name (length 2, bytes), number of configurations 2,
//!         each name and value (length 2, bytes)
//!    :4   number of tombstones: topics deleted whose partitions a journal may still name; each:
//!         id 16, partitions 4, name (length 2, bytes)
//! ```
//!
//! All integers are little-endian.

use bytes::BufMut;

use crate::TopicId;
use crate::wire::{Reader, WireError};

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"DrmnCat1";
/// The format of the data directory that this code writes.
pub const FORMAT_VERSION: u32 = 1;

/// The catalog file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogFile {
    pub start_epoch: u32,
    pub cluster_id: [u8; 16],
    pub next_producer_id: i64,
    pub topics: Vec<TopicRecord>,
    pub tombstones: Vec<Tombstone>,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    pub id: TopicId,
    pub name: String,
    pub partitions: u32,
    /// What was set on the topic, name and value; defaults are left out.
    pub configs: Vec<(String, String)>,
}

/// A topic that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub id: TopicId,
    pub name: String,
    pub partitions: u32,
}

/// Why bytes are not a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("this is no catalog: it doesn't begin with the magic bytes")]
    NoMagic,
    #[error("the catalog is cut short: {have} of {need} bytes")]
    Short { have: usize, need: usize },
    #[error("the catalog's checksum is {found:#010x}, its bytes give {computed:#010x}")]
    Crc { found: u32, computed: u32 },
    #[error(
        "the data directory has format {0}, and this program knows {FORMAT_VERSION} only: use a newer duramen"
    )]
    Newer(u32),
    #[error("the catalog's content is not understood: {0}")]
    Content(#[from] WireError),
}

impl CatalogFile {
    /// The whole file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_slice(&MAGIC);
        out.put_u64_le(0);
        out.put_u32_le(FORMAT_VERSION);
        out.put_u32_le(self.start_epoch);
        out.put_slice(&self.cluster_id);
        out.put_i64_le(self.next_producer_id);
        out.put_u32_le(self.topics.len() as u32);
        for topic in &self.topics {
            put_topic(&mut out, topic.id, topic.partitions, &topic.name);
            out.put_u16_le(topic.configs.len() as u16);
            for (name, value) in &topic.configs {
                put_string(&mut out, name);
                put_string(&mut out, value);
            }
        }
        out.put_u32_le(self.tombstones.len() as u32);
        for t in &self.tombstones {
            put_topic(&mut out, t.id, t.partitions, &t.name);
        }
        let (crc, len) = (crc32c::crc32c(&out[16..]), (out.len() - 16) as u32);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out[12..16].copy_from_slice(&len.to_le_bytes());
        out
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// When it is none, is damaged, or has a newer format.
    pub fn decode(bytes: &[u8]) -> Result<CatalogFile, CatalogError> {
        let mut reader = Reader::new(bytes);
        if reader.bytes(8).ok() != Some(&MAGIC[..]) {
            return Err(CatalogError::NoMagic);
        }
        let found = reader.u32_le()?;
        let need = reader.u32_le()? as usize;
        let have = reader.remaining();
        if have != need {
            return Err(CatalogError::Short { have, need });
        }
        let content = reader.rest();
        let computed = crc32c::crc32c(content);
        if computed != found {
            return Err(CatalogError::Crc { found, computed });
        }
        let mut reader = Reader::new(content);
        let version = reader.u32_le()?;
        if version != FORMAT_VERSION {
            return Err(CatalogError::Newer(version));
        }
        Ok(Self::content(&mut reader)?)
    }

    fn content(reader: &mut Reader<'_>) -> Result<CatalogFile, WireError> {
        let start_epoch = reader.u32_le()?;
        let mut cluster_id = [0; 16];
        cluster_id.copy_from_slice(reader.bytes(16)?);
        let next_producer_id = reader.i64_le()?;
        let mut topics = Vec::new();
        for _ in 0..reader.u32_le()? {
            let (id, partitions, name) = topic(reader)?;
            let mut configs = Vec::new();
            for _ in 0..reader.u16_le()? {
                configs.push((string(reader)?, string(reader)?));
            }
            topics.push(TopicRecord { id, name, partitions, configs });
        }
        let mut tombstones = Vec::new();
        for _ in 0..reader.u32_le()? {
            let (id, partitions, name) = topic(reader)?;
            tombstones.push(Tombstone { id, name, partitions });
        }
        reader.finish()?;
        Ok(CatalogFile { start_epoch, cluster_id, next_producer_id, topics, tombstones })
    }
}

fn put_topic(out: &mut Vec<u8>, id: TopicId, partitions: u32, name: &str) {
    out.put_slice(&id.0);
    out.put_u32_le(partitions);
    put_string(out, name);
}

fn topic(reader: &mut Reader<'_>) -> Result<(TopicId, u32, String), WireError> {
    let mut id = [0; 16];
    id.copy_from_slice(reader.bytes(16)?);
    Ok((TopicId(id), reader.u32_le()?, string(reader)?))
}

/// # Panics
/// When the string is over 65,535 bytes; names and values are checked long before.
fn put_string(out: &mut Vec<u8>, s: &str) {
    assert!(s.len() <= usize::from(u16::MAX), "a string of {} bytes in the catalog", s.len());
    out.put_u16_le(s.len() as u16);
    out.put_slice(s.as_bytes());
}

fn string(reader: &mut Reader<'_>) -> Result<String, WireError> {
    let len = usize::from(reader.u16_le()?);
    let at = *reader;
    let bytes = reader.bytes(len)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| at.error("a string that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CatalogFile {
        CatalogFile {
            start_epoch: 4,
            cluster_id: [9; 16],
            next_producer_id: 2000,
            topics: vec![TopicRecord {
                id: TopicId([1; 16]),
                name: "logs".into(),
                partitions: 4,
                configs: vec![("retention.ms".into(), "1000".into())],
            }],
            tombstones: vec![Tombstone {
                id: TopicId([2; 16]),
                name: "gone".into(),
                partitions: 1,
            }],
        }
    }

    #[test]
    fn a_catalog_round_trips() {
        assert_eq!(CatalogFile::decode(&sample().encode()), Ok(sample()));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_an_error() {
        let bytes = sample().encode();
        for len in 0..bytes.len() {
            assert!(CatalogFile::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(CatalogFile::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut bytes = sample().encode();
        bytes[16] = 2;
        let crc = crc32c::crc32c(&bytes[16..]).to_le_bytes();
        bytes[8..12].copy_from_slice(&crc);
        assert_eq!(CatalogFile::decode(&bytes), Err(CatalogError::Newer(2)));
    }
}
