//! Files past the page cache, and the aligned memory that they ask for.

use std::fs::{File, OpenOptions};
use std::ops::Deref;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, OFlags, fallocate};

use super::error::{Result, Tried};

/// Alignment that direct I/O wants on any device of today.
const ALIGNMENT: usize = 4096;

/// Bytes that start at a multiple of [`ALIGNMENT`].
pub(crate) struct Aligned {
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` bytes, all of them `byte`.
    pub(crate) fn filled(byte: u8, len: usize) -> Aligned {
        let memory = vec![byte; len + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        assert!(start <= ALIGNMENT, "an offset of {start} to an alignment of {ALIGNMENT}");
        Aligned { memory, start, len }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }
}

/// Opens a file for writes that are durable when they return, past the page cache.
///
/// # Errors
/// When the file system refuses direct I/O.
pub(crate) fn open(path: &Path) -> Result<File> {
    let flags = OFlags::DIRECT | OFlags::DSYNC;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).custom_flags(flags.bits() as i32);
    options.open(path).tried(|| format!("cannot open {} for direct writes", path.display()))
}

/// Writes zeroes over the first `bytes`, a MiB at a time.
///
/// # Errors
/// When the disk does not take them.
pub(crate) fn fill_with_zeroes(file: &File, bytes: u64) -> Result<()> {
    const STEP: u64 = 1 << 20;
    let zeroes = Aligned::filled(0, STEP as usize);
    for position in (0..bytes).step_by(STEP as usize) {
        let written = file.write_all_at(&zeroes, position);
        written.tried(|| format!("cannot write at {position}"))?;
    }
    Ok(())
}

/// Reserves the first `bytes` without writing them.
///
/// # Errors
/// When there is no room.
pub(crate) fn reserve(file: &File, bytes: u64) -> Result<()> {
    fallocate(file, FallocateFlags::empty(), 0, bytes).tried(|| format!("cannot reserve {bytes}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_a_direct_write_takes_it() {
        let block = Aligned::filled(7, 8192);
        assert_eq!((block.as_ptr().align_offset(ALIGNMENT), block.len()), (0, 8192));
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = folder.path().join("direct");
        let Ok(file) = open(&path) else { return eprintln!("no direct I/O here: left out") };
        reserve(&file, 1 << 20).unwrap();
        fill_with_zeroes(&file, 1 << 20).unwrap();
        file.write_all_at(&block, 4096).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 1 << 20);
        assert_eq!((bytes[4095], bytes[4096], bytes[12287], bytes[12288]), (0, 7, 7, 0));
    }
}
