//! The records of a batch, read one by one out of its bytes.

use std::borrow::Cow;

use super::error::BatchError;
use super::header::{BatchHeader, NO_SEQUENCE, TimestampType};
use crate::wire::{Reader, WireError};

/// The most bytes that the records of one batch may decompress to, unless another bound is asked
/// for: a batch of a few kilobytes could otherwise claim all memory.
pub const MAX_DECOMPRESSED_BYTES: usize = 256 << 20;

/// The records of a batch: the batch's own bytes, or decompressed ones.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Records<'a> {
    pub(super) fn new(header: BatchHeader, bytes: Cow<'a, [u8]>) -> Self {
        Records { header, bytes }
    }

    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records' bytes, decompressed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Walks over the records. After an error there is no more.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { header: self.header, reader: Reader::new(&self.bytes), index: 0, done: false }
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<Record<'r>, BatchError>;
    type IntoIter = RecordIter<'r>;

    fn into_iter(self) -> RecordIter<'r> {
        self.iter()
    }
}

/// Yields exactly as many records as the header counts, or an error.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    header: BatchHeader,
    reader: Reader<'a>,
    index: i32,
    done: bool,
}

impl<'a> RecordIter<'a> {
    fn read(&mut self) -> Result<Option<Record<'a>>, WireError> {
        if self.index == self.header.count {
            self.reader.finish()?;
            return Ok(None);
        }
        let record = Record::read(&mut self.reader, &self.header)?;
        self.index += 1;
        Ok(Some(record))
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let index = self.index;
        let read = self.read().map_err(|error| BatchError::Record { index, error });
        self.done = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

/// One record, borrowed from its batch.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The offset in the partition.
    pub offset: i64,
    /// The offset less the batch's base offset.
    pub offset_delta: i32,
    /// In milliseconds since 1970; with log append time, the batch's.
    pub timestamp: i64,
    /// What the record itself says: milliseconds since the batch's base timestamp.
    pub timestamp_delta: i64,
    /// The sequence number, or [`NO_SEQUENCE`].
    pub sequence: i32,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone on a compacted topic.
    pub value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// The headers, in the producer's order. Keys may repeat.
    pub fn headers(&self) -> Headers<'a> {
        self.headers.clone()
    }

    /// Reads the record where `reader` stands, every length of it checked.
    #[inline]
    pub(super) fn read(
        reader: &mut Reader<'a>,
        header: &BatchHeader,
    ) -> Result<Record<'a>, WireError> {
        let length = size(reader, "a negative record length")?;
        if length > reader.remaining() {
            return Err(reader.error("a record beyond the end"));
        }
        let end = reader.at() + length;
        let _attributes = reader.i8()?;
        let timestamp_delta = reader.varlong()?;
        let offset_delta = reader.varint()?;
        let key = nullable(reader)?;
        let value = nullable(reader)?;
        let headers = Headers::read(reader)?;
        if reader.at() != end {
            return Err(reader.error("a record whose length is not that of its fields"));
        }
        Ok(Record {
            offset: header.base_offset.wrapping_add(i64::from(offset_delta)),
            offset_delta,
            timestamp: match header.attributes.timestamp_type() {
                TimestampType::CreateTime => header.base_timestamp.wrapping_add(timestamp_delta),
                TimestampType::LogAppendTime => header.max_timestamp,
            },
            timestamp_delta,
            sequence: match header.base_sequence {
                NO_SEQUENCE => NO_SEQUENCE,
                base => base.wrapping_add(offset_delta) & i32::MAX,
            },
            key,
            value,
            headers,
        })
    }
}

/// A header of a record: a name and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name; UTF-8, unless a client was careless.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Header<'a>, WireError> {
        let length = size(reader, "a negative header key length")?;
        Ok(Header { key: reader.bytes(length)?, value: nullable(reader)? })
    }
}

/// The headers of a record, already checked.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Headers<'a> {
    /// Checks the headers where `reader` stands and moves it past them.
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Headers<'a>, WireError> {
        let left = size(reader, "a negative count of headers")?;
        let headers = Headers { reader: *reader, left };
        for _ in 0..left {
            Header::read(reader)?;
        }
        Ok(headers)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        Header::read(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

#[inline]
fn size(reader: &mut Reader<'_>, what: &'static str) -> Result<usize, WireError> {
    let place = *reader;
    usize::try_from(reader.varint()?).map_err(|_| place.error(what))
}

#[inline]
fn nullable<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, WireError> {
    let place = *reader;
    match reader.varint()? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| place.error("a negative length"))?;
            reader.bytes(length).map(Some)
        }
    }
}
