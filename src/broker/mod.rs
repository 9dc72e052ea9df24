//! What a server decides about topics, producer ids and consumers' offsets, without doing it.
//!
//! Everything here is pure: protocol types, ids and the time go in, decisions come out. A decision
//! is a new value (the next [`catalog::Catalog`]) or records to append to an internal partition
//! ([`offsets`]); the caller makes it durable first and lets it count only then. Ids that must be
//! random are made by the caller. The same calls in the same order give the same decisions.
//!
//! - [`catalog`]: which topics there are, how they are configured, and every change of them.
//! - [`placement`]: which core owns a partition, which internal partition a consumer's offsets.
//! - [`producer_ids`]: handing out the ids of a lease.
//! - [`offsets`]: the positions of named consumers.
//! - [`fetch_sessions`]: what consumers read, so that they need not say it again and again.
//! - [`groups`]: who is in a consumer group, and in which generation.

pub mod catalog;
pub mod fetch_sessions;
pub mod groups;
pub mod offsets;
pub mod placement;
pub mod producer_ids;

use duramen_protocol::codes::ErrorCode;

/// A request that is not granted; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Refusal {
    /// What the client's program goes by.
    pub code: ErrorCode,
    /// What is wrong and what to do, for people.
    pub message: String,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }
}
