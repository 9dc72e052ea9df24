//! Kafka's RecordBatch, version 2: the one format from wire to disk to wire.
//!
//! A producer sends a batch, the server checks it ([`check_produce`]), stamps offset and epoch into
//! it in place ([`stamp()`]), stores those very bytes, and sends them to consumers.
//! Nothing is ever re-encoded. All integers are big-endian:
//!
//! ```text
//!  0         8        12      16  17     21       23          27         35         43
//!  ├─────────┼────────┼───────┼───┼──────┼────────┼───────────┼──────────┼──────────┼──
//!  │ base    │ length │leader │ma-│CRC32C│attri-  │last offset│base      │max       │
//!  │ offset  │ from 12│epoch  │gic│      │butes   │delta      │timestamp │timestamp │
//!  43        51       53         57       61
//!  ├─────────┼────────┼──────────┼────────┼─────────────
//!  │producer │producer│base      │records'│ records ...
//!  │id       │epoch   │sequence  │count   │
//! ```
//!
//! - The CRC covers everything from byte 21 to the end. What stands before it is checked by other
//!   means: the length by where the next batch starts, the offset by its predecessor's.
//! - Attributes: bits 0–2 the codec, 3 the timestamp type (1: the log's append time), 4
//!   transactional, 5 control, 6 a delete horizon stands in the base timestamp.
//! - A compacted log has gaps: `count` may be less than `last_offset_delta + 1`, even 0.
//! - With a codec, the records are compressed as one run of bytes; the header never is.
//!
//! A record is a length and then exactly so many bytes, its integers of variable length:
//!
//! ```text
//! length · attributes (1 byte, unused) · timestamp delta · offset delta
//!        · key length (-1: null) · key · value length (-1: null) · value
//!        · headers' count · { key length · key · value length (-1: null) · value } ...
//! ```

mod builder;
mod check;
pub mod compression;
mod error;
mod header;
pub mod layout;
mod records;
mod stamp;
mod view;

pub use builder::{BatchBuilder, BuildError};
pub use check::{ProduceError, ProduceLimits, check_produce};
pub use compression::{Codec, CompressionError};
pub use error::BatchError;
pub use header::{
    Attributes, BatchHeader, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
pub use layout::{HEADER_LEN, LOG_OVERHEAD, MAGIC};
pub use records::{Header, Headers, MAX_DECOMPRESSED_BYTES, Record, RecordIter, Records};
pub use stamp::{stamp, stamp_log_append_time, stamp_max_timestamp};
pub use view::{BatchView, Batches, batches};
