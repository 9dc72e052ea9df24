//! What else the server asks of the operating system: chance, processors, limits, `sendfile`.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Fills `out` with bytes that nobody can guess.
///
/// # Errors
/// When the system has no source of them.
pub fn random_bytes(out: &mut [u8]) -> io::Result<()> {
    getrandom::fill(out).map_err(|e| io::Error::other(format!("no random bytes: {e}")))
}

/// A random number, for ids that must not meet again.
///
/// # Errors
/// As [`random_bytes`].
pub fn random_u128() -> io::Result<u128> {
    let mut bytes = [0; 16];
    random_bytes(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes))
}

/// Pins this thread to the `core`-th of the processors that the process may use, counted around,
/// and returns that processor's number.
///
/// # Errors
/// When the system refuses.
pub fn pin_current_thread(core: usize) -> io::Result<usize> {
    let allowed = allowed_cpus();
    let Some(&cpu) = allowed.get(core % allowed.len().max(1)) else {
        return Err(io::Error::other("no processor to run on"));
    };
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)?;
    Ok(cpu)
}

/// The processors that the process may use. Asked once, before any thread is pinned, as new
/// threads inherit the pinning of the thread that starts them.
fn allowed_cpus() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        Err(_) => Vec::new(),
    })
}

/// Bytes of the volume that a folder is on: of all of it, and of what this process may still take.
///
/// # Errors
/// When the system does not say.
pub fn volume_bytes(folder: &Path) -> io::Result<(u64, u64)> {
    let volume = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
    Ok((bytes(volume.f_blocks), bytes(volume.f_bavail)))
}

/// Raises the limit on open files as far as the process may, and returns it.
///
/// # Errors
/// When the system refuses.
pub fn raise_nofile_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Lets a write over the limit on file sizes (`ulimit -f`) fail as on a full disk, where the
/// system's default is to kill the process.
pub fn ignore_file_size_signal() {
    // SAFETY: ignoring a signal runs no code of ours. It can't fail for a signal that exists.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Sends `count` bytes of `file` from byte `offset` to `socket` and returns how many it took.
/// Waits for the device where they are not in the page cache.
///
/// # Errors
/// `WouldBlock` when a non-blocking socket takes none; else what the system says.
pub fn sendfile(
    socket: impl AsFd,
    file: impl AsFd,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = offset;
    Ok(rustix::fs::sendfile(socket, file, Some(&mut offset), count)?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn random_numbers_differ() {
        assert_ne!(random_u128().unwrap(), random_u128().unwrap());
    }

    #[test]
    fn a_thread_is_pinned_within_what_the_process_may_use() {
        let allowed = allowed_cpus();
        for core in [0, 1, allowed.len()] {
            let pin = move || {
                let cpu = pin_current_thread(core).unwrap();
                let set = sched_getaffinity(None).unwrap();
                (cpu, set.count(), set.is_set(cpu))
            };
            let pinned = std::thread::spawn(pin).join().unwrap();
            assert_eq!(pinned, (allowed[core % allowed.len()], 1, true));
        }
    }

    #[test]
    fn the_limit_on_open_files_is_raised() {
        let raised = raise_nofile_limit().unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), raised);
    }

    #[test]
    fn a_part_of_a_file_is_sent() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert_eq!(sendfile(&ours, &file, 3, 4).unwrap(), 4);
        assert_eq!(sendfile(&ours, &file, 8, 100).unwrap(), 2);
        drop(ours);
        let mut received = Vec::new();
        theirs.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"345689");
    }
}
