//! What the machine can do with nothing of ours in between: the limits that results stand beside.
//!
//! Each is taken where the server or the load would be: what the server would do runs on the
//! server's processors, what its clients would do on the load's.

pub(crate) mod disk;
pub(crate) mod echo;
pub(crate) mod memory;
pub(crate) mod stream;

use super::cpus::Cpus;
use super::error::Result;

/// Where each side runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides<'a> {
    pub(crate) server: &'a Cpus,
    pub(crate) load: &'a Cpus,
}

/// What a thread has come to. Its panic is this one's.
pub(crate) fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
