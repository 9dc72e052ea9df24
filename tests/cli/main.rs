//! The command line, as the real binary against a real server.

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod command;

mod consuming;
mod errors;
mod files;
mod groups;
mod interruptions;
mod round_trips;
mod topics;
