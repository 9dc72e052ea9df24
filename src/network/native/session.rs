//! What a connection has under way.

use duramen_protocol::TopicId;
use duramen_protocol::native::frame::{FrameHeader, NO_ANSWER};
use duramen_protocol::native::{HEADER_LEN, Opcode};

use crate::limits;
use crate::network::calls::Calls;

use super::handles::Handles;

/// A request that is not answered yet.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub opcode: Opcode,
    pub correlation: u32,
    pub handle: u32,
    pub kind: CallKind,
}

/// What its answer needs to know.
#[derive(Clone, Copy, Debug)]
pub enum CallKind {
    Plain,
    Append {
        frame_bytes: usize,
    },
    Open {
        topic_id: TopicId,
        partitions: u32,
    },
    Subscribe {
        subscription: u32,
    },
    /// Answered by a task, not by the shard.
    Task,
}

/// A connection's state, besides its socket.
#[derive(Default)]
pub struct Session {
    calls: Calls<Call>,
    pub handles: Handles,
    /// Bytes of append frames among the calls.
    append_bytes: usize,
    /// Tasks among the calls.
    tasks: usize,
    /// Subscriptions that were asked for and are not over.
    pub subscriptions: usize,
    pub subscriptions_named: u32,
}

impl Session {
    /// Keeps a call, and names it.
    pub fn begin(&mut self, header: &FrameHeader, opcode: Opcode, kind: CallKind) -> u32 {
        match kind {
            CallKind::Append { frame_bytes } => self.append_bytes += frame_bytes,
            CallKind::Task => self.tasks += 1,
            _ => {}
        }
        let &FrameHeader { correlation, handle, .. } = header;
        self.calls.insert(Call { opcode, correlation, handle, kind })
    }

    /// Takes a call out, as it is answered now.
    pub fn end(&mut self, call: u32) -> Option<Call> {
        let call = self.calls.take(call)?;
        match call.kind {
            CallKind::Append { frame_bytes } => self.append_bytes -= frame_bytes,
            CallKind::Task => self.tasks -= 1,
            _ => {}
        }
        Some(call)
    }

    /// Whether the bounds allow the request of this header now.
    pub fn has_room_for(&self, header: &FrameHeader) -> bool {
        if self.calls.len() >= limits::CALLS_IN_FLIGHT || self.tasks >= limits::TASKS_IN_FLIGHT {
            return false;
        }
        let append = header.kind() == Some(Opcode::Append) && header.flags & NO_ANSWER == 0;
        let credit = limits::APPEND_CREDIT_BYTES as usize;
        // One may be under way whatever its size.
        !append || self.append_bytes == 0 || self.append_bytes + header.frame_len() <= credit
    }
}

const _: () = assert!(limits::APPEND_CREDIT_BYTES as usize > HEADER_LEN);

#[cfg(test)]
mod tests {
    use super::*;

    fn append(body_len: u32, flags: u16) -> FrameHeader {
        FrameHeader::append(0, 1, flags, body_len)
    }

    #[test]
    fn appends_are_let_in_as_far_as_their_credit_goes() {
        let mut session = Session::default();
        let huge = append(limits::APPEND_CREDIT_BYTES * 2, 0);
        assert!(session.has_room_for(&huge), "one, whatever its size");
        let frame_bytes = huge.frame_len();
        let call = session.begin(&huge, Opcode::Append, CallKind::Append { frame_bytes });
        assert!(!session.has_room_for(&append(100, 0)));
        assert!(session.has_room_for(&append(100, NO_ANSWER)), "no answer, no credit");
        assert!(session.end(call).is_some() && session.end(call).is_none());
        assert!(session.has_room_for(&append(100, 0)));
    }

    #[test]
    fn calls_and_tasks_are_bounded() {
        let mut session = Session::default();
        let header = append(0, NO_ANSWER);
        for _ in 0..limits::TASKS_IN_FLIGHT {
            assert!(session.has_room_for(&header));
            session.begin(&header, Opcode::Stats, CallKind::Task);
        }
        assert!(!session.has_room_for(&header));
        session.end(0);
        for _ in session.calls.len()..limits::CALLS_IN_FLIGHT {
            assert!(session.has_room_for(&header));
            session.begin(&header, Opcode::Read, CallKind::Plain);
        }
        assert!(!session.has_room_for(&header));
    }
}
