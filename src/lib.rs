//! Duramen: a durable event log for one Linux machine.

pub mod io;
