//! What the shard released, to frames in the outbox.

use duramen_protocol::native::frame::{self, DUPLICATE, FrameHeader};
use duramen_protocol::native::messages::{
    AppendAnswer, DeleteRecordsAnswer, DurableBatch, Empty, FindOffsetAnswer, OpenAnswer, PushHead,
    ReadHead, SubscribeAnswer,
};
use duramen_protocol::native::{ErrorAnswer, ErrorCode, HEADER_LEN, Message, Opcode};

use crate::io::Descriptors;
use crate::limits;
use crate::network::client::Client;
use crate::network::outbox::Receipt;
use crate::network::socket::Socket;
use crate::shard::error::AskError;
use crate::shard::pinned_bytes;
use crate::shard::request::{Answer, Opened, Records, Released};

use super::connection::Connection;
use super::errors::{of_shard, wire_offset};
use super::session::{Call, CallKind};

/// What stands for "no such record", "no timestamp", and a batch that is not known.
const NONE: i64 = -1;

impl Client for Connection {
    fn deliver(&self, released: Released, files: &dyn Descriptors) {
        match released {
            Released::Answer { ticket, result } => {
                let call = self.session.borrow_mut().end(ticket.call);
                if let Some(call) = call {
                    match result {
                        Ok(answer) => self.succeed(&call, answer, files),
                        Err(error) => self.fail_call(&call, &error),
                    }
                }
            }
            Released::Push { subscription, records, .. } => self.push(subscription, records, files),
            Released::PushEnd { subscription, error, .. } => {
                self.session.borrow_mut().subscriptions -= 1;
                let error = of_shard(&error);
                self.socket.outbox(|outbox| {
                    outbox.frame(|out| frame::put_push_end(out, subscription, &error));
                });
            }
        }
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Connection {
    fn succeed(&self, call: &Call, answer: Answer, files: &dyn Descriptors) {
        match answer {
            Answer::Appended { base_offset, log_append_time_ms, duplicate, .. } => {
                let answer = AppendAnswer {
                    base_offset: wire_offset(base_offset),
                    log_append_time_ms: log_append_time_ms.unwrap_or(NONE),
                };
                self.put_answer(call, if duplicate { DUPLICATE } else { 0 }, &answer);
            }
            Answer::Records(records) => self.put_records(call, records, files),
            Answer::Opened(opened) => self.opened(call, &opened),
            Answer::Subscribed { log_start, durable } => {
                let CallKind::Subscribe { subscription } = call.kind else { return };
                let (log_start, durable_end) = (wire_offset(log_start), wire_offset(durable));
                self.put_answer(call, 0, &SubscribeAnswer { subscription, log_start, durable_end });
            }
            Answer::Unsubscribed => {
                self.session.borrow_mut().subscriptions -= 1;
                self.put_answer(call, 0, &Empty {});
            }
            Answer::Found(found) => {
                let (offset, timestamp_ms) =
                    found.map_or((NONE, NONE), |(offset, ms)| (wire_offset(offset), ms));
                self.put_answer(call, 0, &FindOffsetAnswer { offset, timestamp_ms });
            }
            Answer::Deleted { log_start } => {
                let log_start = wire_offset(log_start);
                self.put_answer(call, 0, &DeleteRecordsAnswer { log_start });
            }
            // Only tasks ask for these, and not in a connection's name.
            Answer::Status(_)
            | Answer::Snapshot(_)
            | Answer::Committed
            | Answer::Positions(_)
            | Answer::Group(_)
            | Answer::Many(_)
            | Answer::EpochEnd(_) => {}
        }
    }

    fn fail_call(&self, call: &Call, error: &AskError) {
        if let CallKind::Subscribe { .. } = call.kind {
            self.session.borrow_mut().subscriptions -= 1;
        }
        if let AskError::Io(error) = error {
            eprintln!("duramen: core {}: {error}", self.local.core);
        }
        self.put_error(call, &of_shard(error));
    }

    fn opened(&self, call: &Call, opened: &Opened) {
        let CallKind::Open { topic_id, partitions } = call.kind else { return };
        let handle = self.session.borrow_mut().handles.open(opened.log);
        let Some(handle) = handle else {
            let message = format!("a connection has {} handles at most", limits::HANDLES);
            return self.put_error(call, &ErrorAnswer::new(ErrorCode::OVERLOADED, message));
        };
        let durable = opened.producer.iter().map(|batch| DurableBatch {
            last_sequence: batch.last_sequence,
            last_offset: wire_offset(batch.last_offset),
        });
        let answer = OpenAnswer {
            handle,
            core: self.local.core,
            topic_id,
            partitions,
            log_start: wire_offset(opened.status.log_start),
            durable_end: wire_offset(opened.status.durable),
            max_message_bytes: opened.config.max_message_bytes,
            durable: durable.collect(),
        };
        self.put_answer(call, 0, &answer);
    }

    fn put_answer(&self, call: &Call, flags: u16, answer: &impl Message) {
        let &Call { opcode, correlation, handle, .. } = call;
        let header = FrameHeader { flags, ..FrameHeader::answer(opcode, correlation, handle, 0) };
        self.socket.outbox(|outbox| outbox.frame(|out| frame::put(out, header, answer)));
    }

    fn put_error(&self, call: &Call, error: &ErrorAnswer) {
        let &Call { opcode, correlation, handle, .. } = call;
        let opcode = opcode.request();
        self.socket.outbox(|outbox| {
            outbox.frame(|out| frame::put_error(out, opcode, correlation, handle, error));
        });
    }

    /// Answers a read: the head, then the records where they lie.
    fn put_records(&self, call: &Call, records: Records, files: &dyn Descriptors) {
        let &Call { correlation, handle, .. } = call;
        let body_len = (ReadHead::LEN + records.bytes) as u32;
        let header = FrameHeader::answer(Opcode::Read, correlation, handle, body_len);
        let head = ReadHead {
            log_start: wire_offset(records.log_start),
            durable_end: wire_offset(records.durable),
        };
        if let Err(error) = self.put_with_records(header, &head, records, files) {
            self.fail_call(call, &error);
        }
    }

    /// Pushes records; a subscription whose file is gone ends.
    fn push(&self, subscription: u32, records: Records, files: &dyn Descriptors) {
        let header = FrameHeader::push(subscription, (PushHead::LEN + records.bytes) as u32);
        let head = PushHead {
            offset: records.first_offset.map_or(NONE, wire_offset),
            durable_end: wire_offset(records.durable),
        };
        if let Err(error) = self.put_with_records(header, &head, records, files) {
            eprintln!("duramen: core {}: subscription {subscription}: {error}", self.local.core);
            self.socket.abort();
        }
    }

    fn put_with_records(
        &self,
        header: FrameHeader,
        head: &impl Message,
        records: Records,
        files: &dyn Descriptors,
    ) -> Result<(), AskError> {
        let pinned = pinned_bytes(&records.pieces);
        let receipt = Receipt { bytes: records.bytes, pinned };
        let put = |out: &mut bytes::BytesMut| {
            out.extend_from_slice(&header.encode());
            head.encode(out);
        };
        let result =
            self.socket.outbox(|outbox| outbox.records(records.pieces, receipt, files, put));
        result.map_err(|_| {
            // Nothing of it will leave, so it counts as sent.
            self.local.sent(self.id, receipt);
            AskError::Overloaded("a segment was closed meanwhile: read again")
        })
    }
}

const _: () = assert!(ReadHead::LEN == PushHead::LEN && HEADER_LEN == 16);
