//! Kafka's protocol: requests, responses and the bytes they are.
//!
//! Every message is one short definition in [`messages`]; [`message`] says how to read one.
//! [`api::ApiKey`] is the table of versions.
//!
//! ```text
//! 00 00 00 14   length of what follows       ┐ frames
//! 00 12         api key 18, ApiVersions      ┐
//! 00 03         version 3                    │
//! 00 00 00 01   correlation id               │ header::RequestHeader
//! 00 02 6d 65   client id "me"               │
//! 00            no tagged fields             ┘
//! 04 6b 63 74   client_software_name "kct"   ┐
//! 02 31         client_software_version "1"  │ messages::ApiVersionsRequest
//! 00            no tagged fields             ┘
//! ```
//!
//! A server reads [`RequestHeader::decode`], looks up [`RequestHeader::supported_api`], reads the
//! body with that message's [`Message::decode`], and answers with [`Frames::push_response`].
//!
//! What holds:
//! - No bytes make it panic or recurse, or take more memory than their own length times
//!   [`decoder::MEMORY_PER_BYTE_MAX`]. An error names message, version, field and position.
//! - What is read borrows from the frame, records above all; arrays alone are allocated.
//! - What is written can leave out records that whoever sends the frame puts in: [`records`].
//! - As with Kafka, fields are dropped silently only if the definition says so; anything else that
//!   a version can't say is an error of whoever writes. A null string goes as an empty one there.

pub mod api;
pub mod decoder;
pub mod encoder;
pub mod error;
pub mod field;
pub mod frames;
pub mod header;
pub mod message;
pub mod messages;
pub mod records;
pub mod spec;

pub use api::{ApiKey, api_versions_answer};
pub use error::CodecError;
pub use frames::{Frames, Piece};
pub use header::{RequestHeader, ResponseHeader};
pub use message::{Message, Request};
pub use records::{Hole, Records};
