//! A disk that is held to a rate, by a control group of the kernel's.
//!
//! Either version will do: version 2 with its `io.max`, or version 1 with `blkio.throttle`. Both
//! hold what a process writes past the page cache, which is how record bytes are written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, getpid};

/// Where control groups are, on every distribution of today.
const ROOT: &str = "/sys/fs/cgroup";

/// A group whose writes to one disk are held.
#[derive(Debug)]
pub(crate) struct SlowDisk {
    group: PathBuf,
    /// Where this process was before.
    home: PathBuf,
}

impl SlowDisk {
    /// Makes one for the disk of `folder`.
    ///
    /// # Errors
    /// With the reason why it can't be had here.
    pub(crate) fn new(folder: &Path, bytes_s: u64) -> Result<SlowDisk, String> {
        let device = device(folder).map_err(|error| format!("no disk to hold: {error}"))?;
        let name = format!("duramen-bench-{}", std::process::id());
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let v2 = Hierarchy {
            root: ROOT.into(),
            home: path_of(&groups, ""),
            file: "io.max",
            limit: format!("{device} wbps={bytes_s}"),
        };
        let v1 = Hierarchy {
            root: format!("{ROOT}/blkio").into(),
            home: path_of(&groups, "blkio"),
            file: "blkio.throttle.write_bps_device",
            limit: format!("{device} {bytes_s}"),
        };
        let with_io = v2.root.join("cgroup.subtree_control");
        if v2.root.join("cgroup.controllers").exists() {
            // Perhaps it is on already; whether it is shows the next step.
            let _ = set(&with_io, "+io");
        }
        let held = v2.hold(&name).or_else(|_| v1.hold(&name));
        held.map_err(|error| format!("no control group that holds a disk to a rate: {error}"))
    }

    /// Holds a process, and all that it starts.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn hold(&self, pid: Pid) -> io::Result<()> {
        set(&self.group.join("cgroup.procs"), &pid.as_raw_pid().to_string())
    }

    /// Runs something with this process held.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(crate) fn held<T>(&self, run: impl FnOnce() -> T) -> io::Result<T> {
        self.hold(getpid())?;
        let done = run();
        self.release()?;
        Ok(done)
    }

    fn release(&self) -> io::Result<()> {
        set(&self.home.join("cgroup.procs"), &getpid().as_raw_pid().to_string())
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // An empty group that stays behind does nothing.
        let _ = fs::remove_dir(&self.group);
    }
}

struct Hierarchy {
    root: PathBuf,
    /// This process's group in it, from the root on.
    home: String,
    file: &'static str,
    limit: String,
}

impl Hierarchy {
    fn hold(self, name: &str) -> io::Result<SlowDisk> {
        let (group, home) =
            (self.root.join(name), self.root.join(self.home.trim_start_matches('/')));
        if !self.root.join("cgroup.procs").exists() {
            return Err(io::Error::other(format!("none in {}", self.root.display())));
        }
        fs::create_dir(&group)?;
        let slow = SlowDisk { group, home };
        set(&slow.group.join(self.file), &self.limit)?;
        Ok(slow)
    }
}

/// Writes to a file that is there: a plain folder would take any, and hold nothing.
fn set(path: &Path, value: &str) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all(value.as_bytes())
}

/// This process's group, as `/proc/self/cgroup` has it: `NUMBER:CONTROLLER,...:PATH` a line.
fn path_of(groups: &str, controller: &str) -> String {
    let path = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|one| one == controller).then(|| path.to_owned())
    });
    path.unwrap_or_else(|| "/".into())
}

/// `MAJOR:MINOR` of the disk that holds a folder; of the whole one where that is a partition.
fn device(folder: &Path) -> io::Result<String> {
    let device = fs::metadata(folder)?.dev();
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let known = PathBuf::from(format!("/sys/dev/block/{number}"));
    if !known.join("partition").exists() {
        return known.exists().then_some(number).ok_or_else(|| io::ErrorKind::NotFound.into());
    }
    let whole = fs::canonicalize(known)?.join("../dev");
    Ok(fs::read_to_string(whole)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_finds_its_groups() {
        let groups = "9:name=systemd:/a\n7:blkio,cpu:/b/c\n0::/d\n";
        assert_eq!(path_of(groups, "blkio"), "/b/c");
        assert_eq!(path_of(groups, ""), "/d");
        assert_eq!(path_of(groups, "memory"), "/");
    }

    #[test]
    fn a_plain_folder_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let plain = |file| Hierarchy {
            root: folder.path().to_owned(),
            home: "/".into(),
            file,
            limit: "1:0 1".into(),
        };
        assert!(plain("io.max").hold("a").is_err(), "it is no group at all");
        fs::write(folder.path().join("cgroup.procs"), "").unwrap();
        assert!(plain("io.max").hold("b").is_err(), "its groups can't be held");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing stays behind");
    }

    #[test]
    fn what_has_no_disk_is_told() {
        let refused = SlowDisk::new(Path::new("/proc"), 1_000_000).unwrap_err();
        assert!(refused.contains("no disk to hold"), "{refused}");
    }
}
