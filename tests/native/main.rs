//! The native protocol, spoken to the real binary.

#[path = "../support/mod.rs"]
mod support;

mod appends;
mod backpressure;
mod basics;
mod duplicates;
mod full;
mod garbage;
mod offsets;
mod one_partition;
mod reading;
mod restarts;
mod start;
mod subscriptions;
