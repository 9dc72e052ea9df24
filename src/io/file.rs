//! An open file, and the blocking system calls on it.
//!
//! A durable file has two descriptors: a *writer* that goes past the page cache and holds the
//! lock, and a buffered *reader* for reads and `sendfile`. Any other file has one for both.
//! The kernel is told not to read ahead: the engine asks for that itself ([`super::Op::ReadAhead`]).
//!
//! The lock is what makes a restart safe. The kernel can finish a write after the process that
//! asked for it was killed; the write pins its descriptor, and so the lock, until then.
//! Whoever opens the file next waits for that lock, and only then looks at the file.

use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{self, FallocateFlags, FileType, FlockOperation, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::buffer::ALIGNMENT;
use super::transfer::Writing;
use super::{Block, DiskError, Mode, Slice};

/// Bytes written at a time where a file system can't reserve space.
const ZEROES_BYTES: usize = 256 * 1024;
/// How far apart the pages are that a readahead waits for.
const READ_AHEAD_STEP: u64 = 64 * 1024;

/// How the files of a disk are opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    /// Unit of durable writes.
    pub block_bytes: usize,
    /// Whether to try `O_DIRECT`.
    pub direct: bool,
    /// Leave `O_DSYNC` out, and let syncs do nothing.
    pub no_sync: bool,
}

pub(super) struct OpenFile {
    pub path: PathBuf,
    /// Buffered and readable; shared with `network`.
    pub reader: Arc<OwnedFd>,
    writer: Option<Arc<OwnedFd>>,
    /// Multiples at which writes are continued; 1 for buffered files.
    unit: usize,
    no_sync: bool,
}

