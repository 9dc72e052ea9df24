//! The types that fields have, and their bytes.
//!
//! ```text
//! type            before the flexible versions          flexible versions
//! integers, f64   big-endian                            the same
//! bool            one byte; all but 0 is true           the same
//! TopicId, uuid   16 bytes                              the same
//! &str            i16 length, bytes; -1 is null         varint length + 1, bytes; 0 is null
//! &[u8], Records  i32 length, bytes; -1 is null         varint length + 1, bytes; 0 is null
//! Vec             i32 count, elements; -1 is null       varint count + 1, elements; 0 is null
//! struct          its fields                            its fields, then its tagged fields
//! Option<struct>  i8 -1 for null, or 1 and the struct   the same
//!
//! tagged fields   varint count, then each: varint tag, varint size, value
//! ```

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::CodecError;
use super::spec::{Form, Part, Spec};
use crate::TopicId;
use crate::codes::ErrorCode;
use crate::wire::{BufMut, Reader, WireError};

/// A type that fields can have.
pub trait Field<'a>: Sized {
    /// Bytes that every value takes at least.
    fn min_len(form: Form) -> usize;

    /// Reads a value.
    fn take(from: &mut Decoder<'a>, field: &'static Spec) -> Result<Self, CodecError>;

    /// Writes the value.
    fn put(&self, to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError>;
}

/// A type that can be null: a field that may be is an `Option` of it.
pub trait Nullable<'a>: Field<'a> {
    /// Bytes that a value or null takes at least.
    fn min_len_or_null(form: Form) -> usize {
        Self::min_len(form)
    }

    /// Reads a value or null.
    fn take_or_null(
        from: &mut Decoder<'a>,
        field: &'static Spec,
    ) -> Result<Option<Self>, CodecError>;

    /// Writes a value that might have been null.
    fn put_not_null(&self, to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        self.put(to, field)
    }

    /// Writes null.
    fn put_null(to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError>;

    /// Writes what stands for null in versions that have no null for the field.
    fn put_instead_of_null(to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        Err(to.error(field, "null, which the version can't say"))
    }
}

/// Reads a value that may not be null.
fn not_null<'a, T: Nullable<'a>>(
    from: &mut Decoder<'a>,
    field: &'static Spec,
) -> Result<T, CodecError> {
    let at = from.at();
    T::take_or_null(from, field)?.ok_or_else(|| from.error(field, at, "null where a value must be"))
}

impl<'a, T: Nullable<'a>> Field<'a> for Option<T> {
    fn min_len(form: Form) -> usize {
        T::min_len_or_null(form)
    }

    fn take(from: &mut Decoder<'a>, field: &'static Spec) -> Result<Self, CodecError> {
        match field.is_nullable(from.form().version) {
            true => T::take_or_null(from, field),
            false => T::take(from, field).map(Some),
        }
    }

    fn put(&self, to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        match (self, field.is_nullable(to.form().version)) {
            (Some(value), true) => value.put_not_null(to, field),
            (Some(value), false) => value.put(to, field),
            (None, true) => T::put_null(to, field),
            (None, false) => T::put_instead_of_null(to, field),
        }
    }
}

macro_rules! fixed {
    ($($type:ty: $len:literal, $take:expr, |$value:ident, $out:ident| $put:expr;)*) => {$(
        impl<'a> Field<'a> for $type {
            #[inline]
            fn min_len(_form: Form) -> usize {
                $len
            }

            #[inline]
            fn take(from: &mut Decoder<'a>, field: &'static Spec) -> Result<Self, CodecError> {
                from.fixed(field, $take)
            }

            #[inline]
            fn put(&self, to: &mut Encoder<'_>, _field: &'static Spec) -> Result<(), CodecError> {
                let ($value, $out) = (self, to.out());
                $put;
                Ok(())
            }
        }
    )*};
}

fixed! {
    bool: 1, |from| Ok(from.u8()? != 0), |value, out| out.put_u8(u8::from(*value));
    i8: 1, Reader::i8, |value, out| out.put_i8(*value);
    i16: 2, Reader::i16, |value, out| out.put_i16(*value);
    i32: 4, Reader::i32, |value, out| out.put_i32(*value);
    i64: 8, Reader::i64, |value, out| out.put_i64(*value);
    f64: 8, |from| Ok(f64::from_bits(from.u64()?)), |value, out| out.put_f64(*value);
    ErrorCode: 2, |from| Ok(ErrorCode(from.i16()?)), |value, out| out.put_i16(value.0);
    TopicId: 16, |from| uuid(from).map(TopicId), |value, out| out.put_slice(&value.0);
    [u8; 16]: 16, uuid, |value, out| out.put_slice(value);
}

