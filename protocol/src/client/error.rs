//! What can go wrong, and what it means.

use std::time::Duration;

use crate::codes::{Class, ErrorCode};
use crate::native::ErrorAnswer;

/// Why the client could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no connection to the server.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// `HOST:PORT` as configured.
        server: String,
        /// In the operating system's words.
        reason: String,
    },
    /// The connection broke, or no answer came in time, after the request was sent.
    #[error("connection to {server} lost: {reason}")]
    Disconnected {
        /// `HOST:PORT` as configured.
        server: String,
        /// What happened.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{0}")]
    Server(#[from] ErrorAnswer),
    /// The server sent something that the protocol does not allow.
    #[error("{server} does not speak the protocol: {reason}")]
    Protocol {
        /// `HOST:PORT` as configured.
        server: String,
        /// What it sent.
        reason: String,
    },
    /// The address now leads to another data directory than before. Nothing is sent there: it would
    /// be appended to logs that know nothing of what came before.
    #[error("{server} now serves other data than when this client connected; connect anew")]
    OtherServer {
        /// `HOST:PORT` as configured.
        server: String,
    },
    /// The topic was deleted and made anew while it was read.
    #[error("topic {topic} was deleted and made anew; offsets of the old one mean nothing there")]
    TopicReplaced {
        /// The topic.
        topic: String,
    },
    /// What was asked for makes no sense, and was not sent.
    #[error("{0}")]
    Invalid(String),
    /// It was tried again and again until the time was up.
    #[error("gave up after {} s: {last}", .after.as_secs())]
    GaveUp {
        /// How long it was tried.
        after: Duration,
        /// Whether it may have been done all the same.
        perhaps_applied: bool,
        /// What went wrong the last time.
        last: Box<ClientError>,
    },
    /// A batch that may have been appended was given up, because one before it failed: sending it
    /// once more could append it twice.
    #[error("given up because a batch before it failed: {first}; it may have been appended")]
    BehindFailure {
        /// What happened to the batch before it.
        first: Box<ClientError>,
    },
    /// Records that can't be had: the consumer goes on behind them.
    #[error("{gap}")]
    Gap {
        /// Which ones.
        gap: super::Gap,
    },
    /// A batch whose records can't be taken apart: the consumer goes on behind it.
    #[error("records {first} to {last} of {topic}-{partition} can't be read: {reason}")]
    Unreadable {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The batch's first offset.
        first: i64,
        /// The batch's last offset.
        last: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// The producer was closed.
    #[error("the producer is closed")]
    Closed,
}

impl ClientError {
    /// What the error means for what was asked: whether it may have been done, and whether asking
    /// again may help.
    pub fn class(&self) -> Class {
        match self {
            ClientError::Unreachable { .. } => Class::Retriable,
            ClientError::Disconnected { .. } | ClientError::BehindFailure { .. } => {
                Class::PerhapsApplied
            }
            ClientError::Server(error) => error.code.class(),
            ClientError::GaveUp { perhaps_applied: true, .. } => Class::PerhapsApplied,
            _ => Class::Fatal,
        }
    }

    /// The server's error code, if it was the server that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Server(error) => Some(error.code),
            ClientError::GaveUp { last, .. } => last.code(),
            _ => None,
        }
    }

    /// Whether a new connection or handle is needed before asking again.
    pub(crate) fn needs_reopening(&self) -> bool {
        match self {
            ClientError::Unreachable { .. } | ClientError::Disconnected { .. } => true,
            ClientError::Server(error) => [
                ErrorCode::NOT_LEADER_OR_FOLLOWER,
                ErrorCode::STALE_HANDLE,
                ErrorCode::UNKNOWN_HANDLE,
                ErrorCode::SHUTTING_DOWN,
            ]
            .contains(&error.code),
            _ => false,
        }
    }
}
