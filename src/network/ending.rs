//! Why a connection ends before its client ended it, whichever protocol it speaks.

/// Why not on.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    /// The client closed it, or it broke: nothing to say.
    #[error("the connection broke: {0}")]
    Gone(std::io::Error),
    /// The client broke the protocol. What it could be told was sent before.
    #[error("{0}")]
    Refused(String),
    /// The server stops.
    #[error("the server is shutting down")]
    Stopping,
}

impl From<std::io::Error> for Ending {
    fn from(error: std::io::Error) -> Ending {
        Ending::Gone(error)
    }
}
