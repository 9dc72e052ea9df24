//! Duramen: a durable event log for one Linux machine.

pub mod broker;
pub mod config;
pub mod io;
pub mod limits;
pub mod storage;
