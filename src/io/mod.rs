//! The seam between the engine and the disk.
//!
//! Everything below `network` is a plain state machine: operations go in through
//! [`Disk::submit`], completions come out of [`Disk::poll`], and time is an argument
//! ([`Now`]). Three disks stand behind the seam:
//!
//! - `uring`: the ring of the core's own runtime, for production;
//! - `blocking`: a small pool of threads with `pwrite` and `pread`, where io_uring is refused;
//! - `fake`: a seeded file system in memory that tears, loses, reorders, errs, fills up and
//!   hands out crash images, for the simulation.
//!
//! What every disk promises:
//!
//! 1. Each submitted operation completes exactly once, in any order. Two operations that
//!    overlap must not be in flight at once, unless both are reads: the caller's duty.
//! 2. A write completes at its full length or with an error; short writes are continued below.
//! 3. A *durable* write or a sync that completed survives a power cut. Nothing else does for
//!    certain, and it may survive in parts of 512 bytes.
//! 4. A new, renamed or removed name survives a power cut once [`Op::SyncDir`] of its folder
//!    completed after it.
//! 5. Memory handed in stays alive and unchanged until the completion, whatever happens to
//!    the one who asked.
//!
//! This floor alone touches the disk, the clock and chance.

use std::path::PathBuf;
use std::sync::Arc;

pub mod blocking;
pub mod buffer;
mod choice;
mod clock;
mod errors;
pub mod fake;
mod file;
mod lock;
mod paths;
mod probe;
mod residency;
mod ring_descriptor;
mod system;
mod transfer;
pub mod uring;

pub use buffer::{Block, Slice};
pub use choice::{Chosen, Engine, IoChoice, Refusal, choose};
pub use clock::Now;
pub use lock::{LockError, LockFile, lock_data_dir};
pub use probe::{DirectIo, Probe, Setup, probe};
pub use system::{
    ignore_file_size_signal, pin_current_thread, raise_nofile_limit, random_bytes, random_u128,
    sendfile, volume_bytes,
};

/// Tells the owner of a disk that there are completions to poll for. Called from any thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Names an operation; the caller's choice, handed back with its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Names an open file; the caller's choice, unique among its open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For reading only. The file must exist.
    Read,
    /// For reading and buffered writes; made when it is not there.
    Buffered,
    /// For reading, and for writes past the page cache that are durable when they complete
    /// (`O_DIRECT|O_DSYNC`; where that is refused, `O_DSYNC` alone). Made when it is not there.
    /// Holds an exclusive `flock`: opening waits until writes of a killed predecessor landed.
    Durable,
}

/// One operation.
#[derive(Debug)]
pub enum Op {
    /// Opens `path` and names it `file`. Output: [`Output::Opened`].
    Open { file: FileId, path: PathBuf, mode: Mode },
    /// Forgets `file`. Descriptors that `network` still holds stay usable.
    Close { file: FileId },
    /// Writes `data`, one slice behind the other, at byte `at`. On a [`Mode::Durable`] file `at`
    /// and each slice's length are multiples of [`Disk::block_bytes`], each slice's address is
    /// one of [`buffer::ALIGNMENT`], and completion means stable storage. On a [`Mode::Buffered`] file it means the page cache.
    Write { file: FileId, at: u64, data: Vec<Slice> },
    /// Reads at byte `at` into the free room of `into` until it is full or the file ends.
    /// Output: [`Output::Read`].
    Read { file: FileId, at: u64, into: Block },
    /// Brings `len` bytes at byte `at` to the page cache, as far as the file goes, so that reading
    /// them does not wait for the device.
    ReadAhead { file: FileId, at: u64, len: u64 },
    /// Makes the file's data and size durable.
    Sync { file: FileId },
    /// Makes the names in folder `path` durable.
    SyncDir { path: PathBuf },
    /// Reserves `len` bytes at byte `at`; the file grows to hold them. Bytes that were not
    /// there read as zero. Fails with [`ErrorKind::Full`] when the space is not to be had.
    Allocate { file: FileId, at: u64, len: u64 },
    /// Sets the file's length and makes it durable.
    SetLen { file: FileId, len: u64 },
    /// Puts `data` at byte `at` of the small file `path`, made when it is not there, cuts the file
    /// behind it, and makes its data and size durable (its name needs [`Op::SyncDir`]). Not
    /// atomic: a power cut may leave any mixture of sectors. For indexes, snapshots, checkpoints.
    Store { path: PathBuf, at: u64, data: Vec<u8> },
    /// Reads the small file `path` from byte `at` on, `max_len` bytes at most.
    /// Output: [`Output::Bytes`].
    Load { path: PathBuf, at: u64, max_len: u64 },
    /// Renames a file or a folder, replacing a file of that name.
    Rename { from: PathBuf, to: PathBuf },
    /// Removes a file.
    Unlink { path: PathBuf },
    /// Makes a folder; no error when it is there. The parent must exist.
    MakeDir { path: PathBuf },
    /// Removes a folder and everything in it.
    RemoveDir { path: PathBuf },
    /// Lists a folder, sorted by name. Output: [`Output::Names`].
    List { path: PathBuf },
}

