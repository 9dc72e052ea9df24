//! Reading and writing of plain integers and Kafka's variable-length ones.
//!
//! [`Reader`] walks over borrowed bytes. It never panics, whatever they hold, and never allocates:
//! a length that lies is an error at the place where it stands. Methods are big-endian, as Kafka's
//! formats are; those that end in `_le` are little-endian, as the native protocol is.
//!
//! [`Writer`] adds the variable-length integers to [`bytes::BufMut`], so `Vec<u8>` and
//! `BytesMut` alike have the whole set.
//!
//! A variable-length integer holds seven bits a byte, the lowest first; the top bit says that more
//! follow. Signed ones are zigzagged first, so that small negative numbers are short too:
//!
//! ```text
//! value     0   -1    1   -2    63   -64    64
//! zigzag    0    1    2    3   126   127   128
//! bytes    00   01   02   03    7e    7f  80 01
//! ```

pub use bytes::BufMut;

/// What is wrong with the bytes a [`Reader`] walks over, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct WireError {
    /// Position of the value that could not be read, from the start of the reader's bytes.
    pub at: usize,
    /// What was expected, or what was found instead.
    pub what: &'static str,
}

/// A cursor over borrowed bytes. Copying it remembers a place to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

macro_rules! integers {
    ($($be:ident $le:ident $type:ty;)*) => {$(
        /// Reads a big-endian integer.
        #[inline]
        pub fn $be(&mut self) -> Result<$type, WireError> {
            Ok(<$type>::from_be_bytes(self.array(concat!("too few bytes for ", stringify!($type)))?))
        }

        /// Reads a little-endian integer.
        #[inline]
        pub fn $le(&mut self) -> Result<$type, WireError> {
            Ok(<$type>::from_le_bytes(self.array(concat!("too few bytes for ", stringify!($type)))?))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A reader that stands at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// The position, counted from the start of the reader's bytes.
    #[inline]
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether all bytes have been read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The bytes not yet read; the position moves to the end.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    /// An error that says `what` is wrong at the present position.
    #[inline]
    pub fn error(&self, what: &'static str) -> WireError {
        WireError { at: self.at, what }
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// With the position of the first byte too many.
    #[inline]
    pub fn finish(&self) -> Result<(), WireError> {
        if self.is_empty() { Ok(()) } else { Err(self.error("bytes after the end")) }
    }

    /// Reads exactly `n` bytes.
    #[inline]
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], WireError> {
        if n > self.remaining() {
            return Err(self.error("a length beyond the end"));
        }
        let bytes = &self.bytes[self.at..self.at + n];
        self.at += n;
        Ok(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let Some(array) = self.bytes[self.at..].first_chunk::<N>() else {
            return Err(self.error(what));
        };
        self.at += N;
        Ok(*array)
    }

    /// Reads one byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, WireError> {
        let [byte] = self.array("too few bytes for u8")?;
        Ok(byte)
    }

    /// Reads one signed byte.
    #[inline]
    pub fn i8(&mut self) -> Result<i8, WireError> {
        let [byte] = self.array("too few bytes for i8")?;
        Ok(byte as i8)
    }

    integers! {
        u16 u16_le u16;
        i16 i16_le i16;
        u32 u32_le u32;
        i32 i32_le i32;
        u64 u64_le u64;
        i64 i64_le i64;
    }

    /// Reads an unsigned variable-length integer of at most 5 bytes.
    #[inline]
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        match self.short_varint() {
            Some(value) => Ok(value),
            None => self.long_varint(5, u32::MAX as u64).map(|value| value as u32),
        }
    }

    /// Reads an unsigned variable-length integer of at most 10 bytes.
    #[inline]
    pub fn unsigned_varlong(&mut self) -> Result<u64, WireError> {
        match self.short_varint() {
            Some(value) => Ok(u64::from(value)),
            None => self.long_varint(10, u64::MAX),
        }
    }

    /// Reads a zigzagged variable-length integer of at most 5 bytes.
    #[inline]
    pub fn varint(&mut self) -> Result<i32, WireError> {
        self.unsigned_varint().map(unzigzag32)
    }

    /// Reads a zigzagged variable-length integer of at most 10 bytes.
    #[inline]
    pub fn varlong(&mut self) -> Result<i64, WireError> {
        self.unsigned_varlong().map(unzigzag64)
    }

    /// One or two bytes, as nearly all are: lengths and deltas are small.
    #[inline]
    fn short_varint(&mut self) -> Option<u32> {
        match self.bytes[self.at..] {
            [low, ..] if low < 0x80 => {
                self.at += 1;
                Some(u32::from(low))
            }
            [low, high, ..] if high < 0x80 => {
                self.at += 2;
                Some(u32::from(low & 0x7f) | u32::from(high) << 7)
            }
            _ => None,
        }
    }

    fn long_varint(&mut self, max_bytes: usize, max: u64) -> Result<u64, WireError> {
        let mut value = 0u64;
        for (i, &byte) in self.bytes[self.at..].iter().take(max_bytes).enumerate() {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * i as u32;
            if bits > max >> shift {
                return Err(self.error("a variable-length integer too large"));
            }
            value |= bits << shift;
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        let cut = self.remaining() < max_bytes;
        Err(self.error(if cut {
            "too few bytes for a variable-length integer"
        } else {
            "a variable-length integer too long"
        }))
    }
}

/// The variable-length integers for everything that takes bytes; the plain ones are
/// [`BufMut`]'s own `put_i32`, `put_u64_le`, ...
pub trait Writer: BufMut {
    /// Writes an unsigned variable-length integer of 1 to 5 bytes.
    #[inline]
    fn put_unsigned_varint(&mut self, value: u32) {
        self.put_unsigned_varlong(u64::from(value));
    }

    /// Writes an unsigned variable-length integer of 1 to 10 bytes.
    #[inline]
    fn put_unsigned_varlong(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    /// Writes a zigzagged variable-length integer of 1 to 5 bytes.
    #[inline]
    fn put_varint(&mut self, value: i32) {
        self.put_unsigned_varint(zigzag32(value));
    }

    /// Writes a zigzagged variable-length integer of 1 to 10 bytes.
    #[inline]
    fn put_varlong(&mut self, value: i64) {
        self.put_unsigned_varlong(zigzag64(value));
    }
}

impl<T: BufMut + ?Sized> Writer for T {}

/// Folds the sign into the lowest bit: 0, -1, 1, -2 become 0, 1, 2, 3.
#[inline]
pub const fn zigzag32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

/// The inverse of [`zigzag32`].
#[inline]
pub const fn unzigzag32(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

/// Folds the sign into the lowest bit.
#[inline]
pub const fn zigzag64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag64`].
#[inline]
pub const fn unzigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// How many bytes [`Writer::put_varint`] takes for `value`.
#[inline]
pub const fn varint_len(value: i32) -> usize {
    unsigned_varlong_len(zigzag32(value) as u64)
}

/// How many bytes [`Writer::put_varlong`] takes for `value`.
#[inline]
pub const fn varlong_len(value: i64) -> usize {
    unsigned_varlong_len(zigzag64(value))
}

/// How many bytes [`Writer::put_unsigned_varlong`] takes for `value`.
#[inline]
pub const fn unsigned_varlong_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_big_or_little_endian() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Reader::new(&bytes).i32(), Ok(0x01020304));
        assert_eq!(Reader::new(&bytes).u32_le(), Ok(0x04030201));
        assert_eq!(Reader::new(&bytes).i64(), Ok(0x0102030405060708));
        assert_eq!(Reader::new(&bytes).i64_le(), Ok(0x0807060504030201));
        assert_eq!(Reader::new(&bytes).u16_le(), Ok(0x0201));
        assert_eq!(Reader::new(&[0xff]).i8(), Ok(-1));
    }

    #[test]
    fn variable_length_integers_round_trip() {
        let values =
            [0, -1, 1, 63, -64, 64, -65, 8191, 8192, i64::from(i32::MAX), i64::MIN, i64::MAX];
        for value in values {
            let mut bytes = Vec::new();
            bytes.put_varlong(value);
            assert_eq!(bytes.len(), varlong_len(value), "{value}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varlong(), Ok(value));
            assert!(reader.is_empty());
            let Ok(small) = i32::try_from(value) else { continue };
            assert_eq!(Reader::new(&bytes).varint(), Ok(small));
            assert_eq!(bytes.len(), varint_len(small));
        }
    }

    #[test]
    fn bytes_of_variable_length_integers() {
        for (value, expected) in
            [(64, &[0x80, 0x01][..]), (-1, &[0x01]), (i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f])]
        {
            let mut bytes = Vec::new();
            bytes.put_varint(value);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn every_cut_and_every_overlong_integer_is_an_error_in_place() {
        let too_long = [0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
        assert_eq!(Reader::new(&too_long).unsigned_varint().map_err(|e| e.at), Err(0));
        let too_large = [0xff, 0xff, 0xff, 0xff, 0x10];
        assert!(Reader::new(&too_large).unsigned_varint().is_err());
        for n in 0..4 {
            let mut reader = Reader::new(&too_long[..n]);
            assert!(reader.unsigned_varint().is_err());
            assert!(reader.i32().is_err());
            assert_eq!(reader.at(), 0, "an error does not move the reader");
        }
        assert!(Reader::new(&[1, 2]).bytes(usize::MAX).is_err());
    }
}
