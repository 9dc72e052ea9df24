//! The blocking system calls that go by path: names, folders, and small files as a whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{self, OFlags};

use super::{DiskError, Name};

/// Puts `data` at byte `at` of a file, cuts the file behind it, and syncs it unless `no_sync`.
pub(super) fn store(path: &Path, at: u64, data: &[u8], no_sync: bool) -> Result<(), DiskError> {
    let store = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        file.write_all_at(data, at)?;
        file.set_len(at + data.len() as u64)?;
        if no_sync { Ok(()) } else { file.sync_all() }
    };
    store().map_err(|e| DiskError::new("store", path, e))
}

/// Reads a file from byte `at` to its end, `max_len` bytes at most.
pub(super) fn load(path: &Path, at: u64, max_len: u64) -> Result<Vec<u8>, DiskError> {
    let load = || -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len().saturating_sub(at).min(max_len);
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    };
    load().map_err(|e| DiskError::new("load", path, e))
}

/// Makes the names in folder `path` durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), DiskError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, fs::Mode::empty())
        .and_then(fs::fsync)
        .map_err(|e| DiskError::new("sync folder", path, e))
}

/// Renames a file or a folder, replacing a file of that name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), DiskError> {
    std::fs::rename(from, to).map_err(|e| {
        let mut error = DiskError::new("rename", from, e);
        error.path = format!("{} to {}", from.display(), to.display());
        error
    })
}

pub(super) fn unlink(path: &Path) -> Result<(), DiskError> {
    std::fs::remove_file(path).map_err(|e| DiskError::new("remove", path, e))
}

/// Makes a folder, unless it is there.
pub(super) fn make_dir(path: &Path) -> Result<(), DiskError> {
    match std::fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result.map_err(|e| DiskError::new("make folder", path, e)),
    }
}

/// Removes a folder and everything in it.
pub(super) fn remove_dir(path: &Path) -> Result<(), DiskError> {
    std::fs::remove_dir_all(path).map_err(|e| DiskError::new("remove folder", path, e))
}

/// Lists a folder, sorted by name. Links are followed, as a partition may live elsewhere.
/// A name that is not UTF-8 is none of ours; it is listed with the bad bytes replaced.
pub(super) fn list(path: &Path) -> Result<Vec<Name>, DiskError> {
    let list = || -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let metadata = match std::fs::metadata(entry.path()) {
                // Removed since it was listed, or a link that leads nowhere.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                result => result?,
            };
            let is_dir = metadata.is_dir();
            let len = if is_dir { 0 } else { metadata.len() };
            names.push(Name { name: entry.file_name().to_string_lossy().into(), is_dir, len });
        }
        names.sort_unstable();
        Ok(names)
    };
    list().map_err(|e| DiskError::new("list folder", path, e))
}
