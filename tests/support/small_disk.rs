//! A small file system of its own, in a file, where this machine lets one be made.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; unmounted when dropped.
pub struct SmallDisk {
    point: PathBuf,
}

impl SmallDisk {
    /// Makes an ext4 in `dir` and mounts it.
    ///
    /// # Errors
    /// With the reason why this machine does not let one be made.
    pub fn ext4(dir: &Path, bytes: u64) -> Result<SmallDisk, String> {
        let (image, point) = (dir.join("image"), dir.join("mounted"));
        std::fs::File::create(&image).and_then(|file| file.set_len(bytes)).unwrap();
        std::fs::create_dir(&point).unwrap();
        let (image, at) = (image.to_str().unwrap(), point.to_str().unwrap());
        run("mkfs.ext4", &["-q", "-F", "-m", "0", image])?;
        run("mount", &["-o", "loop", image, at])?;
        Ok(SmallDisk { point })
    }

    /// The data directory on it.
    pub fn data(&self) -> PathBuf {
        self.point.join("data")
    }

    /// How many bytes are free.
    pub fn free_bytes(&self) -> u64 {
        let figures = rustix::fs::statvfs(&self.point).unwrap();
        figures.f_bavail * figures.f_frsize
    }

    fn filler(&self) -> PathBuf {
        self.point.join("filler")
    }

    /// Takes all but so many of the free bytes.
    pub fn fill(&self, leave_bytes: u64) {
        let file = std::fs::File::create(self.filler()).unwrap();
        let mut at = 0;
        // In pieces that get smaller: what is free is not all in one piece, nor all for data.
        for step in [1 << 20, 64 << 10, 4096] {
            while self.free_bytes() >= leave_bytes + step {
                let flags = rustix::fs::FallocateFlags::empty();
                if rustix::fs::fallocate(&file, flags, at, step).is_err() {
                    break;
                }
                at += step;
            }
        }
    }

    /// Gives the taken bytes back.
    pub fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &[self.point.to_str().unwrap()]).unwrap();
    }
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
