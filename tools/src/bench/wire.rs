//! A native connection that asks and waits: every command sets its topics up with it.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use duramen_protocol::native::messages::{
    Config, CreateTopic, DeleteTopic, DescribeTopic, DescribeTopicAnswer, Hello, HelloAnswer,
    MetricValue, Open, Stats,
};
use duramen_protocol::native::{
    ANY_CORE, Call, ErrorAnswer, FrameHeader, HEADER_LEN, Message, Opcode, frame,
};

use super::error::{BenchError, Result, Tried};

/// Longer than any answer takes: who waits so long waits for nothing.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// A frame longer than this is no frame.
pub(crate) const FRAME_BYTES_MAX: u32 = 64 << 20;
/// Frames are read through a buffer of this size.
const BUFFER_BYTES: usize = 64 << 10;

/// A connection to one core.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Buffered, so that a small frame takes one system call.
    stream: BufReader<TcpStream>,
    correlation: u32,
    /// The core that answered the hello.
    pub(crate) core: u16,
    /// The body of the last frame.
    body: Vec<u8>,
}

impl Wire {
    /// Connects to any core.
    ///
    /// # Errors
    /// When there is nobody, or it does not speak the protocol.
    pub(crate) fn connect(address: SocketAddr) -> Result<Wire> {
        Wire::connect_to(address, ANY_CORE)
    }

    /// Connects to one core.
    ///
    /// # Errors
    /// As for [`Wire::connect`].
    pub(crate) fn connect_to(address: SocketAddr, core: u16) -> Result<Wire> {
        let stream = TcpStream::connect(address).tried(|| format!("cannot reach {address}"))?;
        let mut wire = Wire::raw(stream)?;
        let hello: HelloAnswer = wire.call(0, &Hello::new("duramen-bench", core))?;
        wire.core = hello.core;
        Ok(wire)
    }

    /// A connection to a peer that wants no hello.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn raw(stream: TcpStream) -> Result<Wire> {
        stream.set_nodelay(true).tried(|| "cannot send at once".into())?;
        stream.set_read_timeout(Some(PATIENCE)).tried(|| "cannot bound a wait".into())?;
        let stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        Ok(Wire { stream, correlation: 0, core: ANY_CORE, body: Vec::new() })
    }

    /// The socket, once the connection stands as wanted, and what was read from it already.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        let read = self.stream.buffer().to_vec();
        (self.stream.into_inner(), read)
    }

    /// Asks, and takes the answer, which comes next.
    ///
    /// # Errors
    /// When the server refuses, or is gone.
    pub(crate) fn call<C: Call>(&mut self, handle: u32, call: &C) -> Result<C::Answer> {
        self.correlation += 1;
        let correlation = self.correlation;
        self.send(&frame::request(correlation, handle, call))?;
        let header = self.next()?;
        if header.correlation != correlation {
            return Err(BenchError::Connection(format!("an answer nobody asked for: {header:?}")));
        }
        answer(&header, C::OPCODE, &self.body)
    }

    /// Sends bytes, all of them.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).map_err(broken)
    }

    /// The next frame's header; its body can be looked at until the next one.
    ///
    /// # Errors
    /// When the server is gone, or silent for [`PATIENCE`].
    pub(crate) fn next(&mut self) -> Result<FrameHeader> {
        let mut header = [0; HEADER_LEN];
        self.stream.read_exact(&mut header).map_err(broken)?;
        let header = decode_header(&header)?;
        self.body.resize(header.body_len as usize, 0);
        self.stream.read_exact(&mut self.body).map_err(broken)?;
        Ok(header)
    }

    /// Opens a partition that this core owns, and gives its handle.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn open(&mut self, topic: &str, partition: u32) -> Result<u32> {
        Ok(self.call(0, &Open::plain(topic, partition))?.handle)
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// When there is one of that name.
    pub(crate) fn create(
        &mut self,
        name: &str,
        partitions: u32,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        let config = |&(name, value): &(&str, &str)| Config {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let configs = configs.iter().map(config).collect();
        let name = name.to_owned();
        self.call(0, &CreateTopic { name, partitions, if_not_exists: false, configs })?;
        Ok(())
    }

    /// Removes a topic.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn delete(&mut self, name: &str) -> Result<()> {
        self.call(0, &DeleteTopic { name: name.to_owned() })?;
        Ok(())
    }

    /// How a topic is.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn describe(&mut self, name: &str) -> Result<DescribeTopicAnswer> {
        self.call(0, &DescribeTopic { name: name.to_owned() })
    }

    /// The server's counters by name, those of all cores added up.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn counters(&mut self) -> Result<BTreeMap<String, u64>> {
        let stats = self.call(0, &Stats {})?;
        let mut counters = BTreeMap::new();
        for metric in stats.metrics {
            if let MetricValue::Count(count) = metric.value {
                *counters.entry(metric.name).or_default() += count;
            }
        }
        Ok(counters)
    }
}

/// A header of 16 bytes that are there.
///
/// # Errors
/// When it can't be one.
pub(crate) fn decode_header(bytes: &[u8]) -> Result<FrameHeader> {
    match FrameHeader::decode(bytes, FRAME_BYTES_MAX) {
        Ok(Some(header)) => Ok(header),
        Ok(None) => Err(BenchError::Connection("a header of less than 16 bytes".into())),
        Err(error) => Err(BenchError::Connection(format!("the server sent {error}"))),
    }
}

/// The answer to a request of that opcode.
///
/// # Errors
/// When it is an error, or something else.
pub(crate) fn answer<A: Message>(header: &FrameHeader, opcode: Opcode, body: &[u8]) -> Result<A> {
    if header.opcode != opcode.answer() {
        return Err(unexpected(header, body));
    }
    Ok(A::decode(body)?)
}

/// What a frame says that was not waited for: most likely an error.
pub(crate) fn unexpected(header: &FrameHeader, body: &[u8]) -> BenchError {
    match header.error_code().map(|code| ErrorAnswer::decode(code, body)) {
        Some(Ok(error)) => BenchError::Refused(error),
        Some(Err(error)) => error.into(),
        None => BenchError::Connection(format!("a frame that nobody waited for: {header:?}")),
    }
}

/// A connection on which nothing more comes.
pub(crate) fn broken(error: std::io::Error) -> BenchError {
    let what = match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            format!("the server was silent for {} s", PATIENCE.as_secs())
        }
        std::io::ErrorKind::UnexpectedEof => "the server closed the connection".into(),
        _ => format!("the connection broke: {error}"),
    };
    BenchError::Connection(what)
}
