//! The descriptor of this thread's ring, which `tokio-uring` keeps to itself.
//!
//! It hands submissions to the kernel only when its thread parks. A busy thread may not park for
//! long, and then the disk would idle while the core works. With the descriptor, [`submit_now`]
//! hands them over at once: the entries lie in memory shared with the kernel, and `io_uring_enter`
//! takes whatever stands there.

use std::cell::Cell;
use std::collections::HashSet;
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

thread_local! {
    static RING: Cell<Option<RawFd>> = const { Cell::new(None) };
}

/// Makes a ring by `make`, and remembers its descriptor for this thread. Where it can't be found,
/// [`submit_now`] does nothing, and submissions wait for the thread to park.
pub(super) fn remember<T>(make: impl FnOnce() -> T) -> T {
    /// One at a time, so that the descriptor that is new is ours.
    static MAKING: Mutex<()> = Mutex::new(());
    let _one = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let before = rings();
    let made = make();
    let mut new = rings().into_iter().filter(|ring| !before.contains(ring));
    RING.set(new.next());
    made
}

/// Forgets the descriptor: the ring is gone.
pub(super) fn forget() {
    RING.set(None);
}

/// Hands `entries` submissions, or as many as there are, to the kernel.
pub(super) fn submit_now(entries: usize) {
    let Some(ring) = RING.get() else { return };
    let entries = u32::try_from(entries).unwrap_or(u32::MAX);
    // SAFETY: the call takes a descriptor, two numbers, flags of zero and no signal mask. The ring
    // lives until `forget`, and a wrong descriptor would be an error. What it submits was put into
    // the queue by its owner, this thread, whose memory outlives it as the disk promises. Should
    // the kernel take nothing now, the thread's parking hands it over.
    unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            ring,
            entries,
            0u32,
            0u32,
            std::ptr::null::<libc::c_void>(),
            0usize,
        );
    }
}

/// The rings that this process has open.
fn rings() -> HashSet<RawFd> {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return HashSet::new() };
    let is_ring = |entry: &std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path());
        target.is_ok_and(|target| target.to_string_lossy() == "anon_inode:[io_uring]")
    };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().parse().ok();
    descriptors.flatten().filter(is_ring).filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_told_from_other_descriptors() {
        let _file = tempfile::tempfile().unwrap();
        let Ok(ring) = remember(|| io_uring::IoUring::new(4)) else {
            eprintln!("this machine has no io_uring");
            return;
        };
        use std::os::fd::AsRawFd;
        assert_eq!(RING.get(), Some(ring.as_raw_fd()));
        forget();
        submit_now(1);
        assert_eq!(RING.get(), None);
    }
}
