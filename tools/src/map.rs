//! Pieces of files, mapped into memory: the one place of this crate with `unsafe`.
//!
//! A mapping is a promise that the bytes stand still while a `&[u8]` looks at them, and touching a
//! page that can't be read is no error but a SIGBUS that ends the process. So:
//!
//! - **Invariant:** only *sealed* segments are mapped: files that have a successor and lie below
//!   their partition's recovery point. The server and Kafka alike never write to such a file nor
//!   cut it, they only unlink it, which leaves a mapping as it is. Everything else is read.
//! - A mapping covers a window, not the file, and all its pages are brought in before it is handed
//!   out. A sector that can't be read, or a file that is shorter than it was, shows here as an
//!   error, and the caller reads that window instead, which tells what is the matter.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap, MmapOptions};

/// A window of a sealed segment.
pub(crate) struct Map(Mmap);

impl Map {
    /// Maps `len` bytes of `file` from `start`.
    ///
    /// # Errors
    /// If the file ends before them, or they can't be mapped or brought in.
    pub(crate) fn new(file: &File, start: u64, len: usize) -> io::Result<Map> {
        if start + len as u64 > file.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the file is sealed (the module's invariant), so nobody changes the bytes or
        // takes them away while they are mapped; that they exist has just been checked.
        let map = unsafe { MmapOptions::new().offset(start).len(len).map(file)? };
        map.advise(Advice::PopulateRead)?;
        Ok(Map(map))
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
