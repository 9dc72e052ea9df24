//! What can be wrong with a batch.

use super::compression::{CompressionError, UnknownCodec};
use crate::wire::WireError;

/// Why bytes are no batch, or no whole one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does. The normal end of a fetch that cut its last batch.
    #[error("a batch of {needed} bytes of which {have} are there")]
    Truncated {
        /// Bytes of the whole batch, or of its header as long as that is not there.
        needed: usize,
        /// Bytes that there are.
        have: usize,
    },
    /// The length field can't be true.
    #[error("a batch length of {0}, less than the {min} of an empty batch", min = super::layout::MIN_LENGTH)]
    Length(i32),
    /// Another version of the format, or no batch at all.
    #[error("magic {0} where only 2 is known")]
    Magic(i8),
    /// The bytes are not those that were checksummed.
    #[error("CRC {computed:08x} where the header says {stored:08x}")]
    Crc {
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Count and last offset delta contradict each other, or are negative.
    #[error("{count} records with a last offset delta of {last_offset_delta}")]
    Counts {
        /// The header's count of records.
        count: i32,
        /// The header's last offset delta.
        last_offset_delta: i32,
    },
    /// The offsets are negative or leave the range of an `i64`.
    #[error("base offset {0} out of range")]
    BaseOffset(i64),
    /// The attributes name a codec that does not exist.
    #[error(transparent)]
    Codec(#[from] UnknownCodec),
    /// The records could not be decompressed.
    #[error("records do not decompress: {0}")]
    Compression(#[from] CompressionError),
    /// A record's bytes make no sense; the position is within the decompressed records.
    #[error("record {index}: {error}")]
    Record {
        /// Which record, counted from 0.
        index: i32,
        /// What, and where in the (decompressed) records.
        error: WireError,
    },
}
