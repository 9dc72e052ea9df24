//! The journal of a core: what was acknowledged and may not be in its segment yet.
//!
//! A journal file is a preallocated file of zeroes that is used again and again; each use has a
//! *generation* of its own, higher than all before on that core. A use is a row of *groups*; a
//! group is what was written with one direct write and became durable as one.
//!
//! ```text
//! file    | group | group      | group | stale bytes of an earlier generation, or zeroes
//!         ^ 0     ^ multiples of the block size
//!
//! group   0:8   magic "DrmnGrp1"
//!         8:4   header CRC32C, over bytes 12..96
//!        12:4   payload CRC32C
//!        16:4   group length: header, payload and padding
//!        20:4   payload length
//!        24:4   number of entries
//!        28:4   flags: 1 = the last group of this use
//!        32:8   generation of this use of the file
//!        40:8   sequence: rises by one from group to group, across files
//!        48:8   the highest sequence that was acknowledged when this group was written
//!        56:4   header CRC of the group before, 0 for the first of a session
//!        60:4   start epoch of the session
//!        64:4   core
//!        68:4   0
//!        72:8   number of the file that follows, in the last group of a use
//!        80:8   generation of the use that follows, in the last group of a use
//!        88:8   0
//!        96:    payload: the entries, one behind the other
//!
//! entry   0:1   kind: 1 batches, 2 extent, 3 log start, 4 dropped partition
//!         1:3   0
//!         4:4   length of the body, which follows the 48 bytes of this header
//!         8:16  topic id
//!        24:4   partition
//!        28:4   batches: how many bytes of the body precede `position`; else 0
//!        32:8   batches and extent: base offset of the segment; log start: the offset; else 0
//!        40:8   batches and extent: position in the segment of the first batch; else 0
//!        48:    body: whole batches as they stand in the segment
//!
//! body of an extent: a run of batches, most of which went straight to the segment
//!
//! segment |   block   |   block   |   block   |   block   |
//!             ^ position                          ^ end of the run
//!             [ head  |        the extent         | tail ]
//!
//!         0:4   number of batches
//!         4:4   length of the head
//!         8:8   length of the extent
//!        16:    the header of each batch, 61 bytes, as stored
//!          :    the head, up to the first block that the run fills
//!          :    the tail, behind the last such block
//! ```
//!
//! A group with extents is durable once they are in their segments too. The headers say what the
//! extent holds without reading it, and, as each has its batch's checksum, whether it is there.
//!
//! All integers are little-endian, save those inside batches. The bytes before `position` are
//! the start of the block that holds it: a block that holds a recovery point is rewritten by
//! what follows, and a power cut may tear it, so the journal brings it whole.

use bytes::BufMut;

use crate::TopicId;
use crate::batch::HEADER_LEN;
use crate::wire::{Reader, WireError};

/// First bytes of every group.
pub const MAGIC: [u8; 8] = *b"DrmnGrp1";
/// Bytes of a group before its payload.
pub const GROUP_HEADER_LEN: usize = 96;
/// Bytes of an entry before its body.
pub const ENTRY_HEADER_LEN: usize = 48;
/// Groups start at multiples of this, whatever the device's block size: what a search for the
/// next group steps by.
pub const GROUP_ALIGNMENT: usize = 4096;

const FLAG_LAST: u32 = 1;

/// The fixed part of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHeader {
    /// CRC32C of the header itself; set by [`GroupHeader::encode`].
    pub header_crc: u32,
    pub payload_crc: u32,
    /// Bytes from this group's start to the next one's.
    pub group_len: u32,
    pub payload_len: u32,
    pub entry_count: u32,
    pub generation: u64,
    pub sequence: u64,
    /// Groups up to this sequence had been acknowledged when this one was written.
    pub acknowledged: u64,
    /// `header_crc` of the group before.
    pub previous_crc: u32,
    pub start_epoch: u32,
    pub core: u32,
    /// Set in the last group of a use.
    pub successor: Option<Successor>,
}

/// Where the journal goes on behind the last group of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Successor {
    pub file: u64,
    pub generation: u64,
}

