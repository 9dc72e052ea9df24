//! The load over Kafka's protocol, against any broker from Kafka 2.0 on.
//!
//! ```text
//! connection   asks and waits: versions, topics, owners, ends      topics   what is asked
//! produce      frames of Produce, and their answers                frames   answers out of pieces
//! fetch        one Fetch under way, with all partitions of a node
//! ```
//! Each connection first asks which versions the broker has, and speaks the highest that both know.
//! Batches are sent as they lie in memory, behind a head that is made once a partition; those that
//! come are walked by their headers. One Fetch is under way at a time, as of Kafka's own clients.

pub(crate) mod connection;
pub(crate) mod fetch;
mod frames;
pub(crate) mod produce;
pub(crate) mod topics;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