fn uuid(from: &mut Reader<'_>) -> Result<[u8; 16], WireError> {
    let mut id = [0; 16];
    id.copy_from_slice(from.bytes(16)?);
    Ok(id)
}

impl<'a> Field<'a> for &'a str {
    fn min_len(form: Form) -> usize {
        if form.flexible { 1 } else { 2 }
    }

    fn take(from: &mut Decoder<'a>, field: &'static Spec) -> Result<Self, CodecError> {
        not_null(from, field)
    }

    fn put(&self, to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        to.string_len(field, Some(self.len()))?;
        to.out().put_slice(self.as_bytes());
        Ok(())
    }
}

impl<'a> Nullable<'a> for &'a str {
    fn take_or_null(
        from: &mut Decoder<'a>,
        field: &'static Spec,
    ) -> Result<Option<Self>, CodecError> {
        let at = from.at();
        let Some(len) = from.string_len(field)? else { return Ok(None) };
        if len > super::encoder::STRING_BYTES_MAX {
            return Err(from.error(field, at, "a string of more than 32767 bytes"));
        }
        let bytes = from.bytes(field, len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(from.error(field, at, "a string that is not UTF-8")),
        }
    }

    fn put_null(to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        to.string_len(field, None)
    }

    /// An empty string, as Kafka's broker says it by hand in such versions.
    fn put_instead_of_null(to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        to.string_len(field, Some(0))
    }
}

impl<'a> Field<'a> for &'a [u8] {
    fn min_len(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn take(from: &mut Decoder<'a>, field: &'static Spec) -> Result<Self, CodecError> {
        let at = from.at();
        let len = from.long_len(field)?;
        let len = len.ok_or_else(|| from.error(field, at, "null where a value must be"))?;
        from.bytes(field, len)
    }

    fn put(&self, to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        to.long_len(field, Some(self.len()))?;
        to.out().put_slice(self);
        Ok(())
    }
}

impl<'a, T: Field<'a>> Field<'a> for Vec<T> {
    fn min_len(form: Form) -> usize {
        if form.flexible { 1 } else { 4 }
    }

    fn take(from: &mut Decoder<'a>, field: &'static Spec) -> Result<Self, CodecError> {
        not_null(from, field)
    }

    fn put(&self, to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        to.long_len(field, Some(self.len()))?;
        self.iter().try_for_each(|element| element.put(to, field))
    }
}

impl<'a, T: Field<'a>> Nullable<'a> for Vec<T> {
    fn take_or_null(
        from: &mut Decoder<'a>,
        field: &'static Spec,
    ) -> Result<Option<Self>, CodecError> {
        match from.long_len(field)? {
            None => Ok(None),
            Some(count) => from.array(field, count).map(Some),
        }
    }

    fn put_null(to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        to.long_len(field, None)
    }
}

/// A struct of a definition: what [`message!`](super::message) makes.
pub trait Struct<'a>: Default + PartialEq {
    /// Its name in the definition.
    const NAME: &'static str;

    /// Bytes that its fields take at least, without the tagged ones.
    fn fields_min_len(form: Form) -> usize;

    /// Reads those fields that the version has in that part; tells whether there were any.
    fn take_fields(&mut self, from: &mut Decoder<'a>, part: Part) -> Result<bool, CodecError>;

    /// Writes those fields that the version has in that part; returns how many tags that made.
    fn put_fields(&self, to: &mut Encoder<'_>, part: Part) -> Result<u8, CodecError>;
}

impl<'a, S: Struct<'a>> Field<'a> for S {
    fn min_len(form: Form) -> usize {
        S::fields_min_len(form) + usize::from(form.flexible)
    }

    fn take(from: &mut Decoder<'a>, _field: &'static Spec) -> Result<Self, CodecError> {
        from.structure()
    }

    fn put(&self, to: &mut Encoder<'_>, _field: &'static Spec) -> Result<(), CodecError> {
        to.structure(self)
    }
}

