//! Committed offsets: Kafka's bytes, and a table that is driven at random against a model.

mod kafka;
mod log;
mod model;
mod simulation;
mod table;
