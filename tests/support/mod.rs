//! What the tests of the whole server share: the real binary as a child process, and a client that
//! speaks single frames.

#![allow(dead_code, reason = "each test program uses what it needs")]

pub mod server;
pub mod wire;
