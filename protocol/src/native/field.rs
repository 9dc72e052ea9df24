//! How one value becomes bytes, and how a message is made of values.
//!
//! ```text
//! bool      one byte, 0 or 1
//! u8 .. i64 little-endian
//! f64       its bits, as u64
//! string    u16 length, UTF-8 bytes; at most 32767 bytes
//! string?   the same; length 0xFFFF says there is none
//! array     u32 count, the elements
//! array?    the same; count 0xFFFFFFFF says there is none
//! message   its fields, one after the other
//! ```
//! Every message is written once, with the macro `message!`: its fields in wire order. Decoding trusts no
//! length: an array's count must fit the bytes that are left, each element taking at least its
//! [`Field::MIN_LEN`], before room for it is made.

use crate::TopicId;
use crate::wire::{Reader, WireError, Writer};

use super::opcode::Opcode;

/// The longest string on the wire, in bytes.
pub const STRING_BYTES: usize = i16::MAX as usize;

/// The length that stands for "no string".
const NO_STRING: u16 = u16::MAX;

/// The count that stands for "no array".
const NO_ARRAY: u32 = u32::MAX;

/// A value that stands in messages.
pub trait Field: Sized {
    /// The fewest bytes a value takes.
    const MIN_LEN: usize;

    /// Writes the value. Strings longer than [`STRING_BYTES`] are cut; [`Field::check`] tells.
    fn put<W: Writer>(&self, out: &mut W);

    /// Reads a value.
    fn take(from: &mut Reader<'_>) -> Result<Self, WireError>;

    /// Checks that [`Field::put`] writes the value as it is.
    ///
    /// # Errors
    /// When it holds a string too long for the wire.
    fn check(&self) -> Result<(), WireError> {
        Ok(())
    }
}

/// A frame's body.
pub trait Message: Field {
    /// Writes the body.
    fn encode<W: Writer>(&self, out: &mut W) {
        self.put(out);
    }

    /// Reads a body, all of it.
    ///
    /// # Errors
    /// When bytes are missing, left over, or not what they should be.
    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let message = Self::take(&mut reader)?;
        reader.finish()?;
        Ok(message)
    }
}

/// A message that asks something, and what answers it.
pub trait Call: Message {
    /// Its opcode.
    const OPCODE: Opcode;
    /// The body of its successful answer.
    type Answer: Message;
}

macro_rules! integers {
    ($($type:ty: $take:ident $put:ident;)*) => {$(
        impl Field for $type {
            const MIN_LEN: usize = size_of::<$type>();

            fn put<W: Writer>(&self, out: &mut W) {
                out.$put(*self);
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
                from.$take()
            }
        }
    )*};
}

integers! {
    u8: u8 put_u8;
    u16: u16_le put_u16_le;
    i16: i16_le put_i16_le;
    u32: u32_le put_u32_le;
    i32: i32_le put_i32_le;
    u64: u64_le put_u64_le;
    i64: i64_le put_i64_le;
}

impl Field for f64 {
    const MIN_LEN: usize = 8;

    fn put<W: Writer>(&self, out: &mut W) {
        out.put_u64_le(self.to_bits());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        from.u64_le().map(f64::from_bits)
    }
}

impl Field for bool {
    const MIN_LEN: usize = 1;

    fn put<W: Writer>(&self, out: &mut W) {
        out.put_u8(u8::from(*self));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        match from.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(before.error("a truth value that is neither 0 nor 1")),
        }
    }
}

impl<const N: usize> Field for [u8; N] {
    const MIN_LEN: usize = N;

    fn put<W: Writer>(&self, out: &mut W) {
        out.put_slice(self);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut array = [0; N];
        array.copy_from_slice(from.bytes(N)?);
        Ok(array)
    }
}

impl Field for TopicId {
    const MIN_LEN: usize = 16;

    fn put<W: Writer>(&self, out: &mut W) {
        self.0.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Field::take(from).map(TopicId)
    }
}

impl Field for String {
    const MIN_LEN: usize = 2;

    fn put<W: Writer>(&self, out: &mut W) {
        let cut = &self[..self.floor_char_boundary_at(STRING_BYTES)];
        out.put_u16_le(cut.len() as u16);
        out.put_slice(cut.as_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        let len = from.u16_le()?;
        string(from, before, len)
    }

    fn check(&self) -> Result<(), WireError> {
        match self.len() {
            0..=STRING_BYTES => Ok(()),
            _ => Err(WireError { at: 0, what: "a string of more than 32767 bytes" }),
        }
    }
}

impl Field for Option<String> {
    const MIN_LEN: usize = 2;

    fn put<W: Writer>(&self, out: &mut W) {
        match self {
            Some(string) => string.put(out),
            None => out.put_u16_le(NO_STRING),
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        match from.u16_le()? {
            NO_STRING => Ok(None),
            len => string(from, before, len).map(Some),
        }
    }

    fn check(&self) -> Result<(), WireError> {
        self.as_ref().map_or(Ok(()), Field::check)
    }
}

impl<T: Field> Field for Vec<T> {
    const MIN_LEN: usize = 4;

    fn put<W: Writer>(&self, out: &mut W) {
        out.put_u32_le(self.len() as u32);
        self.iter().for_each(|element| element.put(out));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        let count = from.u32_le()?;
        array(from, before, count)
    }

    fn check(&self) -> Result<(), WireError> {
        self.iter().try_for_each(Field::check)
    }
}

impl<T: Field> Field for Option<Vec<T>> {
    const MIN_LEN: usize = 4;

