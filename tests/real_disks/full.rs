//! A disk that is full: a limit on file sizes always, a small file system of its own where this
//! machine lets one be made.

use std::path::{Path, PathBuf};
use std::process::Command;

use duramen::io::{ErrorKind, Mode, Op};

use crate::harness::{Bench, on_each_disk, on_each_disk_in, pattern, slice};

const MIB: u64 = 1024 * 1024;
/// Set in the process that lives under the limit.
const LIMITED: &str = "REAL_DISKS_LIMITED";

#[test]
fn a_limit_on_file_sizes_is_a_full_disk() {
    if std::env::var_os(LIMITED).is_some() {
        duramen::io::ignore_file_size_signal();
        on_each_disk(async |bench: &mut Bench| fill(bench).await);
        return;
    }
    // The limit holds for a whole process.
    let this = std::env::current_exe().unwrap();
    let status = Command::new("sh")
        .args(["-c", "ulimit -f 8192; exec \"$0\" --exact --nocapture \"$1\""])
        .arg(this)
        .arg("full::a_limit_on_file_sizes_is_a_full_disk")
        .env(LIMITED, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn a_really_full_disk() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    match Mounted::ext4(dir.path(), 16 * MIB) {
        Ok(mounted) => on_each_disk_in(&mounted.0, async |bench: &mut Bench| fill(bench).await),
        Err(reason) => eprintln!("no small file system of its own: {reason}"),
    }
}

/// Goes past the limit, which is below 64 MiB, in every way there is.
async fn fill(bench: &mut Bench) {
    let unit = bench.disk.block_bytes();
    let (durable, _) = bench.open("durable", Mode::Durable).await;
    let (buffered, _) = bench.open("buffered", Mode::Buffered).await;
    bench.ok(Op::Write { file: durable, at: 0, data: vec![slice(&pattern(1, unit))] }).await;

    let error = bench.err(Op::Allocate { file: durable, at: 0, len: 64 * MIB }).await;
    assert_eq!(error.kind, ErrorKind::Full, "{error}");
    bench.ok(Op::SetLen { file: durable, len: unit as u64 }).await;

    for (file, what) in [(durable, "durable"), (buffered, "buffered")] {
        let mut at = unit as u64;
        let error = loop {
            assert!(at < 64 * MIB, "{what}: there was room for everything");
            let data = vec![slice(&pattern(2, unit)), slice(&pattern(3, MIB as usize))];
            match bench.run(Op::Write { file, at, data }).await {
                Ok(_) => at += unit as u64 + MIB,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind, ErrorKind::Full, "{what}: {error}");
        assert!(error.path.ends_with(what) && error.operation == "write", "{error}");
        bench.ok(Op::SetLen { file, len: unit as u64 }).await;
    }
    let path = bench.path("stored");
    let error = bench.err(Op::Store { path, at: 0, data: vec![1; 64 << 20] }).await;
    assert_eq!(error.kind, ErrorKind::Full, "{error}");
    bench.ok(Op::Unlink { path: bench.path("stored") }).await;

    // Reads went on, and with room again so do writes.
    assert_eq!(bench.read(durable, 0, unit).await, pattern(1, unit));
    bench.ok(Op::Allocate { file: durable, at: 0, len: MIB }).await;
    bench.ok(Op::Write { file: durable, at: 0, data: vec![slice(&pattern(4, unit))] }).await;
    assert_eq!(bench.read(durable, 0, unit).await, pattern(4, unit));
}

/// A mounted file system; unmounted when dropped.
pub struct Mounted(pub PathBuf);

impl Mounted {
    fn ext4(dir: &Path, bytes: u64) -> Result<Mounted, String> {
        let image = dir.join("image");
        std::fs::File::create(&image).and_then(|file| file.set_len(bytes)).unwrap();
        let image = image.to_str().unwrap();
        run("mkfs.ext4", &["-q", "-F", image])?;
        Mounted::mount(dir, &["-o", "loop", image])
    }

    /// A file system in memory that refuses direct writes.
    pub fn ramfs(dir: &Path) -> Result<Mounted, String> {
        Mounted::mount(dir, &["-t", "ramfs", "ramfs"])
    }

    fn mount(dir: &Path, what: &[&str]) -> Result<Mounted, String> {
        let point = dir.join("mounted");
        std::fs::create_dir(&point).unwrap();
        run("mount", &[what, &[point.to_str().unwrap()]].concat())?;
        Ok(Mounted(point))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &[self.0.to_str().unwrap()]).unwrap();
    }
}

fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(args).output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr)))
}
