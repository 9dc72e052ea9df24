//! Snappy as Kafka's clients frame it, after the Java library of xerial.org.
//!
//! ```text
//! 82 "SNAPPY" 00 │ i32 version 1 │ i32 compatible with 1 │ { i32 length │ raw snappy } ...
//! ```
//!
//! Some clients send one raw snappy block without any frame, so that is read too. A raw block
//! can't start like a frame: its first element would copy bytes from before the start.

use snap::raw::{Decoder, Encoder, decompress_len};

use super::{Codec, CompressionError};
use crate::wire::{BufMut, Reader};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_LEN: usize = 16;
const VERSION: i32 = 1;
/// What the Java library puts into a block: its default.
const BLOCK_BYTES: usize = 32 << 10;

pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let mut out =
        Vec::with_capacity(HEADER_LEN + snap::raw::max_compress_len(bytes.len().min(BLOCK_BYTES)));
    out.put_slice(&MAGIC);
    out.put_i32(VERSION);
    out.put_i32(VERSION);
    let mut encoder = Encoder::new();
    for chunk in bytes.chunks(BLOCK_BYTES) {
        let block = encoder.compress_vec(chunk).map_err(failed)?;
        out.put_i32(block.len() as i32);
        out.put_slice(&block);
    }
    Ok(out)
}

pub(super) fn decompress(bytes: &[u8], max_bytes: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    if !bytes.starts_with(&MAGIC) {
        append_block(&mut out, bytes, max_bytes)?;
        return Ok(out);
    }
    let mut reader = Reader::new(&bytes[MAGIC.len()..]);
    let (_version, compatible) = (reader.i32().map_err(failed)?, reader.i32().map_err(failed)?);
    if compatible > VERSION {
        return Err(failed(format!("a frame of version {compatible}")));
    }
    while !reader.is_empty() {
        let length = reader.u32().map_err(failed)?;
        let block = reader.bytes(length as usize).map_err(failed)?;
        append_block(&mut out, block, max_bytes)?;
    }
    Ok(out)
}

fn append_block(out: &mut Vec<u8>, block: &[u8], max_bytes: usize) -> Result<(), CompressionError> {
    let length = decompress_len(block).map_err(failed)?;
    if length > max_bytes - out.len() {
        return Err(CompressionError::TooLarge { max_bytes });
    }
    // A block says its length itself, but none of its elements makes more than 64 bytes.
    if length / 64 > block.len() {
        return Err(failed("a block that can't be as long as it says"));
    }
    let start = out.len();
    out.resize(start + length, 0);
    Decoder::new().decompress(block, &mut out[start..]).map_err(failed)?;
    Ok(())
}

fn failed(reason: impl ToString) -> CompressionError {
    CompressionError::Codec { codec: Codec::Snappy, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_blocks_are_read_too() {
        let raw = Encoder::new().compress_vec(b"hello hello hello").unwrap();
        assert_eq!(decompress(&raw, 17).unwrap(), b"hello hello hello");
    }

    #[test]
    fn frames_have_the_bytes_of_the_java_library() {
        let framed = compress(b"abc").unwrap();
        assert_eq!(framed, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x05\x03\x08abc");
    }

    #[test]
    fn a_claimed_length_is_not_trusted() {
        // A raw block that claims 2^28 bytes and holds one.
        let lying = [0x80, 0x80, 0x80, 0x80, 0x01, 0x00, b'a'];
        assert!(matches!(decompress(&lying, 1 << 30), Err(CompressionError::Codec { .. })));
    }
}