impl OpenFile {
    /// Opens `path` and gives its length too. Waits for the lock of a durable file.
    pub fn open(path: &Path, mode: Mode, how: Opening) -> Result<(OpenFile, u64), DiskError> {
        let open = || -> io::Result<(OpenFile, u64)> {
            let buffered = |flags| open_descriptor(path, flags).map(Arc::new);
            let (reader, writer) = match mode {
                Mode::Read => (buffered(OFlags::RDONLY)?, None),
                Mode::Buffered => {
                    let both = buffered(OFlags::RDWR | OFlags::CREATE)?;
                    (both.clone(), Some(both))
                }
                Mode::Durable => {
                    let writer = open_writer(path, how)?;
                    (buffered(OFlags::RDONLY)?, Some(Arc::new(writer)))
                }
            };
            // The engine says itself what it will read, and when the disk has time for it.
            fs::fadvise(&reader, 0, None, fs::Advice::Random)?;
            let stat = fs::fstat(&reader)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(io::Error::other("it is not a regular file"));
            }
            let unit = if mode == Mode::Durable { how.block_bytes } else { 1 };
            let path = path.to_owned();
            let len = u64::try_from(stat.st_size).unwrap_or(0);
            Ok((OpenFile { path, reader, writer, unit, no_sync: how.no_sync }, len))
        };
        open().map_err(|e| DiskError::new("open", path, e))
    }

    /// An error of `operation` on this file.
    pub fn error(&self, operation: &'static str, error: impl Into<io::Error>) -> DiskError {
        DiskError::new(operation, &self.path, error)
    }

    /// The descriptor to write through.
    pub fn writer(&self, operation: &'static str) -> Result<&OwnedFd, DiskError> {
        let read_only = || self.error(operation, io::Error::other("it was opened for reading"));
        self.writer.as_deref().ok_or_else(read_only)
    }

    /// Checks what direct I/O would refuse, and other disks would not notice.
    ///
    /// # Panics
    /// When a durable write is not made of whole aligned blocks.
    pub fn assert_aligned(&self, at: u64, data: &[Slice]) {
        let unit = self.unit;
        if unit == 1 {
            return;
        }
        let path = self.path.display();
        assert!(at.is_multiple_of(unit as u64), "{path}: write at {at}, the unit is {unit}");
        for slice in data {
            let (address, len) = (slice.as_ptr() as usize, slice.len());
            assert!(
                address.is_multiple_of(ALIGNMENT) && len.is_multiple_of(unit),
                "{path}: write of {len} bytes from address {address:#x}, the unit is {unit}"
            );
        }
    }

    /// Starts a write of `data` at byte `at`.
    pub fn writing(&self, at: u64, data: Vec<Slice>) -> Writing {
        Writing::new(at, data, self.unit)
    }

    /// Writes all of `data` at byte `at`.
    pub fn write(&self, at: u64, data: Vec<Slice>) -> Result<(), DiskError> {
        let writer = self.writer("write")?;
        let mut writing = self.writing(at, data);
        while !writing.is_done() {
            let rest: Vec<IoSlice<'_>> = writing.rest().map(IoSlice::new).collect();
            let n = retry_on_intr(|| rustix::io::pwritev(writer, &rest, writing.position()))
                .map_err(|e| self.error("write", e))?;
            writing.wrote(n).map_err(|e| self.error("write", e))?;
        }
        Ok(())
    }

    /// Reads at byte `at` until `into` is full or the file ends.
    pub fn read(&self, at: u64, mut into: Block) -> Result<Block, DiskError> {
        let mut position = at;
        while into.room() > 0 {
            let n = retry_on_intr(|| rustix::io::pread(&self.reader, into.spare(), position))
                .map_err(|e| self.error("read", e))?;
            if n == 0 {
                break;
            }
            into.advance(n);
            position += n as u64;
        }
        Ok(into)
    }

    /// Brings `len` bytes at byte `at` to the page cache, as far as the file goes.
    pub fn read_ahead(&self, at: u64, len: u64) -> Result<(), DiskError> {
        let end = at.saturating_add(len);
        fs::fadvise(&self.reader, at, NonZeroU64::new(len), fs::Advice::WillNeed)
            .map_err(|e| self.error("read ahead in", e))?;
        // That has set it going. A page that can be read has come.
        let mut position = at;
        while position < end {
            let last = end.min(position + READ_AHEAD_STEP) - 1;
            retry_on_intr(|| rustix::io::pread(&self.reader, &mut [0; 1][..], last))
                .map_err(|e| self.error("read", e))?;
            position = last + 1;
        }
        Ok(())
    }

    /// Makes data and size durable. An interrupted sync is an error like any other: the kernel
    /// may have dropped what it could not write, and a second sync would call that a success.
    pub fn sync(&self) -> Result<(), DiskError> {
        if self.no_sync {
            return Ok(());
        }
        let descriptor = self.sync_descriptor();
        fs::fdatasync(descriptor).map_err(|e| self.error("sync", e))
    }

    /// The descriptor to sync, or `None` when syncs are to do nothing.
    pub fn to_sync(&self) -> Option<&OwnedFd> {
        (!self.no_sync).then(|| self.sync_descriptor())
    }

    fn sync_descriptor(&self) -> &OwnedFd {
        self.writer.as_deref().unwrap_or(&self.reader)
    }

    /// Reserves `len` bytes at byte `at`.
    pub fn allocate(&self, at: u64, len: u64) -> Result<(), DiskError> {
        let writer = self.writer("allocate space in")?;
        if len == 0 {
            return Ok(());
        }
        match retry_on_intr(|| fs::fallocate(writer, FallocateFlags::empty(), at, len)) {
            Err(Errno::OPNOTSUPP) => self.write_zeroes(at, len),
            result => result.map_err(|e| self.error("allocate space in", e)),
        }
    }

    /// Reserves space where `fallocate` is unknown: writes zeroes behind the end of the file.
    pub fn write_zeroes(&self, at: u64, len: u64) -> Result<(), DiskError> {
        let stat = fs::fstat(&self.reader).map_err(|e| self.error("allocate space in", e))?;
        let end = u64::try_from(stat.st_size).unwrap_or(0);
        let until = at.saturating_add(len);
        let mut zeroes = Block::new(ZEROES_BYTES.max(self.unit));
        zeroes.append_zeroes(zeroes.room());
        // The block in which the file ends is only written where that can't touch its bytes.
        let mut position = end.next_multiple_of(self.unit as u64);
        while position < until {
            let whole = (until - position).next_multiple_of(self.unit as u64);
            let n = whole.min(zeroes.len() as u64);
            self.write(position, vec![zeroes.slice(0..n as usize)])?;
            position += n;
        }
        self.truncate(end.max(until))
    }

    /// Sets the length and makes it durable.
    pub fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.truncate(len)?;
        match self.to_sync() {
            // Not `fdatasync`, which need not make a smaller size durable.
            Some(descriptor) => fs::fsync(descriptor).map_err(|e| self.error("sync", e)),
            None => Ok(()),
        }
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        let writer = self.writer("set the length of")?;
        retry_on_intr(|| fs::ftruncate(writer, len)).map_err(|e| self.error("set the length of", e))
    }
}

fn open_descriptor(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mode = fs::Mode::from_raw_mode(0o644);
    Ok(retry_on_intr(|| fs::open(path, flags | OFlags::CLOEXEC, mode))?)
}

/// Opens the descriptor for durable writes and waits until nobody else holds its lock.
fn open_writer(path: &Path, how: Opening) -> io::Result<OwnedFd> {
    let mut flags = OFlags::RDWR | OFlags::CREATE;
    flags.set(OFlags::DSYNC, !how.no_sync);
    let direct = if how.direct { OFlags::DIRECT } else { OFlags::empty() };
    let writer = match open_descriptor(path, flags | direct) {
        Err(e) if how.direct && e.raw_os_error() == Some(libc::EINVAL) => {
            open_descriptor(path, flags)?
        }
        result => result?,
    };
    retry_on_intr(|| fs::flock(&writer, FlockOperation::LockExclusive))?;
    Ok(writer)
}
