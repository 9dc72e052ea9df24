//! Messages of the Kafka protocol.

mod any;
mod debug_text;
mod frames;
mod golden;
mod messages;
mod mutations;
mod peer;
