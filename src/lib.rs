//! Duramen: a durable event log for one Linux machine.

pub mod broker;
pub mod cli;
pub mod config;
pub mod io;
pub mod limits;
pub mod network;
pub mod observe;
pub mod server;
pub mod shard;
pub mod storage;
