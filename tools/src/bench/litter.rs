//! What must not be left behind when somebody interrupts: folders of gigabytes, and servers.
//!
//! Everything cleans up after itself when it is dropped; an interrupted process drops nothing. So
//! each folder and each server is noted here while it lives, and whoever hears a signal calls
//! [`clear`].

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

static NOTED: Mutex<Noted> = Mutex::new(Noted { folders: Vec::new(), servers: Vec::new() });

struct Noted {
    folders: Vec<PathBuf>,
    servers: Vec<Pid>,
}

fn noted() -> MutexGuard<'static, Noted> {
    // Lists of names can't be left half-changed.
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn note_folder(path: &Path) {
    noted().folders.push(path.to_owned());
}

pub(super) fn forget_folder(path: &Path) {
    noted().folders.retain(|noted| noted != path);
}

pub(super) fn note_server(pid: Pid) {
    noted().servers.push(pid);
}

/// To be called before the child is waited for: afterwards its number may be another's.
pub(super) fn forget_server(pid: Pid) {
    noted().servers.retain(|noted| *noted != pid);
}

/// Ends every embedded server and removes every folder, for a process that is about to end.
pub fn clear() {
    let noted = noted();
    for &pid in &noted.servers {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
    for folder in &noted.folders {
        // What is still being written to it stays; there is nobody to tell.
        let _ = fs::remove_dir_all(folder);
    }
}
