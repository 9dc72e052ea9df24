//! The lock that keeps two processes off one data directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::DiskError;

/// A lock that is held until this is dropped, or the process ends however. The file stays, as
/// removing it would let two others lock different files of the same name.
#[derive(Debug)]
pub struct LockFile {
    _file: File,
}

/// Why a lock was not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it; which one, if that can be told.
    #[error("{} is held by {}: stop it first, or use another data directory",
        path.display(), holder(*pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or("another process".to_owned(), |pid| format!("process {pid}"))
}

/// Takes the lock file `path`, made when it is not there, and writes this process's number into
/// it. Does not wait. The folder must exist.
///
/// # Errors
/// [`LockError::InUse`] when another process has it.
pub fn lock_data_dir(path: &Path) -> Result<LockFile, LockError> {
    let failed = |e: io::Error| DiskError::new("lock", path, e);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(LockError::InUse { path: path.to_owned(), pid: read_pid(&mut file) });
        }
        Err(e) => return Err(failed(e.into()).into()),
    }
    let pid = format!("{}\n", std::process::id());
    let write = || file.set_len(0).and_then(|()| file.write_all_at(pid.as_bytes(), 0));
    // The number only serves the message: on a full disk the lock holds all the same.
    let _ = write();
    Ok(LockFile { _file: file })
}

/// The holder's number, unless it is just being written.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = lock_data_dir(&path).unwrap();
        let pid = std::process::id();
        match lock_data_dir(&path).unwrap_err() {
            LockError::InUse { pid: Some(holder), .. } => assert_eq!(holder, pid),
            other => panic!("{other}"),
        }
        let message = lock_data_dir(&path).unwrap_err().to_string();
        assert!(message.contains(&format!("lock is held by process {pid}: stop it")), "{message}");
        drop(first);
        lock_data_dir(&path).unwrap();
    }

    #[test]
    fn other_errors_are_not_taken_for_a_holder() {
        let error = lock_data_dir(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(matches!(error, LockError::Disk(_)), "{error}");
        assert!(error.to_string().starts_with("cannot lock /nowhere/at/all: No such"), "{error}");
    }
}
