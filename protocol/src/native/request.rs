//! Any request, decoded, for the server's dispatch.
//!
//! The handle or the subscription a request is for stays in the frame's header. An append stays as
//! it came: its bytes are the batch.

use crate::wire::WireError;

use super::ErrorCode;
use super::error::ErrorAnswer;
use super::field::Message;
use super::frame::FrameHeader;
use super::messages::*;
use super::opcode::{ANSWER, ERROR, Opcode};

/// What a client asks.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The variants are the messages, and are documented there.
pub enum Request<'a> {
    Hello(Hello),
    Ping(Ping),
    Stats,
    CreateTopic(CreateTopic),
    DeleteTopic(DeleteTopic),
    ListTopics,
    DescribeTopic(DescribeTopic),
    AlterTopic(AlterTopic),
    Open(Open),
    CloseHandle,
    AllocateProducerId,
    /// The batch, not looked into.
    Append(&'a [u8]),
    Read(Read),
    Subscribe(Subscribe),
    Credit(Credit),
    Unsubscribe,
    FindOffset(FindOffset),
    DeleteRecords(DeleteRecords),
    CommitOffsets(CommitOffsets),
    FetchOffsets(FetchOffsets),
    ListGroups,
    DescribeGroup(DescribeGroup),
    DeleteGroup(DeleteGroup),
}

/// Why a frame is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// This version has no such request. The frame can be passed over.
    #[error("no request has opcode {0:#06x}; the client may speak a later version")]
    Unknown(u16),
    /// The body is not what the opcode says. The connection is closed.
    #[error("malformed {opcode:?} request: {error}")]
    Malformed {
        /// The request.
        opcode: Opcode,
        /// What is wrong with the body.
        error: WireError,
    },
}

impl RequestError {
    /// The answer to send.
    pub fn answer(&self) -> ErrorAnswer {
        let code = match self {
            RequestError::Unknown(_) => ErrorCode::NOT_SUPPORTED,
            RequestError::Malformed { .. } => ErrorCode::PROTOCOL_ERROR,
        };
        ErrorAnswer::new(code, self.to_string())
    }
}

impl<'a> Request<'a> {
    /// The request of a frame.
    ///
    /// # Errors
    /// When there is no such request, or the body is not one of it.
    pub fn decode(header: &FrameHeader, body: &'a [u8]) -> Result<Self, RequestError> {
        let unknown = RequestError::Unknown(header.opcode);
        if header.opcode & (ANSWER | ERROR) != 0 {
            return Err(unknown);
        }
        let opcode = Opcode::from_wire(header.opcode).ok_or(unknown)?;
        match Self::decode_body(opcode, body) {
            Ok(Some(request)) => Ok(request),
            Ok(None) => Err(unknown),
            Err(error) => Err(RequestError::Malformed { opcode, error }),
        }
    }

    fn decode_body(opcode: Opcode, body: &'a [u8]) -> Result<Option<Self>, WireError> {
        Ok(Some(match opcode {
            Opcode::Hello => Request::Hello(Hello::decode_any_version(body)?),
            Opcode::Ping => Request::Ping(Self::ping(body)?),
            Opcode::Stats => Stats::decode(body).map(|_| Request::Stats)?,
            Opcode::CreateTopic => Request::CreateTopic(Message::decode(body)?),
            Opcode::DeleteTopic => Request::DeleteTopic(Message::decode(body)?),
            Opcode::ListTopics => ListTopics::decode(body).map(|_| Request::ListTopics)?,
            Opcode::DescribeTopic => Request::DescribeTopic(Message::decode(body)?),
            Opcode::AlterTopic => Request::AlterTopic(Message::decode(body)?),
            Opcode::Open => Request::Open(Message::decode(body)?),
            Opcode::CloseHandle => CloseHandle::decode(body).map(|_| Request::CloseHandle)?,
            Opcode::AllocateProducerId => {
                AllocateProducerId::decode(body).map(|_| Request::AllocateProducerId)?
            }
            Opcode::Append => Request::Append(body),
            Opcode::Read => Request::Read(Message::decode(body)?),
            Opcode::Subscribe => Request::Subscribe(Message::decode(body)?),
            Opcode::Credit => Request::Credit(Message::decode(body)?),
            Opcode::Unsubscribe => Unsubscribe::decode(body).map(|_| Request::Unsubscribe)?,
            Opcode::FindOffset => Request::FindOffset(Message::decode(body)?),
            Opcode::DeleteRecords => Request::DeleteRecords(Message::decode(body)?),
            Opcode::CommitOffsets => Request::CommitOffsets(Message::decode(body)?),
            Opcode::FetchOffsets => Request::FetchOffsets(Message::decode(body)?),
            Opcode::ListGroups => ListGroups::decode(body).map(|_| Request::ListGroups)?,
            Opcode::DescribeGroup => Request::DescribeGroup(Message::decode(body)?),
            Opcode::DeleteGroup => Request::DeleteGroup(Message::decode(body)?),
            Opcode::Push | Opcode::PushEnd => return Ok(None),
        }))
    }

    fn ping(body: &[u8]) -> Result<Ping, WireError> {
        let ping = Ping::decode(body)?;
        if ping.echo.len() > Ping::BYTES {
            return Err(WireError { at: 0, what: "a ping of more than 64 bytes" });
        }
        Ok(ping)
    }
}
