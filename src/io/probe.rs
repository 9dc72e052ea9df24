//! What the file system under the data directory can do, found out by trying.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{self, AtFlags, OFlags, StatxFlags};

use super::buffer::ALIGNMENT;
use super::file::Opening;
use super::{Block, DiskError, Wake};

/// Units larger than this are a device's mistake, not its block.
const BLOCK_BYTES_MAX: usize = 1024 * 1024;

/// What a folder's file system can do.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Unit of durable writes: the largest of 4096, the direct-I/O alignment and the device's
    /// physical block, rounded up to a power of two.
    pub block_bytes: usize,
    pub direct: DirectIo,
    /// As in `ext4`; a number where the name is not known.
    pub filesystem: String,
}

/// Whether writes can go past the page cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectIo {
    Yes,
    /// Durable writes go through the page cache, with `O_DSYNC`.
    Refused {
        reason: String,
    },
}

/// What a real disk is started with.
#[derive(Clone)]
pub struct Setup {
    /// Unit of durable writes; see [`Probe::block_bytes`].
    pub block_bytes: usize,
    /// Whether to write past the page cache.
    pub direct: bool,
    /// Let durable writes end in the device's cache or the page cache, and syncs do nothing.
    pub no_sync: bool,
    /// Called, from any thread, when there are completions to poll for.
    pub wake: Wake,
}

impl Setup {
    pub(super) fn opening(&self) -> Opening {
        let Setup { block_bytes, direct, no_sync, .. } = *self;
        Opening { block_bytes, direct, no_sync }
    }
}

impl Probe {
    /// The setup of a disk in the folder that was probed.
    pub fn setup(&self, no_sync: bool, wake: Wake) -> Setup {
        let direct = self.direct == DirectIo::Yes;
        Setup { block_bytes: self.block_bytes, direct, no_sync, wake }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.direct {
            DirectIo::Yes => {
                write!(f, "{}, direct writes of {} bytes", self.filesystem, self.block_bytes)
            }
            DirectIo::Refused { reason } => write!(
                f,
                "{} refuses direct writes ({reason}): writing through the page cache, with a \
                 sync each, which is slower",
                self.filesystem
            ),
        }
    }
}

/// Finds out what the file system of folder `dir` can do, by a write to a file that is unlinked
/// at once.
///
/// # Errors
/// When no file can be made in `dir`.
pub fn probe(dir: &Path) -> Result<Probe, DiskError> {
    let failed = |e: io::Error| DiskError::new("probe", dir, e);
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let path = dir.join(format!(".probe-{}-{number}", std::process::id()));
    let make = |flags: OFlags| -> io::Result<OwnedFd> {
        let flags = flags | OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
        let file = fs::open(&path, flags, fs::Mode::from_raw_mode(0o600))?;
        fs::unlink(&path)?;
        Ok(file)
    };
    let plain = make(OFlags::empty()).map_err(failed)?;
    let filesystem = filesystem_name(&plain).map_err(failed)?;
    let (block_bytes, memory_bytes) = block_bytes(&plain).map_err(failed)?;
    let direct = match make(OFlags::DIRECT | OFlags::DSYNC) {
        Ok(_) if memory_bytes > ALIGNMENT => {
            DirectIo::Refused { reason: format!("it wants memory aligned to {memory_bytes} bytes") }
        }
        Ok(file) => try_direct_write(&file, block_bytes).map_err(failed)?,
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            DirectIo::Refused { reason: "open with O_DIRECT is not supported".to_owned() }
        }
        Err(e) => return Err(failed(e)),
    };
    Ok(Probe { block_bytes, direct, filesystem })
}

fn try_direct_write(file: &OwnedFd, block_bytes: usize) -> io::Result<DirectIo> {
    let mut block = Block::new(block_bytes);
    block.append_zeroes(block_bytes);
    match rustix::io::pwrite(file, &block, 0) {
        Err(rustix::io::Errno::INVAL) => Ok(DirectIo::Refused {
            reason: format!("it does not take a write of {block_bytes} bytes"),
        }),
        // A full disk says nothing about direct I/O; whoever needs the space will hear of it.
        Ok(_) | Err(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => Ok(DirectIo::Yes),
        Err(e) => Err(e.into()),
    }
}

/// The unit of durable writes, and the alignment of memory that direct I/O asks for.
fn block_bytes(file: &OwnedFd) -> io::Result<(usize, usize)> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::DIOALIGN;
    let stat = fs::statx(file, "", AtFlags::EMPTY_PATH, mask)?;
    let physical = physical_block_bytes(stat.stx_dev_major, stat.stx_dev_minor).unwrap_or(0);
    let offset = stat.stx_dio_offset_align as usize;
    let largest = ALIGNMENT.max(physical).max(offset).min(BLOCK_BYTES_MAX);
    Ok((largest.next_power_of_two(), stat.stx_dio_mem_align as usize))
}

/// The physical block of a device; `None` where there is no such device, as under btrfs.
fn physical_block_bytes(major: u32, minor: u32) -> Option<usize> {
    let device = format!("/sys/dev/block/{major}:{minor}");
    // A partition has its queue in the folder above.
    ["queue", "../queue"].iter().find_map(|queue| {
        let text = std::fs::read_to_string(format!("{device}/{queue}/physical_block_size"));
        text.ok()?.trim().parse().ok()
    })
}

fn filesystem_name(file: &OwnedFd) -> io::Result<String> {
    Ok(match fs::fstatfs(file)?.f_type as u32 {
        0xef53 => "ext4".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683e => "btrfs".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        0x8584_58f6 => "ramfs".to_owned(),
        0x794c_7630 => "overlayfs".to_owned(),
        0x2fc1_2fc1 => "zfs".to_owned(),
        0x6969 => "nfs".to_owned(),
        0xf2f5_2010 => "f2fs".to_owned(),
        other => format!("file system {other:#x}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_probed_without_leaving_a_trace() {
        let dir = tempfile::tempdir_in(".").unwrap();
        let probe = probe(dir.path()).unwrap();
        assert!(probe.block_bytes.is_power_of_two() && probe.block_bytes >= 4096, "{probe:?}");
        assert!(probe.to_string().contains(&probe.filesystem));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = probe(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().starts_with("cannot probe /nowhere/at/all: No such"), "{error}");
    }

    #[test]
    fn a_refusal_says_what_happens_instead() {
        let direct = DirectIo::Refused { reason: "why".to_owned() };
        let probe = Probe { block_bytes: 4096, direct, filesystem: "ramfs".to_owned() };
        assert!(!probe.setup(false, std::sync::Arc::new(|| ())).direct);
        assert!(probe.to_string().contains("ramfs refuses direct writes (why)"), "{probe}");
    }
}
