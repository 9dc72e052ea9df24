//! `APPEND`: one batch to one partition, answered once it is durable.
//!
//! The batch stays in the read buffer; the tick checks it there and copies it once, into the arena.

use bytes::Bytes;
use duramen_protocol::native::frame::NO_ANSWER;
use duramen_protocol::native::{FrameHeader, Opcode};

use crate::shard::request::{Ask, At};

use super::connection::Connection;
use super::open::unknown_handle;
use super::session::CallKind;

/// The call of a batch whose answer nobody wants.
const NO_CALL: u32 = u32::MAX;

impl Connection {
    pub(super) fn append(&self, header: &FrameHeader, batch: Bytes) {
        let silent = header.flags & NO_ANSWER != 0;
        let at = self.session.borrow().handles.get(header.handle).map(At::Log);
        match at {
            Some(at) if silent => self.tell(NO_CALL, Ask::Append { at, batch, silent }),
            Some(at) => {
                let kind = CallKind::Append { frame_bytes: header.frame_len() };
                self.ask(header, Opcode::Append, kind, Ask::Append { at, batch, silent });
            }
            None if silent => {}
            None => self.fail(header, &unknown_handle(header.handle)),
        }
    }
}
