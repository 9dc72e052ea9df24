//! Reading: asking for bytes, having them pushed, finding offsets, removing records.

use duramen_protocol::native::frame::FRAME_OVERHEAD_BYTES;
use duramen_protocol::native::messages::{Credit, DeleteRecords, FindOffset, Read, Subscribe};
use duramen_protocol::native::{ErrorAnswer, ErrorCode, FrameHeader, Opcode};

use crate::limits;
use crate::shard::request::{Ask, At};
use crate::storage::LogId;

use super::connection::Connection;
use super::errors::from_wire;
use super::open::unknown_handle;
use super::session::CallKind;

impl Connection {
    fn log(&self, header: &FrameHeader) -> Result<LogId, ErrorAnswer> {
        let log = self.session.borrow().handles.get(header.handle);
        log.ok_or_else(|| unknown_handle(header.handle))
    }

    /// Asks about the header's partition; what is wrong with the request is answered here.
    fn ask_log(
        &self,
        header: &FrameHeader,
        opcode: Opcode,
        ask: impl FnOnce(LogId) -> Result<Ask, ErrorAnswer>,
    ) {
        match self.log(header).and_then(ask) {
            Ok(ask) => self.ask(header, opcode, CallKind::Plain, ask),
            Err(error) => self.fail(header, &error),
        }
    }

    /// `READ`: at once if there is enough, else when there is or time is over.
    pub(super) fn read(&self, header: &FrameHeader, read: &Read) {
        let largest = self.local.facts.max_frame_bytes - FRAME_OVERHEAD_BYTES as u32;
        let &Read { offset, min_bytes, max_bytes, max_wait_ms } = read;
        self.ask_log(header, Opcode::Read, |log| {
            let (offset, max_bytes) = (from_wire(offset)?, max_bytes.clamp(1, largest));
            let max_wait_ms = max_wait_ms.min(limits::READ_WAIT_MS);
            Ok(Ask::Read { log, offset, min_bytes, max_bytes, max_wait_ms })
        });
    }

    /// `SUBSCRIBE`: pushes from an offset on.
    pub(super) fn subscribe(&self, header: &FrameHeader, subscribe: &Subscribe) {
        let asked = self.log(header).and_then(|log| Ok((log, from_wire(subscribe.offset)?)));
        let (log, offset) = match asked {
            Ok(asked) => asked,
            Err(error) => return self.fail(header, &error),
        };
        let Some(subscription) = self.name_subscription() else {
            let message =
                format!("a connection has {} subscriptions at most", limits::SUBSCRIPTIONS);
            return self.fail(header, &ErrorAnswer::new(ErrorCode::OVERLOADED, message));
        };
        let credit_bytes = subscribe.credit_bytes;
        let kind = CallKind::Subscribe { subscription };
        let ask = Ask::Subscribe { log, subscription, offset, credit_bytes };
        self.ask(header, Opcode::Subscribe, kind, ask);
    }

    /// A name that no subscription of the connection has; `None` when there are too many.
    fn name_subscription(&self) -> Option<u32> {
        let mut session = self.session.borrow_mut();
        if session.subscriptions >= limits::SUBSCRIPTIONS {
            return None;
        }
        session.subscriptions += 1;
        // After four thousand million it begins anew; a name in use is refused by the shard.
        session.subscriptions_named = session.subscriptions_named.checked_add(1).unwrap_or(1);
        Some(session.subscriptions_named)
    }

    /// `CREDIT`: has no answer, and is passed over when the subscription is over.
    pub(super) fn credit(&self, header: &FrameHeader, credit: &Credit) {
        self.tell(0, Ask::Credit { subscription: header.handle, bytes: credit.bytes });
    }

    /// `UNSUBSCRIBE`: after its answer nothing is pushed.
    pub(super) fn unsubscribe(&self, header: &FrameHeader) {
        let ask = Ask::Unsubscribe { subscription: header.handle };
        self.ask(header, Opcode::Unsubscribe, CallKind::Plain, ask);
    }

    /// `FIND_OFFSET`.
    pub(super) fn find_offset(&self, header: &FrameHeader, find: &FindOffset) {
        let query = find.query;
        self.ask_log(header, Opcode::FindOffset, |log| {
            Ok(Ask::FindOffset { at: At::Log(log), query })
        });
    }

    /// `DELETE_RECORDS`: below an offset, or everything durable.
    pub(super) fn delete_records(&self, header: &FrameHeader, delete: &DeleteRecords) {
        self.ask_log(header, Opcode::DeleteRecords, |log| {
            let before = match delete.before {
                -1 => None,
                before => Some(from_wire(before)?),
            };
            Ok(Ask::DeleteRecords { at: At::Log(log), before })
        });
    }
}
