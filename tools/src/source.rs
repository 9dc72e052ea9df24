//! Files, read through a window that moves with the reader.
//!
//! Nothing is ever opened for writing, no lock is taken, and no file is held in memory as a whole:
//! what is asked for lies in one window, a piece of heap or, for sealed segments, a [`Map`].
//!
//! Files may change while they are looked at. One that grows is read up to the length it had when
//! it was opened; one that is cut ends where it ends now.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::map::Map;

/// Bytes brought in at once by reading.
const READ_BYTES: usize = 1 << 20;
/// Bytes brought in at once by mapping.
const MAP_BYTES: usize = 16 << 20;

/// Whether a file may be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Sealed: nobody writes to it or cuts it any more.
    Map,
    /// It may still change.
    Read,
}

/// An open file and the window on it.
pub(crate) struct Source {
    file: File,
    len: u64,
    access: Access,
    start: u64,
    window: Window,
}

enum Window {
    Heap(Vec<u8>),
    Map(Map),
}

impl Window {
    fn bytes(&self) -> &[u8] {
        match self {
            Window::Heap(bytes) => bytes,
            Window::Map(map) => map.bytes(),
        }
    }
}

impl Source {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// As for opening any file; a folder is an error too.
    pub(crate) fn open(path: &Path, access: Access) -> io::Result<Source> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let len = metadata.len();
        Ok(Source { file, len, access, start: 0, window: Window::Heap(Vec::new()) })
    }

    /// Bytes in the file: when it was opened, or since, if it turned out to be shorter.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The whole file, for kinds that are small.
    ///
    /// # Errors
    /// If it can't be read, or has more than `most` bytes.
    pub(crate) fn read_whole(&mut self, most: usize) -> io::Result<&[u8]> {
        match usize::try_from(self.len) {
            Ok(len) if len <= most => self.read(0, len),
            _ => {
                let what =
                    format!("{} bytes, where files of its kind have at most {most}", self.len);
                Err(io::Error::new(io::ErrorKind::FileTooLarge, what))
            }
        }
    }

    /// The `wanted` bytes from `at` on; fewer only where the file ends.
    ///
    /// # Errors
    /// If they can't be read.
    pub(crate) fn read(&mut self, at: u64, wanted: usize) -> io::Result<&[u8]> {
        let left = self.len.saturating_sub(at);
        let wanted = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
        if wanted == 0 {
            return Ok(&[]);
        }
        let end = self.start + self.window.bytes().len() as u64;
        if at < self.start || at + wanted as u64 > end {
            self.load(at, wanted)?;
        }
        // `at` lies in the window or where it starts now, so the difference is small.
        let held = &self.window.bytes()[(at - self.start) as usize..];
        Ok(&held[..wanted.min(held.len())])
    }

    /// Where the zeroes that start at `from` end; `from` if there are none.
    ///
    /// # Errors
    /// If they can't be read.
    pub(crate) fn zeroes_until(&mut self, from: u64) -> io::Result<u64> {
        let mut at = from;
        loop {
            let bytes = self.read(at, READ_BYTES)?;
            match bytes.iter().position(|&byte| byte != 0) {
                Some(i) => return Ok(at + i as u64),
                None if bytes.is_empty() => return Ok(at),
                None => at += bytes.len() as u64,
            }
        }
    }

    /// Moves the window to `at`, so that it holds `wanted` bytes that are known to be there.
    fn load(&mut self, at: u64, wanted: usize) -> io::Result<()> {
        let left = usize::try_from(self.len - at).unwrap_or(usize::MAX);
        if self.access == Access::Map {
            let size = MAP_BYTES.max(wanted).min(left);
            // Where mapping does not work (an old kernel, a sector that is gone) reading does, or
            // says why not.
            if let Ok(map) = Map::new(&self.file, at, size) {
                (self.start, self.window) = (at, Window::Map(map));
                return Ok(());
            }
        }
        let mut bytes = match std::mem::replace(&mut self.window, Window::Heap(Vec::new())) {
            Window::Heap(bytes) => bytes,
            Window::Map(_) => Vec::new(),
        };
        bytes.resize(READ_BYTES.max(wanted).min(left), 0);
        let got = read_fully(&self.file, at, &mut bytes, wanted)?;
        if got < wanted {
            self.len = at + got as u64;
        }
        bytes.truncate(got);
        (self.start, self.window) = (at, Window::Heap(bytes));
        Ok(())
    }
}

/// Fills `bytes` from the file, as far as it goes. A failure behind the first `wanted` bytes, as of
/// a bad sector ahead, is left for when those bytes are asked for.
fn read_fully(file: &File, at: u64, bytes: &mut [u8], wanted: usize) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if got >= wanted => break,
            // A long read over a bad sector fails as a whole; a short one may stop before it.
            Err(_) if bytes.len() > wanted && got == 0 => {
                return read_fully(file, at, &mut bytes[..wanted], wanted);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn windows_move_both_ways() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes = pattern(MAP_BYTES + 3 * READ_BYTES);
        std::fs::write(&path, &bytes).unwrap();
        for access in [Access::Map, Access::Read] {
            let mut source = Source::open(&path, access).unwrap();
            for at in [0, 5, READ_BYTES - 1, MAP_BYTES - 7, 12, MAP_BYTES + 1, bytes.len() - 3] {
                for wanted in [0, 1, 100, READ_BYTES + 1] {
                    let end = bytes.len().min(at + wanted);
                    assert_eq!(source.read(at as u64, wanted).unwrap(), &bytes[at..end]);
                }
            }
            assert_eq!(source.read(bytes.len() as u64, 10).unwrap(), b"");
            assert_eq!(source.read(u64::MAX - 10, 10).unwrap(), b"");
        }
    }

    #[test]
    fn a_file_that_is_cut_ends_earlier() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, pattern(3 * READ_BYTES)).unwrap();
        let mut source = Source::open(&path, Access::Read).unwrap();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
        assert_eq!(source.read(4, 100).unwrap(), &pattern(10)[4..]);
        assert_eq!(source.len(), 10);
    }

    #[test]
    fn a_file_that_grows_keeps_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, pattern(10)).unwrap();
        let mut source = Source::open(&path, Access::Read).unwrap();
        std::fs::write(&path, pattern(20)).unwrap();
        assert_eq!(source.read(4, 100).unwrap(), &pattern(10)[4..]);
    }
}
