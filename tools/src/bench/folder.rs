//! The folder that a benchmark works in: its own, on a real disk, gone when it ends.

use std::path::Path;

use rustix::fs::statfs;
use tempfile::TempDir;

use super::error::{BenchError, Result, Tried};
use super::litter;

/// What `statfs` calls a tmpfs.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// A folder of our own.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    /// A new one inside `parent`.
    ///
    /// # Errors
    /// When `parent` lies in memory, or takes no folder.
    pub(crate) fn new(parent: &Path) -> Result<Folder> {
        if is_tmpfs(parent)? {
            return Err(BenchError::InMemory(parent.to_owned()));
        }
        let made = tempfile::Builder::new().prefix("duramen-bench-").tempdir_in(parent);
        let folder = made.tried(|| format!("cannot make a folder in {}", parent.display()))?;
        litter::note_folder(folder.path());
        Ok(Folder(folder))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        litter::forget_folder(self.0.path());
    }
}

fn is_tmpfs(path: &Path) -> Result<bool> {
    let stat = statfs(path).tried(|| format!("cannot look at {}", path.display()))?;
    // The kernel's type of this field differs between architectures.
    #[allow(clippy::unnecessary_cast)]
    Ok(stat.f_type as u64 == TMPFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_and_is_not_in_memory() {
        let folder = Folder::new(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let path = folder.path().to_owned();
        std::fs::create_dir(path.join("data")).unwrap();
        drop(folder);
        assert!(!path.exists());
        let shared = Path::new("/dev/shm");
        if shared.exists() {
            let refused = Folder::new(shared).unwrap_err();
            assert!(refused.to_string().starts_with("/dev/shm is on tmpfs"), "{refused}");
        }
    }
}
