//! Why a server can't start, or could not go on.

use std::path::PathBuf;

use crate::broker::catalog::InvalidCatalog;
use crate::io::{DiskError, LockError, Refusal};
use crate::storage::recovery::RecoveryError;

/// Why not. Each says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory can't be made or looked at.
    #[error("the data directory {path}: {reason}")]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The data directory holds something else.
    #[error(
        "{path} is not a duramen data directory: there is {found:?} in it; name an empty or a new one with --data"
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// A name in it.
        found: String,
    },
    /// No server has ever run there.
    #[error("there is no duramen data directory at {path}; name another with --data")]
    NoData {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else uses the data directory.
    #[error("the data directory is in use: {0}")]
    InUse(LockError),
    /// The port is taken, or may not be had.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system says, and what to do.
        reason: String,
    },
    /// `--io uring`, and there is none.
    #[error(transparent)]
    Io(#[from] Refusal),
    /// The data can't be served.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The catalog can't be worked with.
    #[error(transparent)]
    Catalog(#[from] InvalidCatalog),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Something else of the operating system.
    #[error("cannot {what}: {reason}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        reason: std::io::Error,
    },
    /// A core did not come to its end.
    #[error("{0}")]
    Core(String),
}

impl From<LockError> for ServerError {
    fn from(error: LockError) -> ServerError {
        match error {
            LockError::Disk(error) => ServerError::Disk(error),
            in_use => ServerError::InUse(in_use),
        }
    }
}

impl ServerError {
    /// That `what` failed.
    pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> ServerError {
        move |reason| ServerError::System { what, reason }
    }
}
