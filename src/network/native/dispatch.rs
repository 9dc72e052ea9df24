//! From a frame to its handler.

use std::rc::Rc;

use bytes::Bytes;
use duramen_protocol::native::messages::Empty;
use duramen_protocol::native::request::{Request, RequestError};
use duramen_protocol::native::{ErrorAnswer, ErrorCode, FrameHeader, Opcode};

use super::Ending;
use super::connection::Connection;

impl Connection {
    /// Takes one request.
    ///
    /// # Errors
    /// When the connection has to end, because the request breaks the protocol.
    pub(super) fn dispatch(
        self: &Rc<Self>,
        header: &FrameHeader,
        body: Bytes,
    ) -> Result<(), Ending> {
        let request = match Request::decode(header, &body) {
            Ok(request) => request,
            Err(error @ RequestError::Unknown(_)) => {
                self.fail(header, &error.answer());
                return Ok(());
            }
            Err(error @ RequestError::Malformed { .. }) => {
                return Err(self.refuse(header, &error.answer()));
            }
        };
        match request {
            Request::Hello(_) => {
                let second = ErrorAnswer::new(ErrorCode::PROTOCOL_ERROR, "a second hello");
                return Err(self.refuse(header, &second));
            }
            Request::Append(_) => self.append(header, body.clone()),
            Request::Ping(ping) => self.settle(header, Opcode::Ping, &Ok(ping)),
            Request::Stats => self.stats(header),
            Request::CreateTopic(create) => self.create_topic(header, create),
            Request::DeleteTopic(delete) => self.delete_topic(header, delete),
            Request::ListTopics => self.list_topics(header),
            Request::DescribeTopic(describe) => self.describe_topic(header, &describe),
            Request::AlterTopic(alter) => self.alter_topic(header, alter),
            Request::Open(open) => self.open(header, &open),
            Request::CloseHandle => self.close_handle(header),
            Request::AllocateProducerId => self.allocate_producer_id(header),
            Request::Read(read) => self.read(header, &read),
            Request::Subscribe(subscribe) => self.subscribe(header, &subscribe),
            Request::Credit(credit) => self.credit(header, &credit),
            Request::Unsubscribe => self.unsubscribe(header),
            Request::FindOffset(find) => self.find_offset(header, &find),
            Request::CommitOffsets(commit) => self.commit_offsets(header, commit),
            Request::FetchOffsets(fetch) => self.fetch_offsets(header, fetch),
            Request::ListGroups => self.list_groups(header),
            Request::DescribeGroup(describe) => self.describe_group(header, describe),
            Request::DeleteGroup(delete) => self.delete_group(header, delete),
            Request::DeleteRecords(delete) => self.delete_records(header, &delete),
        }
        Ok(())
    }

    /// Answers with nothing but success.
    pub(super) fn done(&self, header: &FrameHeader, opcode: Opcode) {
        self.settle(header, opcode, &Ok(Empty {}));
    }
}
