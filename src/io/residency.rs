//! What the page cache holds, by `cachestat(2)`.

use std::os::fd::{AsRawFd, BorrowedFd};

const SYS_CACHESTAT: libc::c_long = 451;

#[repr(C)]
struct Range {
    start: u64,
    len: u64,
}

#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Whether bytes `at..at + len` of a file are all in the page cache.
///
/// `false` when the kernel has no `cachestat` (before 6.5) or does not say: the caller then
/// reads the range through the disk, which costs a copy but never makes the core wait.
/// A page that is on its way from the device counts as cached.
pub(super) fn is_resident(file: BorrowedFd<'_>, at: u64, len: u64) -> bool {
    let Some(last) = at.checked_add(len).and_then(|end| end.checked_sub(1)) else {
        return len == 0;
    };
    if len == 0 {
        return true;
    }
    // SAFETY: a plain query without pointers.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(4096) as u64;
    let pages = last / page_bytes - at / page_bytes + 1;
    let range = Range { start: at, len };
    let mut counts = Counts::default();
    // SAFETY: both structs are laid out as the kernel's and outlive the call, which reads the
    // one and writes the other; it takes the two pointers, a descriptor, and flags of zero.
    let result = unsafe {
        libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut counts, 0u32)
    };
    result == 0 && counts.cached >= pages
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_was_read_is_resident_and_what_was_dropped_is_not() {
        let mut file = tempfile::tempfile_in(".").unwrap();
        file.write_all(&[1; 65_536]).unwrap();
        file.sync_all().unwrap();
        let known = is_resident(file.as_fd(), 0, 65_536);
        assert!(is_resident(file.as_fd(), 7, 0));
        assert!(!is_resident(file.as_fd(), 0, 65_537 + 4096), "behind the end of the file");
        assert!(!is_resident(file.as_fd(), u64::MAX, 2), "a range that overflows");
        if !known {
            eprintln!("this kernel has no cachestat, so nothing counts as resident");
            return;
        }
        drop_cache(&file);
        assert!(!is_resident(file.as_fd(), 0, 65_536));
        let mut byte = [0];
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        File::open(path).unwrap().read_exact(&mut byte).unwrap();
        assert!(is_resident(file.as_fd(), 0, 1));
    }

    fn drop_cache(file: &File) {
        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}
