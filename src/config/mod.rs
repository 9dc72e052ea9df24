//! What can be set, and how it is checked.
//!
//! One row a knob: name, default, check, help. Kafka's name where Kafka has one.

pub mod groups;
pub mod server;
pub mod topic;
pub mod topic_name;
