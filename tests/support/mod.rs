//! What the tests of the whole server share: the real binary as a child process, a client that
//! speaks single frames, and load that remembers what it was promised.

#![allow(dead_code, reason = "each test program uses what it needs")]

pub mod kafka_wire;
pub mod load;
pub mod records;
pub mod seccomp;
pub mod server;
pub mod small_disk;
pub mod watchdog;
pub mod wire;
