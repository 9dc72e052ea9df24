//! The data directory: made if need be, and locked.

use std::fs;
use std::io;
use std::path::Path;

use crate::io::{LockFile, lock_data_dir};
use crate::storage::names::{Layout, OWN_FOLDER};

use super::error::ServerError;

/// What a fresh file system has in its root.
const LOST_AND_FOUND: &str = "lost+found";

/// Makes the data directory, if it is not there, and takes its lock. Nothing is made in a directory
/// that holds something else.
///
/// # Errors
/// When it can't be made, is in use, or is somebody else's.
pub fn lock(data: &Path) -> Result<(Layout, LockFile), ServerError> {
    let failed = |reason| ServerError::DataDirectory { path: data.to_owned(), reason };
    fs::create_dir_all(data).map_err(failed)?;
    let data = &data.canonicalize().map_err(failed)?;
    let layout = Layout::new(data);
    if !layout.own().is_dir() {
        if let Some(found) = stranger(data).map_err(failed)? {
            return Err(ServerError::NotOurs { path: data.to_owned(), found });
        }
        fs::create_dir_all(layout.own()).map_err(failed)?;
    }
    let lock = lock_data_dir(&layout.lock())?;
    Ok((layout, lock))
}

/// Takes the lock of a data directory that was served before.
///
/// # Errors
/// When there is none, or it is in use.
pub fn lock_existing(data: &Path) -> Result<(Layout, LockFile), ServerError> {
    match Layout::new(data).own().is_dir() {
        true => lock(data),
        false => Err(ServerError::NoData { path: data.to_owned() }),
    }
}

/// A name in a directory that is not ours yet, if there is one.
fn stranger(data: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(data)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != OWN_FOLDER && name != LOST_AND_FOUND {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_and_held_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/b");
        let first = lock(&data).unwrap();
        let second = lock(&data).unwrap_err();
        assert!(matches!(second, ServerError::InUse(_)), "{second}");
        drop(first);
        lock(&data).unwrap();
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
        let error = lock(dir.path()).unwrap_err().to_string();
        assert!(error.contains("\"thesis.txt\""), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
