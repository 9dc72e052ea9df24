//! The native protocol, spoken to the real binary.

#[path = "../support/mod.rs"]
mod support;

mod appends;
mod backpressure;
mod basics;
mod full;
mod garbage;
mod offsets;
mod reading;
mod restarts;
mod start;
mod subscriptions;
