//! The native protocol: little fixed headers, numeric handles, one batch an append.
//!
//! `SPEC.md` beside this crate is the reference, byte for byte; this module is its Rust side.
//! It holds no socket and no state: bytes go in, values come out, and the other way round. The
//! server and the client both stand on it.
//!
//! ```text
//! frame     the 16 bytes before every body
//! opcode    what a frame asks for
//! field     how one value becomes bytes; the macro that makes a message of fields
//! messages  the bodies, a file a subject
//! error     the body of an error answer, and which codes there are
//! request   any request, decoded, for the server's dispatch
//! ```
//!
//! Integers of the protocol are little-endian. Batches are Kafka's and keep their big-endian bytes;
//! nothing here looks inside one.
//!
//! # Example
//! ```
//! use duramen_protocol::native::{frame, messages::CreateTopic, request::Request, FrameHeader};
//!
//! let wish = CreateTopic { name: "events".into(), partitions: 4, ..CreateTopic::default() };
//! let bytes = frame::request(7, 0, &wish);
//!
//! let header = FrameHeader::decode(&bytes, frame::HELLO_FRAME_BYTES)?.expect("a whole header");
//! assert_eq!(header.correlation, 7);
//! assert_eq!(header.frame_len(), bytes.len());
//! let body = &bytes[frame::HEADER_LEN..];
//! assert_eq!(Request::decode(&header, body)?, Request::CreateTopic(wish));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod error;
pub mod field;
pub mod frame;
pub mod messages;
pub mod opcode;
pub mod request;

pub use crate::codes::{Class, ErrorCode};
pub use error::{ErrorAnswer, ErrorDetail};
pub use field::{Call, Message};
pub use frame::{FrameError, FrameHeader, HEADER_LEN};
pub use opcode::Opcode;
pub use request::{Request, RequestError};

/// The protocol version this crate speaks; the hello negotiates it.
pub const VERSION: u16 = 1;

/// The first four bytes of a hello's body.
pub const MAGIC: [u8; 4] = *b"DRMN";

/// In a hello: any core will do. In statistics: the server as a whole.
pub const ANY_CORE: u16 = u16::MAX;

/// A producer id that says "not idempotent".
pub const NO_PRODUCER_ID: i64 = -1;
