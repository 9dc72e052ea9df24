//! The native protocol, spoken to the real binary.

#[path = "../support/mod.rs"]
mod support;

mod basics;
