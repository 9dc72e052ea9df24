//! The server's side of the native protocol; `protocol/SPEC.md` is its law.
//!
//! ```text
//! accept       takes connections, hears their hello, hands them to the core they want
//! connection   reads frames, one after the other, as long as the bounds allow
//! dispatch     frame to request to handler
//! handles      numbers for partitions
//! answers      what the shard released, to frames
//! errors       why not, to codes
//! open append read topics offsets   the handlers, by subject
//! ```
//! A handler answers at once, or asks the core's own shard and leaves a [`session::Call`] behind for
//! the answer, or, where other cores are needed, runs as a task of its own. Tasks and calls are
//! bounded by what the hello tells the client.

pub mod accept;
mod answers;
mod append;
mod connection;
mod dispatch;
mod errors;
mod groups;
mod handles;
mod offsets;
mod open;
mod read;
mod session;
mod topics;

use super::ending::Ending;
use crate::limits;

use duramen_protocol::native::frame::{CONTROL_FRAME_BYTES, FRAME_OVERHEAD_BYTES};

/// The largest frame of a connection, header and all: it holds the largest batch that fits an arena
/// and journal files of these sizes.
pub fn max_frame_bytes(arena_bytes: usize, journal_file_bytes: u64) -> u32 {
    let batch = limits::max_message_bytes(arena_bytes, journal_file_bytes);
    let frame = batch.saturating_add(FRAME_OVERHEAD_BYTES as u64);
    // A frame's length is counted in 32 bits, and a batch's in 31.
    (frame.min(i32::MAX as u64) as u32).max(CONTROL_FRAME_BYTES)
}
