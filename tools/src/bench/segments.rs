//! A partition's segments as files: to bring them into the page cache, to take them out of it, and
//! to send them bare.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, fadvise};

use super::error::{Result, Tried};

/// The segments of one partition, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Segments(Vec<PathBuf>);

impl Segments {
    /// Those in the partition's folder. The server has stopped cleanly since they were written, so
    /// that they end with their last batch.
    ///
    /// # Errors
    /// When there is no such folder.
    pub(crate) fn of(data: &Path, topic: &str, partition: u32) -> Result<Segments> {
        let folder = data.join(format!("{topic}-{partition}"));
        let entries =
            fs::read_dir(&folder).tried(|| format!("cannot list {}", folder.display()))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.tried(|| format!("cannot list {}", folder.display()))?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                paths.push(path);
            }
        }
        // Their names are their base offsets, with leading zeroes.
        paths.sort();
        Ok(Segments(paths))
    }

    /// The files.
    pub(crate) fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// Reads everything once, so that it is in the page cache.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn warm(&self) -> Result<()> {
        let mut buffer = vec![0; 1 << 20];
        for path in &self.0 {
            let tried = || format!("cannot read {}", path.display());
            let mut file = File::open(path).tried(tried)?;
            while file.read(&mut buffer).tried(tried)? > 0 {}
        }
        Ok(())
    }

    /// Takes everything out of the page cache.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn cool(&self) -> Result<()> {
        for path in &self.0 {
            let tried = || format!("cannot take {} out of the page cache", path.display());
            let file = File::open(path).tried(tried)?;
            // What is not on the disk yet can't be dropped.
            file.sync_all().tried(tried)?;
            fadvise(&file, 0, None, Advice::DontNeed).tried(tried)?;
        }
        Ok(())
    }
}