/// Why bytes are not a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("no group header here")]
    NoMagic,
    #[error("the group's header checksum is {found:#010x}, its bytes give {computed:#010x}")]
    HeaderCrc { found: u32, computed: u32 },
    #[error("the group's payload checksum is {found:#010x}, its bytes give {computed:#010x}")]
    PayloadCrc { found: u32, computed: u32 },
    #[error("the group's lengths contradict each other")]
    Lengths,
    #[error("the group is cut short: {have} of {need} bytes")]
    Short { have: usize, need: usize },
}

impl GroupHeader {
    /// Reads the header at the start of `bytes` and checks its checksum and its lengths against
    /// one another; the payload need not be there.
    ///
    /// # Errors
    /// When it isn't a header or is damaged.
    pub fn decode(bytes: &[u8]) -> Result<GroupHeader, GroupError> {
        let Some(head) = bytes.get(..GROUP_HEADER_LEN) else {
            return Err(GroupError::Short { have: bytes.len(), need: GROUP_HEADER_LEN });
        };
        if head[..8] != MAGIC {
            return Err(GroupError::NoMagic);
        }
        let (header, last) = Self::fields(&mut Reader::new(&head[8..]))
            .map_err(|_| GroupError::Short { have: bytes.len(), need: GROUP_HEADER_LEN })?;
        let computed = crc32c::crc32c(&head[12..]);
        if computed != header.header_crc {
            return Err(GroupError::HeaderCrc { found: header.header_crc, computed });
        }
        let used = GROUP_HEADER_LEN + header.payload_len as usize;
        if used > header.group_len as usize
            || !(header.group_len as usize).is_multiple_of(GROUP_ALIGNMENT)
        {
            return Err(GroupError::Lengths);
        }
        Ok(GroupHeader { successor: if last { header.successor } else { None }, ..header })
    }

    fn fields(reader: &mut Reader<'_>) -> Result<(GroupHeader, bool), WireError> {
        let header_crc = reader.u32_le()?;
        let payload_crc = reader.u32_le()?;
        let group_len = reader.u32_le()?;
        let payload_len = reader.u32_le()?;
        let entry_count = reader.u32_le()?;
        let last = reader.u32_le()? & FLAG_LAST != 0;
        let generation = reader.u64_le()?;
        let sequence = reader.u64_le()?;
        let acknowledged = reader.u64_le()?;
        let previous_crc = reader.u32_le()?;
        let start_epoch = reader.u32_le()?;
        let core = reader.u32_le()?;
        reader.u32_le()?;
        let successor = Some(Successor { file: reader.u64_le()?, generation: reader.u64_le()? });
        let header = GroupHeader {
            header_crc,
            payload_crc,
            group_len,
            payload_len,
            entry_count,
            generation,
            sequence,
            acknowledged,
            previous_crc,
            start_epoch,
            core,
            successor,
        };
        Ok((header, last))
    }

    /// Writes the header to the first [`GROUP_HEADER_LEN`] bytes of `group`, with its checksum,
    /// and returns that.
    ///
    /// # Panics
    /// When `group` is shorter than a header.
    pub fn encode(&self, group: &mut [u8]) -> u32 {
        let mut out = Vec::with_capacity(GROUP_HEADER_LEN);
        out.put_slice(&MAGIC);
        out.put_u32_le(0);
        out.put_u32_le(self.payload_crc);
        out.put_u32_le(self.group_len);
        out.put_u32_le(self.payload_len);
        out.put_u32_le(self.entry_count);
        out.put_u32_le(if self.successor.is_some() { FLAG_LAST } else { 0 });
        out.put_u64_le(self.generation);
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.acknowledged);
        out.put_u32_le(self.previous_crc);
        out.put_u32_le(self.start_epoch);
        out.put_u32_le(self.core);
        out.put_u32_le(0);
        out.put_u64_le(self.successor.map_or(0, |s| s.file));
        out.put_u64_le(self.successor.map_or(0, |s| s.generation));
        out.put_u64_le(0);
        let crc = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        group[..GROUP_HEADER_LEN].copy_from_slice(&out);
        crc
    }
}

/// One whole, checked group.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    pub header: GroupHeader,
    payload: &'a [u8],
}