/// A completion.
#[derive(Debug)]
pub struct Done {
    pub token: Token,
    pub result: Result<Output, DiskError>,
}

/// What a completed operation gives.
#[derive(Debug)]
pub enum Output {
    /// Nothing but its success.
    Nothing,
    /// The file is open and has this many bytes.
    Opened { len: u64 },
    /// The block that was handed in, longer by what was read.
    Read(Block),
    /// What [`Op::Load`] read; shorter than asked where the file ends.
    Bytes(Vec<u8>),
    /// The names in a folder.
    Names(Vec<Name>),
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub name: String,
    pub is_dir: bool,
    /// Bytes; 0 for folders.
    pub len: u64,
}

/// What went wrong, in the classes that the engine tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No space left, or over quota: stop intake and try again later.
    Full,
    /// There is no such file or folder.
    NotFound,
    /// No permission, or a read-only file system.
    Denied,
    /// Out of file descriptors.
    TooManyFiles,
    /// Everything else. Of a write or a sync this latches the core.
    Failed,
}

/// A failed operation: which, on what, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {operation} {path}: {reason}")]
pub struct DiskError {
    pub kind: ErrorKind,
    /// The verb, as in "cannot write".
    pub operation: &'static str,
    pub path: String,
    pub reason: String,
}

/// A disk. See the module's essay for what it promises.
pub trait Disk {
    /// Takes an operation. It never fails here and never blocks; errors come out of `poll`.
    fn submit(&mut self, token: Token, op: Op);

    /// Appends the completions since the last call to `out`. Never blocks.
    fn poll(&mut self, out: &mut Vec<Done>);

    /// Sets what was submitted going, where that would otherwise wait until the thread sleeps.
    fn flush(&mut self) {}

    /// The unit of durable writes: a power of two, 4096 or more. Positions and lengths of
    /// durable writes are multiples of it.
    fn block_bytes(&self) -> usize;

    /// Whether bytes `at..at + len` of `file` are all in the page cache, so that reading them
    /// won't wait for the device. `false` when it can't be told.
    fn resident(&mut self, file: FileId, at: u64, len: u64) -> bool;
}

/// A disk whose completions can be waited for: what recovery runs on, before any core exists.
pub trait WaitDisk: Disk {
    /// Blocks until at least one operation has completed, and appends completions to `out`.
    /// Returns at once when nothing is in flight.
    fn wait(&mut self, out: &mut Vec<Done>);
}

/// A disk whose files have descriptors, for `sendfile`.
pub trait Descriptors {
    /// The buffered, readable descriptor of an open file.
    fn descriptor(&self, file: FileId) -> Option<Arc<std::os::fd::OwnedFd>>;
}
