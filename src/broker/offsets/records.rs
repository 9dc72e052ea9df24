//! The records of `__consumer_offsets` that hold committed offsets, byte for byte Kafka's.
//!
//! ```text
//! key    0:2 version, 1 (0 reads the same) · group · topic · 4 partition
//! value  0:2 version, 4 · 8 offset · 4 leader epoch · metadata · 8 commit timestamp
//!        · tagged fields: 0 is the topic's id, 16 bytes
//! ```
//!
//! Integers are big-endian. In the key a string is two bytes of length and its UTF-8; in the
//! value, which is *flexible*, the length is an unsigned varint, one more than it says. A record
//! without a value deletes what its key names.
//!
//! Values of versions 0 to 3 are read too: they have no topic id and two-byte lengths, and the
//! leader epoch came with version 3 alone. Version 1 has a time of expiry, in eight bytes behind
//! the rest; such a value stays version 1 when it is written again, as in Kafka. Tagged fields that
//! are not known are dropped.
//!
//! Keys of other versions belong to records of other kinds (2 is a classic group's state).

use duramen_protocol::TopicId;
use duramen_protocol::wire::{BufMut, Reader, WireError, Writer};

/// The version of a key that is written.
const KEY_VERSION: i16 = 1;
/// The newest version of a value, the one that is written.
const VALUE_VERSION: i16 = 4;
/// The version of a value that has a time of expiry.
const EXPIRING_VERSION: i16 = 1;
/// The tagged field that holds the topic's id.
const TOPIC_ID_TAG: u32 = 0;

/// Whose offset, and in which partition. By group first, then topic and partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetKey {
    pub group: String,
    pub topic: String,
    pub partition: i32,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetValue {
    /// The offset to go on with.
    pub offset: i64,
    /// The leader epoch of the last record consumed; -1 if not known.
    pub leader_epoch: i32,
    /// The consumer's own words.
    pub metadata: String,
    /// When it was committed, in ms since 1970.
    pub commit_timestamp_ms: i64,
    /// When it expires, where that was said with the commit.
    pub expire_timestamp_ms: Option<i64>,
    /// The topic that was meant; [`TopicId::ZERO`] for any of that name.
    pub topic_id: TopicId,
}

impl OffsetKey {
    /// The key's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(10 + self.group.len() + self.topic.len());
        out.put_i16(KEY_VERSION);
        put_string(&mut out, &self.group);
        put_string(&mut out, &self.topic);
        out.put_i32(self.partition);
        out
    }

    /// Reads a key; none if it belongs to a record of another kind.
    ///
    /// # Errors
    /// When the bytes are no key.
    pub fn decode(bytes: &[u8]) -> Result<Option<OffsetKey>, WireError> {
        let mut reader = Reader::new(bytes);
        if !(0..=KEY_VERSION).contains(&reader.i16()?) {
            return Ok(None);
        }
        let key = OffsetKey {
            group: string(&mut reader)?,
            topic: string(&mut reader)?,
            partition: reader.i32()?,
        };
        reader.finish()?;
        Ok(Some(key))
    }
}

impl OffsetValue {
    /// The value's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + self.metadata.len());
        match self.expire_timestamp_ms {
            Some(expire_ms) => {
                out.put_i16(EXPIRING_VERSION);
                out.put_i64(self.offset);
                put_string(&mut out, &self.metadata);
                out.put_i64(self.commit_timestamp_ms);
                out.put_i64(expire_ms);
            }
            None => self.encode_newest(&mut out),
        }
        out
    }

    fn encode_newest(&self, out: &mut Vec<u8>) {
        out.put_i16(VALUE_VERSION);
        out.put_i64(self.offset);
        out.put_i32(self.leader_epoch);
        out.put_unsigned_varint(self.metadata.len() as u32 + 1);
        out.put_slice(self.metadata.as_bytes());
        out.put_i64(self.commit_timestamp_ms);
        if self.topic_id.is_zero() {
            out.put_unsigned_varint(0);
        } else {
            out.put_unsigned_varint(1);
            out.put_unsigned_varint(TOPIC_ID_TAG);
            out.put_unsigned_varint(self.topic_id.0.len() as u32);
            out.put_slice(&self.topic_id.0);
        }
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When the bytes are no value of a version known here.
    pub fn decode(bytes: &[u8]) -> Result<OffsetValue, WireError> {
        let mut reader = Reader::new(bytes);
        let start = reader;
        let version = reader.i16()?;
        if !(0..=VALUE_VERSION).contains(&version) {
            return Err(start.error("a committed offset of an unknown version"));
        }
        let offset = reader.i64()?;
        let leader_epoch = if version >= 3 { reader.i32()? } else { -1 };
        let flexible = version >= 4;
        let metadata = if flexible { compact_string(&mut reader)? } else { string(&mut reader)? };
        let commit_timestamp_ms = reader.i64()?;
        let expire_timestamp_ms = match version == EXPIRING_VERSION {
            true => Some(reader.i64()?).filter(|&ms| ms != -1),
            false => None,
        };
        let topic_id = if flexible { tagged_topic_id(&mut reader)? } else { TopicId::ZERO };
        reader.finish()?;
        Ok(OffsetValue {
            offset,
            leader_epoch,
            metadata,
            commit_timestamp_ms,
            expire_timestamp_ms,
            topic_id,
        })
    }
}

/// # Panics
/// When the string is over 32,767 bytes: names and metadata are checked, or were read from such.
fn put_string(out: &mut Vec<u8>, text: &str) {
    assert!(text.len() <= i16::MAX as usize, "a string of {} bytes", text.len());
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn string(reader: &mut Reader<'_>) -> Result<String, WireError> {
    let at = *reader;
    let len = usize::try_from(reader.i16()?).map_err(|_| at.error("a string that is null"))?;
    utf8(reader, len)
}

fn compact_string(reader: &mut Reader<'_>) -> Result<String, WireError> {
    let at = *reader;
    let Some(len) = reader.unsigned_varint()?.checked_sub(1) else {
        return Err(at.error("a string that is null"));
    };
    utf8(reader, len as usize)
}

fn utf8(reader: &mut Reader<'_>, len: usize) -> Result<String, WireError> {
    let at = *reader;
    let bytes = reader.bytes(len)?;
    let text = std::str::from_utf8(bytes).map_err(|_| at.error("a string that is not UTF-8"))?;
    Ok(text.to_owned())
}

/// Walks over the tagged fields, whose tags must rise, and keeps the topic's id.
fn tagged_topic_id(reader: &mut Reader<'_>) -> Result<TopicId, WireError> {
    let mut topic_id = TopicId::ZERO;
    let mut above = None;
    for _ in 0..reader.unsigned_varint()? {
        let at = *reader;
        let tag = reader.unsigned_varint()?;
        if above.is_some_and(|above| tag <= above) {
            return Err(at.error("tagged fields out of order"));
        }
        above = Some(tag);
        let len = reader.unsigned_varint()? as usize;
        let at = *reader;
        let bytes = reader.bytes(len)?;
        if tag == TOPIC_ID_TAG {
            let id = bytes.try_into().map_err(|_| at.error("a topic id that is not 16 bytes"))?;
            topic_id = TopicId(id);
        }
    }
    Ok(topic_id)
}