impl<'a> Group<'a> {
    /// Reads the group at the start of `bytes` and checks both checksums.
    ///
    /// # Errors
    /// When there is no whole, undamaged group.
    pub fn parse(bytes: &'a [u8]) -> Result<Group<'a>, GroupError> {
        let header = GroupHeader::decode(bytes)?;
        let need = GROUP_HEADER_LEN + header.payload_len as usize;
        let Some(payload) = bytes.get(GROUP_HEADER_LEN..need) else {
            return Err(GroupError::Short { have: bytes.len(), need });
        };
        let computed = crc32c::crc32c(payload);
        if computed != header.payload_crc {
            return Err(GroupError::PayloadCrc { found: header.payload_crc, computed });
        }
        Ok(Group { header, payload })
    }

    /// The entries, in order. The checksum has been checked, so an error means that the writer
    /// was of another version or wrong.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, WireError>> + use<'a> {
        let mut reader = Reader::new(self.payload);
        let mut left = self.header.entry_count;
        std::iter::from_fn(move || {
            if left == 0 {
                return reader.finish().err().map(Err);
            }
            left -= 1;
            let entry = Entry::decode(&mut reader);
            if entry.is_err() {
                left = 0;
                reader.rest();
            }
            Some(entry)
        })
    }
}

/// Which partition an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    pub topic_id: TopicId,
    pub partition: u32,
}

/// One entry of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub key: PartitionKey,
    pub body: EntryBody<'a>,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryBody<'a> {
    /// Whole batches, to stand at `position` of the segment that begins at `segment_base`.
    Batches {
        segment_base: u64,
        position: u64,
        /// The bytes of the segment right before `position`.
        before: &'a [u8],
        batches: &'a [u8],
    },
    /// Whole batches from `position` on, most of whose bytes are in the segment already.
    Extent(Extent<'a>),
    /// The first offset that still exists moved up to this one.
    LogStart { offset: u64 },
    /// The partition was deleted with its topic.
    Dropped,
}

/// A run of batches that went straight to its segment, but for its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent<'a> {
    pub segment_base: u64,
    /// Where the run begins.
    pub position: u64,
    /// The header of each batch, [`HEADER_LEN`] bytes each.
    pub headers: &'a [u8],
    /// The run's first bytes, which are not in the segment.
    pub head: &'a [u8],
    /// Bytes that are.
    pub extent_len: u64,
    /// The run's last bytes, which are not.
    pub tail: &'a [u8],
}

const KIND_BATCHES: u8 = 1;
const KIND_EXTENT: u8 = 2;
/// Bytes of an extent's body before the headers.
pub const EXTENT_HEADER_LEN: usize = 16;
const KIND_LOG_START: u8 = 3;
const KIND_DROPPED: u8 = 4;

impl<'a> Entry<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Entry<'a>, WireError> {
        let start = *reader;
        let kind = reader.u8()?;
        reader.bytes(3)?;
        let len = reader.u32_le()? as usize;
        let mut topic_id = [0; 16];
        topic_id.copy_from_slice(reader.bytes(16)?);
        let partition = reader.u32_le()?;
        let before_len = reader.u32_le()? as usize;
        let base_or_offset = reader.u64_le()?;
        let position = reader.u64_le()?;
        let body = reader.bytes(len)?;
        if before_len > len || before_len as u64 > position {
            return Err(start.error("an entry's prefix longer than its body or its position"));
        }
        let (before, batches) = body.split_at(before_len);
        let body = match kind {
            KIND_BATCHES => {
                EntryBody::Batches { segment_base: base_or_offset, position, before, batches }
            }
            KIND_EXTENT => EntryBody::Extent(Extent::decode(base_or_offset, position, body)?),
            KIND_LOG_START => EntryBody::LogStart { offset: base_or_offset },
            KIND_DROPPED => EntryBody::Dropped,
            _ => return Err(start.error("an entry of unknown kind")),
        };
        Ok(Entry { key: PartitionKey { topic_id: TopicId(topic_id), partition }, body })
    }

    /// Bytes that [`Entry::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        let body = match self.body {
            EntryBody::Batches { before, batches, .. } => before.len() + batches.len(),
            EntryBody::Extent(extent) => extent.body_len(),
            EntryBody::LogStart { .. } | EntryBody::Dropped => 0,
        };
        ENTRY_HEADER_LEN + body
    }

    /// Appends the entry.
    pub fn encode(&self, out: &mut impl BufMut) {
        self.encode_header(out);
        match self.body {
            EntryBody::Batches { before, batches, .. } => {
                out.put_slice(before);
                out.put_slice(batches);
            }
            EntryBody::Extent(extent) => {
                put_extent_lens(out, extent.batches(), extent.head.len(), extent.extent_len);
                for bytes in [extent.headers, extent.head, extent.tail] {
                    out.put_slice(bytes);
                }
            }
            EntryBody::LogStart { .. } | EntryBody::Dropped => {}
        }
    }

    fn encode_header(&self, out: &mut impl BufMut) {
        let (kind, before_len, len, base_or_offset, position) = match self.body {
            EntryBody::Batches { segment_base, position, before, batches } => {
                (KIND_BATCHES, before.len(), before.len() + batches.len(), segment_base, position)
            }
            EntryBody::Extent(e) => (KIND_EXTENT, 0, e.body_len(), e.segment_base, e.position),
            EntryBody::LogStart { offset } => (KIND_LOG_START, 0, 0, offset, 0),
            EntryBody::Dropped => (KIND_DROPPED, 0, 0, 0, 0),
        };
        put_entry_header(out, kind, self.key, [before_len, len], [base_or_offset, position]);
    }
}