impl<'a, S: Struct<'a>> Nullable<'a> for S {
    fn min_len_or_null(_form: Form) -> usize {
        1
    }

    fn take_or_null(
        from: &mut Decoder<'a>,
        field: &'static Spec,
    ) -> Result<Option<Self>, CodecError> {
        match i8::take(from, field)? {
            ..0 => Ok(None),
            _ => from.structure().map(Some),
        }
    }

    fn put_not_null(&self, to: &mut Encoder<'_>, _field: &'static Spec) -> Result<(), CodecError> {
        to.out().put_i8(1);
        to.structure(self)
    }

    fn put_null(to: &mut Encoder<'_>, _field: &'static Spec) -> Result<(), CodecError> {
        to.out().put_i8(-1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::message::message;

    message! {
        /// A field of each kind.
        pub struct Sample<'a> {
            0+   truth: bool = true;
            0+   ratio: f64;
            0-1  gone: i16 = -1;
            0-1  forgotten: &'a str [ignorable];
            0+   name: Option<&'a str> [nullable 1+];
            1+   bytes: &'a [u8];
            1+   inner: Option<Inner>;
            2+   extra: i64 [tag 0];
            2+   notes: Vec<&'a str> [tag 1];
        }

        /// A struct within.
        pub struct Inner {
            0+  number: i32;
        }
    }

    /// From version 2 on it is flexible.
    fn form(version: i16) -> Form {
        Form { version, flexible: version >= 2 }
    }

    fn encode(sample: &Sample<'_>, version: i16) -> Result<Vec<u8>, CodecError> {
        let (mut out, mut holes) = (Vec::new(), Vec::new());
        Encoder::new(&mut out, &mut holes, Sample::NAME, form(version)).structure(sample)?;
        Ok(out)
    }

    fn decode(bytes: &[u8], version: i16) -> Result<Sample<'_>, CodecError> {
        Decoder::new(Reader::new(bytes), Sample::NAME, form(version)).structure()
    }

    fn sample() -> Sample<'static> {
        Sample {
            ratio: 0.5,
            name: Some("né"),
            bytes: b"xy",
            inner: Some(Inner { number: 7 }),
            ..Default::default()
        }
    }

    #[test]
    fn each_kind_has_its_bytes() {
        let old = [
            &[1][..],
            &[0x3f, 0xe0, 0, 0, 0, 0, 0, 0],
            &[0xff, 0xff],
            &[0, 0],
            &[0, 3, b'n', 0xc3, 0xa9],
            &[0, 0, 0, 2, b'x', b'y'],
            &[1, 0, 0, 0, 7],
        ];
        assert_eq!(encode(&sample(), 1), Ok(old.concat()));
        let flexible = [
            &[1][..],
            &[0x3f, 0xe0, 0, 0, 0, 0, 0, 0],
            &[4, b'n', 0xc3, 0xa9],
            &[3, b'x', b'y'],
            &[1, 0, 0, 0, 7, 0],
            &[1, 1, 3, 2, 2, b'a'],
        ];
        let noted = Sample { notes: vec!["a"], ..sample() };
        assert_eq!(encode(&noted, 2), Ok(flexible.concat()));
        assert_eq!(decode(&flexible.concat(), 2), Ok(noted));
        assert_eq!(decode(&old.concat(), 1), Ok(sample()));
    }

    #[test]
    fn null_is_said_where_the_version_can() {
        let empty = Sample { name: None, inner: None, ..sample() };
        let bytes = encode(&empty, 2).unwrap();
        assert_eq!(bytes[9..], [0, 3, b'x', b'y', 0xff, 0]);
        assert_eq!(decode(&bytes, 2), Ok(empty.clone()));
        // Version 0 has no null: as Kafka's broker does by hand, it gets an empty string.
        let older = Sample { bytes: b"", ..empty };
        let bytes = encode(&older, 0).unwrap();
        assert_eq!(decode(&bytes, 0), Ok(Sample { name: Some(""), ..older }));
    }

    #[test]
    fn a_value_without_a_place_is_an_error_unless_it_may_be_lost() {
        let kept = Sample { gone: 3, ..sample() };
        assert!(encode(&kept, 1).is_ok());
        let error = encode(&kept, 2).unwrap_err();
        assert_eq!((error.field.owner, error.field.name), ("Sample", "gone"));
        let tagged = Sample { extra: 1, ..sample() };
        assert!(encode(&tagged, 2).is_ok() && encode(&tagged, 1).is_err());
        let lost = Sample { forgotten: "x", ..sample() };
        assert_eq!(encode(&lost, 2), encode(&sample(), 2));
    }

    #[test]
    fn a_string_too_long_is_not_written() {
        let long = "x".repeat(super::super::encoder::STRING_BYTES_MAX + 1);
        for version in 0..=2 {
            let error = encode(&Sample { name: Some(&long), ..Sample::default() }, version);
            assert_eq!(error.unwrap_err().what, "a string of more than 32767 bytes");
        }
    }
}
