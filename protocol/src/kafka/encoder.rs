//! Writing a message in a version.

use super::error::CodecError;
use super::field::{Field, Struct};
use super::records::Hole;
use super::spec::{Form, Part, Spec};
use crate::wire::{BufMut, Writer};

/// Bytes of a string at most, in any version.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// Where a message is written to, and the form it gets.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    holes: &'o mut Vec<Hole>,
    message: &'static str,
    form: Form,
}

impl<'o> Encoder<'o> {
    /// An encoder that appends the message called `message` to `out`, and to `holes` the places in
    /// `out` where bytes from elsewhere belong.
    pub(super) fn new(
        out: &'o mut Vec<u8>,
        holes: &'o mut Vec<Hole>,
        message: &'static str,
        form: Form,
    ) -> Self {
        Encoder { out, holes, message, form }
    }

    #[inline]
    pub(super) fn form(&self) -> Form {
        self.form
    }

    #[inline]
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.out
    }

    #[cold]
    pub(super) fn error(&self, field: &'static Spec, what: &'static str) -> CodecError {
        let at = self.out.len();
        CodecError { message: self.message, version: self.form.version, field, at, what }
    }

    /// Writes the length of a string; none is null.
    pub(super) fn string_len(
        &mut self,
        field: &'static Spec,
        len: Option<usize>,
    ) -> Result<(), CodecError> {
        match len {
            Some(len) if len > STRING_BYTES_MAX => {
                return Err(self.error(field, "a string of more than 32767 bytes"));
            }
            _ if self.form.flexible => self.compact_len(len.map(|len| len as u32)),
            Some(len) => self.out.put_i16(len as i16),
            None => self.out.put_i16(-1),
        }
        Ok(())
    }

    /// Writes the length of bytes, or the count of an array; none is null.
    pub(super) fn long_len(
        &mut self,
        field: &'static Spec,
        len: Option<usize>,
    ) -> Result<(), CodecError> {
        let Ok(len) = len.map(i32::try_from).transpose() else {
            return Err(self.error(field, "more than 2 GiB"));
        };
        match len {
            _ if self.form.flexible => self.compact_len(len.map(|len| len as u32)),
            Some(len) => self.out.put_i32(len),
            None => self.out.put_i32(-1),
        }
        Ok(())
    }

    fn compact_len(&mut self, len: Option<u32>) {
        self.out.put_unsigned_varint(len.map_or(0, |len| len + 1));
    }

    /// Leaves out `len` bytes, which whoever sends the frame supplies.
    pub(super) fn hole(&mut self, len: usize) {
        self.holes.push(Hole { at: self.out.len(), len });
    }

    /// Writes a struct: its fields, then those of its tagged ones that say more than their default.
    pub(super) fn structure<'a, S: Struct<'a>>(&mut self, from: &S) -> Result<(), CodecError> {
        from.put_fields(self, Part::Body)?;
        if self.form.flexible {
            // The count takes one byte: no struct has 128 tagged fields.
            let at = self.out.len();
            self.out.put_u8(0);
            self.out[at] = from.put_fields(self, Part::Tags)?;
        }
        Ok(())
    }

    /// Writes a field if the version has it in that part; returns how many tags that made.
    ///
    /// # Errors
    /// A value that the version has no place for, unless it is the default or may be lost.
    pub(super) fn field<'a, T: Field<'a> + PartialEq>(
        &mut self,
        part: Part,
        field: &'static Spec,
        value: &T,
        default: &T,
    ) -> Result<u8, CodecError> {
        if !field.is_in_part(part, self.form.version) {
            let lost = !field.is_in(self.form.version) && !field.is_ignorable();
            return match lost && value != default {
                true => Err(self.error(field, "the version has no place for its value")),
                false => Ok(0),
            };
        }
        match field.tag_number() {
            None => value.put(self, field).map(|()| 0),
            Some(_) if value == default => Ok(0),
            Some(tag) => self.tagged(tag, field, value).map(|()| 1),
        }
    }

    /// Writes tag, size and value. The size is known when the value is there, and moves before it.
    fn tagged<'a, T: Field<'a>>(
        &mut self,
        tag: u32,
        field: &'static Spec,
        value: &T,
    ) -> Result<(), CodecError> {
        self.out.put_unsigned_varint(tag);
        let start = self.out.len();
        value.put(self, field)?;
        let end = self.out.len();
        self.out.put_unsigned_varint((end - start) as u32);
        let size_len = self.out.len() - end;
        self.out[start..].rotate_right(size_len);
        Ok(())
    }
}
