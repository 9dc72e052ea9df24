//! Why a measurement gives no figure.

use std::io;
use std::path::PathBuf;

use duramen_protocol::client::ClientError;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::CodecError;
use duramen_protocol::native::ErrorAnswer;
use duramen_protocol::wire::WireError;

/// A measurement that can't be had, or must not be believed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The folder lies in memory.
    #[error(
        "{} is on tmpfs, which is memory: durable writes to it say nothing; name a folder on a \
         disk with --dir", .0.display()
    )]
    InMemory(PathBuf),
    /// Something of the system failed.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// The embedded server did not start, or ended in the middle.
    #[error("the server {what}{said}")]
    Server {
        /// What it did, with its exit status.
        what: String,
        /// What it last said on standard error, after a line break; empty if nothing.
        said: String,
    },
    /// The server answered with an error.
    #[error("the server answered: {0}")]
    Refused(#[from] ErrorAnswer),
    /// A Kafka broker answered with an error.
    #[error("{what} was answered with {code}{said}")]
    Broker {
        /// What was asked, and of which partition.
        what: String,
        /// Its code.
        code: ErrorCode,
        /// What it said, after a colon; empty if nothing.
        said: String,
    },
    /// The connection ended, or said what can't be.
    #[error("{0}")]
    Connection(String),
    /// The records do not add up.
    #[error("records are missing: {0}")]
    Missing(String),
    /// Rows of a table could not be measured.
    #[error("rows could not be measured:\n{0}")]
    Rows(String),
    /// The client gave up.
    #[error("the client failed: {0}")]
    Client(#[from] ClientError),
}

/// A figure, or why there is none.
pub type Result<T> = std::result::Result<T, BenchError>;

impl From<WireError> for BenchError {
    fn from(error: WireError) -> BenchError {
        BenchError::Connection(format!("an answer that can't be read: {error}"))
    }
}

impl From<CodecError> for BenchError {
    fn from(error: CodecError) -> BenchError {
        BenchError::Connection(error.to_string())
    }
}

/// Names what was tried when the system refuses.
pub(crate) trait Tried<T> {
    /// The value, or the error with `what` before it.
    fn tried(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Tried<T> for std::result::Result<T, E> {
    fn tried(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| BenchError::System { what: what(), error: error.into() })
    }
}
