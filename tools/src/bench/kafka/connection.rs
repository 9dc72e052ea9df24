//! A connection to a broker that asks and waits.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::{ApiVersionsRequest, ApiVersionsResponse};
use duramen_protocol::kafka::{ApiKey, Frames, Message, Request, ResponseHeader};
use duramen_protocol::wire::Reader;

use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::wire::{FRAME_BYTES_MAX, PATIENCE, broken};

/// How the load calls itself.
pub(super) const CLIENT_ID: &str = "duramen-bench";
/// Every broker knows it, and it says all that is asked here: so nothing has to be tried.
const API_VERSIONS_VERSION: i16 = 0;

/// A connection to one broker.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    versions: Versions,
    correlation: i32,
    frames: Frames,
    /// The last answer, without its length.
    answer: Vec<u8>,
}

/// The versions that a broker has: API, lowest, highest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(Vec<(i16, i16, i16)>);

impl Versions {
    fn of(answer: &ApiVersionsResponse<'_>) -> Versions {
        let keys = answer.api_keys.iter();
        Versions(keys.map(|key| (key.api_key, key.min_version, key.max_version)).collect())
    }

    /// The highest version that both sides know.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn common(&self, api: ApiKey) -> Result<i16> {
        let row = self.0.iter().find(|(number, ..)| *number == api.number());
        let Some(&(_, lowest, highest)) = row else {
            return Err(BenchError::Connection(format!("the broker has no {}", api.name())));
        };
        let ours = api.versions();
        let version = highest.min(*ours.end());
        if version < lowest.max(*ours.start()) {
            let what = format!(
                "the broker has {} in versions {lowest} to {highest}, and this program in {} to {}",
                api.name(),
                ours.start(),
                ours.end()
            );
            return Err(BenchError::Connection(what));
        }
        Ok(version)
    }
}

impl Connection {
    /// Connects, and learns the broker's versions.
    ///
    /// # Errors
    /// When there is nobody, or he does not speak the protocol.
    pub(crate) fn connect(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).tried(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true).tried(|| "cannot send at once".into())?;
        stream.set_read_timeout(Some(PATIENCE)).tried(|| "cannot bound a wait".into())?;
        let mut connection = Connection {
            stream,
            versions: Versions::default(),
            correlation: 0,
            frames: Frames::default(),
            answer: Vec::new(),
        };
        let asked = &ApiVersionsRequest::default();
        let answer = connection.call_in(API_VERSIONS_VERSION, asked)?;
        expect_ok(answer.error_code, || "ApiVersions".into())?;
        let versions = Versions::of(&answer);
        connection.versions = versions;
        Ok(connection)
    }

    /// What the broker speaks.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The socket, once the connection stands as wanted. Nothing is asked that is not answered.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Asks in the highest version that both know, and takes the answer.
    ///
    /// # Errors
    /// When the broker is gone, or the answer can't be read.
    pub(crate) fn call<'q, R: Request<'q>>(&mut self, request: &R) -> Result<R::Response<'_>> {
        let version = self.versions.common(R::API)?;
        self.call_in(version, request)
    }

    fn call_in<'q, R: Request<'q>>(
        &mut self,
        version: i16,
        request: &R,
    ) -> Result<R::Response<'_>> {
        self.correlation += 1;
        let correlation = self.correlation;
        self.frames.clear();
        self.frames.push_request(correlation, Some(CLIENT_ID), version, request)?;
        self.stream.write_all(self.frames.bytes()).map_err(broken)?;
        self.receive()?;
        let mut from = Reader::new(&self.answer);
        let header = ResponseHeader::decode(&mut from, R::API, version)?;
        if header.correlation_id != correlation {
            return Err(BenchError::Connection(format!("an answer nobody asked for: {header:?}")));
        }
        Ok(R::Response::decode(&mut from, version)?)
    }

    fn receive(&mut self) -> Result<()> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(broken)?;
        let length = frame_len(length, FRAME_BYTES_MAX as usize)?;
        self.answer.resize(length, 0);
        self.stream.read_exact(&mut self.answer).map_err(broken)
    }
}

/// The length that a frame begins with.
///
/// # Errors
/// When a frame can't be so long.
pub(super) fn frame_len(bytes: [u8; 4], max: usize) -> Result<usize> {
    let length = i32::from_be_bytes(bytes);
    usize::try_from(length)
        .ok()
        .filter(|length| (4..=max).contains(length))
        .ok_or_else(|| BenchError::Connection(format!("the broker sent a frame of {length} bytes")))
}

/// `Ok` if the broker said so; else an error that names what was asked.
///
/// # Errors
/// With the broker's code.
pub(super) fn expect_ok(code: ErrorCode, what: impl FnOnce() -> String) -> Result<()> {
    match code.is_ok() {
        true => Ok(()),
        false => Err(BenchError::Broker { what: what(), code, said: String::new() }),
    }
}
