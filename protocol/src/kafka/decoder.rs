//! Reading a message of a version: bounded, borrowing, without a panic whatever the bytes.
//!
//! Strings and bytes are slices of the frame. Arrays are the one thing that is allocated, and an
//! array's count is believed only as far as the bytes that follow can hold so many elements of the
//! least size the version allows. An element takes at most 22 times that size in memory (a topic
//! without a name and without partitions), so a frame never costs more than
//! [`MEMORY_PER_BYTE_MAX`] times its own length, whatever it holds.

use super::error::CodecError;
use super::field::{Field, Struct};
use super::header::ResponseHeader;
use super::spec::{Form, Part, Spec};
use crate::wire::{Reader, WireError};

/// Elements that an array may have, as with Kafka since 4.4.
pub const ARRAY_ELEMENTS_MAX: usize = 1_000_000;
/// Tagged fields that a struct may have, as with Kafka since 4.4.
pub const TAGS_MAX: usize = 10_000;
/// Bytes of memory that the arrays of a message take at most, for a byte of its frame.
pub const MEMORY_PER_BYTE_MAX: usize = 24;

/// The tagged fields of whatever struct is read.
static TAGS: Spec = Spec::new("struct", "tagged fields", 0);

/// A position in a frame, and the form of the message that is read there.
#[derive(Debug)]
pub struct Decoder<'a> {
    from: Reader<'a>,
    message: &'static str,
    form: Form,
    array_bytes: usize,
}

impl<'a> Decoder<'a> {
    /// A decoder of the message called `message`, which begins where `from` stands.
    pub(super) fn new(from: Reader<'a>, message: &'static str, form: Form) -> Self {
        Decoder { from, message, form, array_bytes: 0 }
    }

    /// What was not read.
    pub(super) fn rest(self) -> Reader<'a> {
        self.from
    }

    /// Bytes of memory taken for arrays so far.
    pub(super) fn array_bytes(&self) -> usize {
        self.array_bytes
    }

    #[inline]
    pub(super) fn form(&self) -> Form {
        self.form
    }

    #[inline]
    pub(super) fn at(&self) -> usize {
        self.from.at()
    }

    #[cold]
    pub(super) fn error(&self, field: &'static Spec, at: usize, what: &'static str) -> CodecError {
        CodecError { message: self.message, version: self.form.version, field, at, what }
    }

    /// Reads a value of a fixed size.
    #[inline]
    pub(super) fn fixed<T>(
        &mut self,
        field: &'static Spec,
        take: impl FnOnce(&mut Reader<'a>) -> Result<T, WireError>,
    ) -> Result<T, CodecError> {
        take(&mut self.from).map_err(|error| self.error(field, error.at, error.what))
    }

    /// Reads the length of a string, where a negative one, and a compact one of 0, is null.
    #[inline]
    pub(super) fn string_len(&mut self, field: &'static Spec) -> Result<Option<usize>, CodecError> {
        if self.form.flexible {
            return self.compact_len(field);
        }
        Ok(usize::try_from(self.fixed(field, Reader::i16)?).ok())
    }

    /// Reads the length of bytes, or the count of an array.
    #[inline]
    pub(super) fn long_len(&mut self, field: &'static Spec) -> Result<Option<usize>, CodecError> {
        if self.form.flexible {
            return self.compact_len(field);
        }
        Ok(usize::try_from(self.fixed(field, Reader::i32)?).ok())
    }

    #[inline]
    fn compact_len(&mut self, field: &'static Spec) -> Result<Option<usize>, CodecError> {
        Ok((self.fixed(field, Reader::unsigned_varint)? as usize).checked_sub(1))
    }

    /// Reads `len` bytes.
    #[inline]
    pub(super) fn bytes(
        &mut self,
        field: &'static Spec,
        len: usize,
    ) -> Result<&'a [u8], CodecError> {
        self.fixed(field, |from| from.bytes(len))
    }

    /// Reads the elements of an array whose count has just been read.
    pub(super) fn array<T: Field<'a>>(
        &mut self,
        field: &'static Spec,
        count: usize,
    ) -> Result<Vec<T>, CodecError> {
        if count > ARRAY_ELEMENTS_MAX {
            return Err(self.error(field, self.at(), "an array of more than 1000000 elements"));
        }
        if count > self.from.remaining() / T::min_len(self.form).max(1) {
            let what = "an array of more elements than there are bytes for";
            return Err(self.error(field, self.at(), what));
        }
        self.array_bytes += count * size_of::<T>();
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::take(self, field)?);
        }
        Ok(elements)
    }

    /// Reads a struct: its fields, then its tagged ones; tags that are unknown are skipped.
    pub(super) fn structure<S: Struct<'a>>(&mut self) -> Result<S, CodecError> {
        let mut structure = S::default();
        structure.take_fields(self, Part::Body)?;
        if self.form.flexible {
            self.tags(&mut structure)?;
        }
        Ok(structure)
    }

    /// Reads the tagged fields of a header, of which none is known.
    pub(super) fn skip_tags(&mut self) -> Result<(), CodecError> {
        self.tags(&mut ResponseHeader::default())
    }

    fn tags<S: Struct<'a>>(&mut self, structure: &mut S) -> Result<(), CodecError> {
        let count = self.fixed(&TAGS, Reader::unsigned_varint)? as usize;
        if count > TAGS_MAX {
            return Err(self.error(&TAGS, self.at(), "more than 10000 tagged fields"));
        }
        for _ in 0..count {
            let tag = self.fixed(&TAGS, Reader::unsigned_varint)?;
            let size = self.fixed(&TAGS, Reader::unsigned_varint)? as usize;
            let start = self.at();
            if size > self.from.remaining() {
                return Err(self.error(&TAGS, start, "a length beyond the end"));
            }
            if !structure.take_fields(self, Part::Tag(tag))? {
                self.bytes(&TAGS, size)?;
            }
            if self.at() != start + size {
                return Err(self.error(&TAGS, start, "a tagged field of another size than told"));
            }
        }
        Ok(())
    }

    /// Reads a field if the version has it in that part; tells whether it has.
    #[inline]
    pub(super) fn field<T: Field<'a>>(
        &mut self,
        part: Part,
        field: &'static Spec,
        into: &mut T,
    ) -> Result<bool, CodecError> {
        if !field.is_in_part(part, self.form.version) {
            return Ok(false);
        }
        *into = T::take(self, field)?;
        Ok(true)
    }
}
