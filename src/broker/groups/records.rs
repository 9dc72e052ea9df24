//! The records of `__consumer_offsets` that hold groups, byte for byte Kafka's.
//!
//! ```text
//! key    0:2 version, 2 · group
//! value  0:2 version, 3 · protocol type · 4 generation · protocol or null · leader or null
//!        · 8 time of the last change of state · 4 count, then the members:
//! member id · instance id or null · client id · client host · 4 rebalance timeout
//!        · 4 session timeout · subscription · assignment
//! ```
//!
//! Integers are big-endian. A string is two bytes of length, -1 for null, and its UTF-8; bytes have
//! four of length. A record without a value deletes its group.
//!
//! Values of versions 0 to 2 are read too: rebalance timeouts came with version 1, the time with 2,
//! instance ids with 3. So are those of version 4, which is *flexible*: lengths are unsigned
//! varints, one more than they say and 0 for null, and tagged fields, which are passed over, end
//! the value and each member.

use bytes::Bytes;
use duramen_protocol::wire::{BufMut, Reader, WireError};

/// The version of a key.
const KEY_VERSION: i16 = 2;
/// The version of a value that is written.
const VALUE_VERSION: i16 = 3;
/// The newest one that is read, and the first flexible one.
const FLEXIBLE_VERSION: i16 = 4;
/// Where no time is known.
const NO_TIME: i64 = -1;

/// A group as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRecord {
    /// Empty for a group that never had members.
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// When it came to its state, in ms since 1970; -1 if not known.
    pub state_timestamp_ms: i64,
    pub members: Vec<MemberRecord>,
}

/// A member as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// What it joined with, for the protocol that was chosen.
    pub subscription: Bytes,
    pub assignment: Bytes,
}

/// The key of a group's record.
pub fn encode_key(group: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + group.len());
    out.put_i16(KEY_VERSION);
    put_string(&mut out, Some(group));
    out
}

/// Reads a key; none if it belongs to a record of another kind.
///
/// # Errors
/// When the bytes are no key.
pub fn decode_key(bytes: &[u8]) -> Result<Option<String>, WireError> {
    let mut from = Reader::new(bytes);
    if from.i16()? != KEY_VERSION {
        return Ok(None);
    }
    let group = Values { from: &mut from, flexible: false }.string()?;
    from.finish()?;
    Ok(Some(group))
}

impl GroupRecord {
    /// The value's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_i16(VALUE_VERSION);
        put_string(&mut out, Some(&self.protocol_type));
        out.put_i32(self.generation);
        put_string(&mut out, self.protocol.as_deref());
        put_string(&mut out, self.leader.as_deref());
        out.put_i64(self.state_timestamp_ms);
        out.put_i32(self.members.len() as i32);
        self.members.iter().for_each(|member| member.encode(&mut out));
        out
    }

    /// Reads a value.
    ///
    /// # Errors
    /// When the bytes are no value, or one of a version that is not known.
    pub fn decode(bytes: &[u8]) -> Result<GroupRecord, WireError> {
        let mut from = Reader::new(bytes);
        let before = from;
        let version = from.i16()?;
        if !(0..=FLEXIBLE_VERSION).contains(&version) {
            return Err(before.error("a group's record of an unknown version"));
        }
        let mut values = Values { from: &mut from, flexible: version >= FLEXIBLE_VERSION };
        let record = GroupRecord::take(&mut values, version)?;
        from.finish()?;
        Ok(record)
    }

    fn take(values: &mut Values<'_, '_>, version: i16) -> Result<GroupRecord, WireError> {
        let mut record = GroupRecord {
            protocol_type: values.string()?,
            generation: values.from.i32()?,
            protocol: values.string_or_null()?,
            leader: values.string_or_null()?,
            state_timestamp_ms: if version >= 2 { values.from.i64()? } else { NO_TIME },
            members: Vec::new(),
        };
        // Not allocated by the count: each member is read first.
        for _ in 0..values.count()? {
            record.members.push(MemberRecord::take(values, version)?);
        }
        values.pass_tags()?;
        Ok(record)
    }
}

impl MemberRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, Some(&self.member_id));
        put_string(out, self.instance_id.as_deref());
        put_string(out, Some(&self.client_id));
        put_string(out, Some(&self.client_host));
        out.put_i32(self.rebalance_timeout_ms);
        out.put_i32(self.session_timeout_ms);
        for bytes in [&self.subscription, &self.assignment] {
            out.put_i32(bytes.len() as i32);
            out.put_slice(bytes);
        }
    }

    fn take(values: &mut Values<'_, '_>, version: i16) -> Result<MemberRecord, WireError> {
        let member_id = values.string()?;
        let instance_id = if version >= 3 { values.string_or_null()? } else { None };
        let (client_id, client_host) = (values.string()?, values.string()?);
        let rebalance_timeout = if version >= 1 { Some(values.from.i32()?) } else { None };
        let session_timeout_ms = values.from.i32()?;
        let member = MemberRecord {
            member_id,
            instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms: rebalance_timeout.unwrap_or(session_timeout_ms),
            session_timeout_ms,
            subscription: values.bytes()?,
            assignment: values.bytes()?,
        };
        values.pass_tags()?;
        Ok(member)
    }
}

fn put_string(out: &mut Vec<u8>, text: Option<&str>) {
    // Names come from the wire, where a string has as many bytes of length.
    out.put_i16(text.map_or(-1, |text| text.len() as i16));
    out.put_slice(text.unwrap_or_default().as_bytes());
}

/// Reads values whose lengths have the form of their version.
struct Values<'r, 'a> {
    from: &'r mut Reader<'a>,
    flexible: bool,
}

impl<'a> Values<'_, 'a> {
    /// A length that may be that of null; of two bytes where it is not a varint.
    fn short_len(&mut self) -> Result<Option<usize>, WireError> {
        match self.flexible {
            true => self.varint_len(),
            false => Ok(usize::try_from(self.from.i16()?).ok()),
        }
    }

    /// A length that may be that of null; of four bytes where it is not a varint.
    fn long_len(&mut self) -> Result<Option<usize>, WireError> {
        match self.flexible {
            true => self.varint_len(),
            false => Ok(usize::try_from(self.from.i32()?).ok()),
        }
    }

    fn varint_len(&mut self) -> Result<Option<usize>, WireError> {
        Ok((self.from.unsigned_varint()? as usize).checked_sub(1))
    }

    fn string_or_null(&mut self) -> Result<Option<String>, WireError> {
        let Some(len) = self.short_len()? else { return Ok(None) };
        let before = *self.from;
        let text = std::str::from_utf8(self.from.bytes(len)?);
        text.map(|text| Some(text.to_owned())).map_err(|_| before.error("a name that is not UTF-8"))
    }

    fn string(&mut self) -> Result<String, WireError> {
        let before = *self.from;
        self.string_or_null()?.ok_or_else(|| before.error("null where a name must be"))
    }

    fn bytes(&mut self) -> Result<Bytes, WireError> {
        let before = *self.from;
        let len = self.long_len()?.ok_or_else(|| before.error("null where bytes must be"))?;
        self.from.bytes(len).map(Bytes::copy_from_slice)
    }

    fn count(&mut self) -> Result<usize, WireError> {
        let before = *self.from;
        self.long_len()?.ok_or_else(|| before.error("null where members must be"))
    }

    /// Passes over tagged fields, where there are any.
    fn pass_tags(&mut self) -> Result<(), WireError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.from.unsigned_varint()? {
            let _tag = self.from.unsigned_varint()?;
            let len = self.from.unsigned_varint()? as usize;
            self.from.bytes(len)?;
        }
        Ok(())
    }
}
