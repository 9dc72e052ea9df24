//! A connection that appends and waits: what a lone append takes is measured with it, and topics
//! are filled with it.

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;

use bytes::Bytes;

use super::dialect::{Acknowledged, Dialect, Frame, Opening};
use super::native::Native;
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::kafka::produce::Kafka;
use crate::bench::target::Protocol;
use crate::bench::wire::{PATIENCE, broken};

/// Answers are read through a buffer of this size.
const BUFFER_BYTES: usize = 64 << 10;

/// Appends by either protocol.
#[derive(Debug)]
pub(crate) enum Appender {
    Native(Connection<Native>),
    Kafka(Connection<Kafka>),
}

impl Appender {
    /// Connects to some partitions.
    ///
    /// # Errors
    /// When nobody is there, or refuses.
    pub(crate) fn open(protocol: Protocol, opening: &Opening<'_>) -> Result<Appender> {
        match protocol {
            Protocol::Native => Connection::open(opening).map(Appender::Native),
            Protocol::Kafka { .. } => Connection::open(opening).map(Appender::Kafka),
        }
    }

    /// The bytes that append a batch to the `index`th partition, for [`Appender::send`].
    ///
    /// # Errors
    /// When the protocol has no such frame.
    pub(crate) fn frame(&mut self, index: usize, batch: &Bytes) -> Result<Vec<u8>> {
        match self {
            Appender::Native(connection) => connection.frame(index, batch),
            Appender::Kafka(connection) => connection.frame(index, batch),
        }
    }

    /// Sends a frame that was made before, by one system call, and does not wait for its answer.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<()> {
        match self {
            Appender::Native(connection) => connection.stream.write_all(frame).map_err(broken),
            Appender::Kafka(connection) => connection.stream.write_all(frame).map_err(broken),
        }
    }

    /// Appends a batch to the `index`th partition, and does not wait for the answer.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn append(&mut self, index: usize, batch: &Bytes) -> Result<()> {
        match self {
            Appender::Native(connection) => connection.append(index, batch),
            Appender::Kafka(connection) => connection.append(index, batch),
        }
    }

    /// Waits until the next append is acknowledged, and gives its first record's offset.
    ///
    /// # Errors
    /// When it was refused, or the server is gone or silent for [`PATIENCE`].
    pub(crate) fn acknowledged(&mut self) -> Result<i64> {
        match self {
            Appender::Native(connection) => connection.acknowledged(),
            Appender::Kafka(connection) => connection.acknowledged(),
        }
    }
}

/// Appends by one protocol.
#[derive(Debug)]
pub(crate) struct Connection<D> {
    stream: TcpStream,
    dialect: D,
    buffer: Box<[u8]>,
    /// Offsets that were given and not asked for yet.
    given: VecDeque<i64>,
}

impl<D: Dialect> Connection<D> {
    fn open(opening: &Opening<'_>) -> Result<Connection<D>> {
        let (stream, dialect) = D::open(opening)?;
        stream.set_read_timeout(Some(PATIENCE)).tried(|| "cannot bound a wait".into())?;
        let buffer = vec![0; BUFFER_BYTES].into();
        Ok(Connection { stream, dialect, buffer, given: VecDeque::new() })
    }

    fn frame(&mut self, index: usize, batch: &Bytes) -> Result<Vec<u8>> {
        Ok(self.dialect.frame(Some(0), index, batch)?.parts().concat())
    }

    fn append(&mut self, index: usize, batch: &Bytes) -> Result<()> {
        let frame = self.dialect.frame(Some(0), index, batch)?;
        write_frame(&mut self.stream, &frame).map_err(broken)
    }

    fn acknowledged(&mut self) -> Result<i64> {
        let Connection { stream, dialect, buffer, given } = self;
        loop {
            if let Some(offset) = given.pop_front() {
                return Ok(offset);
            }
            let read = stream.read(buffer).map_err(broken)?;
            if read == 0 {
                return Err(BenchError::Connection("the server closed the connection".into()));
            }
            dialect.feed(&buffer[..read], &mut |Acknowledged { base_offset, .. }| {
                given.push_back(base_offset);
                Ok(())
            })?;
        }
    }
}

/// Writes a frame, by one system call where the socket takes it.
fn write_frame<H: AsRef<[u8]>>(stream: &mut TcpStream, frame: &Frame<H>) -> std::io::Result<()> {
    let parts = frame.parts();
    let mut slices = parts.map(IoSlice::new);
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match stream.write_vectored(left) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