impl<'a> Extent<'a> {
    fn decode(segment_base: u64, position: u64, body: &'a [u8]) -> Result<Extent<'a>, WireError> {
        let mut reader = Reader::new(body);
        let (batches, head_len) = (reader.u32_le()? as usize, reader.u32_le()? as usize);
        let extent_len = reader.u64_le()?;
        let headers = reader.bytes(batches.saturating_mul(HEADER_LEN))?;
        let head = reader.bytes(head_len)?;
        let tail = reader.rest();
        Ok(Extent { segment_base, position, headers, head, extent_len, tail })
    }

    /// Number of batches.
    pub fn batches(&self) -> usize {
        self.headers.len() / HEADER_LEN
    }

    /// Bytes of the whole run.
    pub fn run_len(&self) -> u64 {
        self.head.len() as u64 + self.extent_len + self.tail.len() as u64
    }

    fn body_len(&self) -> usize {
        EXTENT_HEADER_LEN + self.headers.len() + self.head.len() + self.tail.len()
    }
}

/// Appends the header of an extent entry whose body the caller appends behind it: `batches`
/// headers, then `head_len` bytes, then the tail, `body_len` bytes together.
pub fn put_extent_header(
    out: &mut impl BufMut,
    key: PartitionKey,
    [segment_base, position]: [u64; 2],
    [batches, head_len, body_len]: [usize; 3],
    extent_len: u64,
) {
    let len = EXTENT_HEADER_LEN + body_len;
    put_entry_header(out, KIND_EXTENT, key, [0, len], [segment_base, position]);
    put_extent_lens(out, batches, head_len, extent_len);
}

fn put_extent_lens(out: &mut impl BufMut, batches: usize, head_len: usize, extent_len: u64) {
    out.put_u32_le(batches as u32);
    out.put_u32_le(head_len as u32);
    out.put_u64_le(extent_len);
}

/// Appends the header of a batches entry whose body the caller appends: `before_len` bytes that
/// precede `position`, then whole batches, `len` bytes together.
pub fn put_batches_header(
    out: &mut impl BufMut,
    key: PartitionKey,
    segment_base: u64,
    position: u64,
    [before_len, len]: [usize; 2],
) {
    put_entry_header(out, KIND_BATCHES, key, [before_len, len], [segment_base, position]);
}

fn put_entry_header(
    out: &mut impl BufMut,
    kind: u8,
    key: PartitionKey,
    [before_len, len]: [usize; 2],
    [base_or_offset, position]: [u64; 2],
) {
    assert!(len <= u32::MAX as usize, "an entry of {len} bytes");
    out.put_slice(&[kind, 0, 0, 0]);
    out.put_u32_le(len as u32);
    out.put_slice(&key.topic_id.0);
    out.put_u32_le(key.partition);
    out.put_u32_le(before_len as u32);
    out.put_u64_le(base_or_offset);
    out.put_u64_le(position);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PartitionKey {
        PartitionKey { topic_id: TopicId([7; 16]), partition: 3 }
    }

    #[test]
    fn an_extent_round_trips_and_is_refused_when_cut() {
        let headers = [3; 2 * HEADER_LEN];
        let extent = Extent {
            segment_base: 100,
            position: 5000,
            headers: &headers,
            head: b"head",
            extent_len: 8192,
            tail: b"tail",
        };
        assert_eq!((extent.batches(), extent.run_len()), (2, 8200));
        let entry = Entry { key: key(), body: EntryBody::Extent(extent) };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes);
        assert_eq!(bytes.len(), entry.encoded_len());
        let mut parts = Vec::new();
        let body_len = headers.len() + 8;
        put_extent_header(&mut parts, key(), [100, 5000], [2, 4, body_len], 8192);
        parts.extend_from_slice(&headers);
        parts.extend_from_slice(b"headtail");
        assert_eq!(parts, bytes);
        assert_eq!(Entry::decode(&mut Reader::new(&bytes)), Ok(entry));
        // A body too short for its headers.
        bytes[4] = 100;
        assert!(Entry::decode(&mut Reader::new(&bytes)).is_err());
    }

