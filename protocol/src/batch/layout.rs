//! Where the fields of a batch's header stand: the byte each starts at.

/// Bytes of a header: where the records start.
pub const HEADER_LEN: usize = 61;
/// Bytes that the length field does not count: base offset and length itself.
pub const LOG_OVERHEAD: usize = 12;
/// The version of the format.
pub const MAGIC: i8 = 2;
/// The least a length field may say: a batch without records.
pub const MIN_LENGTH: i32 = (HEADER_LEN - LOG_OVERHEAD) as i32;

/// `i64`: the offset of the first record.
pub const BASE_OFFSET: usize = 0;
/// `i32`: bytes that follow this field.
pub const LENGTH: usize = 8;
/// `i32`: the leader epoch in which the batch was appended.
pub const LEADER_EPOCH: usize = 12;
/// `i8`: [`MAGIC`], at the same place in all versions.
pub const MAGIC_BYTE: usize = 16;
/// `u32`: CRC32C of the bytes from [`ATTRIBUTES`] to the end.
pub const CRC: usize = 17;
/// `i16`: see [`super::Attributes`].
pub const ATTRIBUTES: usize = 21;
/// `i32`: the last record's offset less the base offset.
pub const LAST_OFFSET_DELTA: usize = 23;
/// `i64`: what the records' timestamps are relative to, or the delete horizon.
pub const BASE_TIMESTAMP: usize = 27;
/// `i64`: the largest timestamp of a record.
pub const MAX_TIMESTAMP: usize = 35;
/// `i64`: an idempotent producer's id, or -1.
pub const PRODUCER_ID: usize = 43;
/// `i16`: the producer's epoch, or -1.
pub const PRODUCER_EPOCH: usize = 51;
/// `i32`: the sequence number of the first record, or -1.
pub const BASE_SEQUENCE: usize = 53;
/// `i32`: how many records there are.
pub const COUNT: usize = 57;