    fn put<W: Writer>(&self, out: &mut W) {
        match self {
            Some(array) => array.put(out),
            None => out.put_u32_le(NO_ARRAY),
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        match from.u32_le()? {
            NO_ARRAY => Ok(None),
            count => array(from, before, count).map(Some),
        }
    }

    fn check(&self) -> Result<(), WireError> {
        self.as_ref().map_or(Ok(()), Field::check)
    }
}

/// Reads the bytes of a string whose length stood at `at`.
fn string(from: &mut Reader<'_>, at: Reader<'_>, len: u16) -> Result<String, WireError> {
    if usize::from(len) > STRING_BYTES {
        return Err(at.error("a string of more than 32767 bytes"));
    }
    let bytes = from.bytes(usize::from(len))?;
    let text = std::str::from_utf8(bytes).map_err(|_| at.error("a string that is not UTF-8"))?;
    Ok(text.to_owned())
}

/// Reads the elements of an array whose count stood at `at`.
fn array<T: Field>(from: &mut Reader<'_>, at: Reader<'_>, count: u32) -> Result<Vec<T>, WireError> {
    const { assert!(T::MIN_LEN > 0, "elements without bytes would make any count fit") };
    let count = count as usize;
    if count > from.remaining() / T::MIN_LEN {
        return Err(at.error("an array of more elements than there are bytes for"));
    }
    (0..count).map(|_| T::take(from)).collect()
}

/// Where to cut a string.
trait FloorCharBoundary {
    /// The last character boundary at or before `len` bytes.
    fn floor_char_boundary_at(&self, len: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_at(&self, len: usize) -> usize {
        if self.len() <= len {
            return self.len();
        }
        // Byte 0 is a boundary, so there is one.
        (0..=len).rev().find(|&at| self.is_char_boundary(at)).unwrap_or(0)
    }
}

/// Defines a message: a struct whose fields go over the wire in the order they are written in.
macro_rules! message {
    ($($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }

        impl $crate::native::field::Field for $name {
            const MIN_LEN: usize = 0 $(+ <$type as $crate::native::field::Field>::MIN_LEN)*;

            fn put<W: $crate::wire::Writer>(&self, out: &mut W) {
                $($crate::native::field::Field::put(&self.$field, out);)*
            }

            fn take(
                from: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::WireError> {
                $(let $field = $crate::native::field::Field::take(from)?;)*
                Ok($name { $($field,)* })
            }

            fn check(&self) -> Result<(), $crate::wire::WireError> {
                $($crate::native::field::Field::check(&self.$field)?;)*
                Ok(())
            }
        }

        impl $crate::native::field::Message for $name {}
    )*};
}

/// Defines messages without a body: their frame's header says it all.
macro_rules! empty_messages {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl $crate::native::field::Field for $name {
            const MIN_LEN: usize = 0;

            fn put<W: $crate::wire::Writer>(&self, _out: &mut W) {}

            fn take(
                _from: &mut $crate::wire::Reader<'_>,
            ) -> Result<Self, $crate::wire::WireError> {
                Ok($name)
            }
        }

        impl $crate::native::field::Message for $name {}
    )*};
}

/// Says which message answers which.
macro_rules! calls {
    ($($call:ident => $answer:ident;)*) => {$(
        impl $crate::native::field::Call for $call {
            const OPCODE: $crate::native::opcode::Opcode = $crate::native::opcode::Opcode::$call;
            type Answer = $answer;
        }
    )*};
}

pub(crate) use {calls, empty_messages, message};

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<T: Field>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        bytes
    }

    fn take<T: Field>(bytes: &[u8]) -> Result<T, WireError> {
        T::take(&mut Reader::new(bytes))
    }

    #[test]
    fn counts_are_bounded_by_the_bytes_that_are_there() {
        let mut bytes = 3u32.to_le_bytes().to_vec();
        bytes.extend([0; 23]);
        assert_eq!(take::<Vec<u64>>(&bytes).map_err(|e| e.at), Err(0));
        bytes.push(0);
        assert_eq!(take::<Vec<u64>>(&bytes), Ok(vec![0; 3]));
        assert!(
            take::<Vec<u8>>(&[0xff, 0xff, 0xff, 0xff]).is_err(),
            "only optional arrays can lack"
        );
        assert_eq!(take::<Option<Vec<u8>>>(&[0xff, 0xff, 0xff, 0xff]), Ok(None));
    }

    #[test]
    fn strings_are_bounded_and_utf8() {
        assert_eq!(bytes_of(&"ab".to_owned()), [2, 0, b'a', b'b']);
        assert_eq!(take::<String>(&[2, 0, 0xc3, 0x28]).map_err(|e| e.at), Err(0));
        assert!(take::<String>(&[0xff, 0xff]).is_err(), "only optional strings can lack");
        assert_eq!(take::<Option<String>>(&[0xff, 0xff]), Ok(None));
        assert!(take::<Option<String>>(&[0xfe, 0xff]).is_err(), "too long even if it were there");
    }

    #[test]
    fn a_string_too_long_is_told_and_cut_at_a_character() {
        let long = "é".repeat(STRING_BYTES);
        assert!(long.check().is_err());
        let cut: String = take(&bytes_of(&long)).expect("what was put can be taken");
        assert_eq!(cut.len(), STRING_BYTES - 1, "the bound is odd and é takes two bytes");
    }

    #[test]
    fn truth_is_zero_or_one() {
        assert_eq!(take::<bool>(&[1]), Ok(true));
        assert!(take::<bool>(&[2]).is_err());
    }
}