    fn entries() -> [Entry<'static>; 3] {
        [
            Entry {
                key: key(),
                body: EntryBody::Batches {
                    segment_base: 100,
                    position: 5000,
                    before: b"before",
                    batches: b"batches",
                },
            },
            Entry { key: key(), body: EntryBody::LogStart { offset: 42 } },
            Entry { key: key(), body: EntryBody::Dropped },
        ]
    }

    fn group() -> Vec<u8> {
        let mut bytes = vec![0; GROUP_HEADER_LEN];
        for entry in entries() {
            let before = bytes.len();
            entry.encode(&mut bytes);
            assert_eq!(bytes.len() - before, entry.encoded_len());
        }
        let payload_len = bytes.len() - GROUP_HEADER_LEN;
        let header = GroupHeader {
            header_crc: 0,
            payload_crc: crc32c::crc32c(&bytes[GROUP_HEADER_LEN..]),
            group_len: 4096,
            payload_len: payload_len as u32,
            entry_count: 3,
            generation: 9,
            sequence: 1234,
            acknowledged: 1233,
            previous_crc: 0xdeadbeef,
            start_epoch: 2,
            core: 1,
            successor: Some(Successor { file: 4, generation: 10 }),
        };
        header.encode(&mut bytes);
        bytes.resize(4096, 0);
        bytes
    }

    #[test]
    fn a_group_round_trips() {
        let bytes = group();
        let group = Group::parse(&bytes).unwrap();
        assert_eq!(group.header.sequence, 1234);
        assert_eq!(group.header.successor, Some(Successor { file: 4, generation: 10 }));
        let read: Vec<_> = group.entries().map(Result::unwrap).collect();
        assert_eq!(read, entries());
    }

    #[test]
    fn golden_bytes_of_a_group() {
        let bytes = group();
        let hex: String = bytes[..GROUP_HEADER_LEN + ENTRY_HEADER_LEN + 13]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hex, GOLDEN);
    }

    const GOLDEN: &str = "44726d6e47727031f2371f840d633f4e001000009d00000003000000010000000900000000000000\
        d204000000000000d104000000000000efbeadde0200000001000000000000000400000000000000\
        0a000000000000000000000000000000010000000d00000007070707070707070707070707070707\
        0300000006000000640000000000000088130000000000006265666f726562617463686573";

    #[test]
    fn every_flipped_bit_that_counts_is_seen() {
        let good = group();
        let used = GROUP_HEADER_LEN + GroupHeader::decode(&good).unwrap().payload_len as usize;
        for bit in 0..used * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Group::parse(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = group();
        let used = GROUP_HEADER_LEN + GroupHeader::decode(&bytes).unwrap().payload_len as usize;
        for len in 0..used {
            assert!(Group::parse(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert!(Group::parse(&bytes[..used]).is_ok());
    }
}
