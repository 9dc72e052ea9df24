//! The native protocol, spoken to the real binary.

#[path = "../support/mod.rs"]
mod support;

mod appends;
mod basics;
mod offsets;
mod reading;
mod subscriptions;
