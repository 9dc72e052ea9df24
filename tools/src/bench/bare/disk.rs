//! Bare durable writes past the page cache.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::joined;
use crate::bench::cpus::Cpus;
use crate::bench::direct::{self, Aligned};
use crate::bench::error::{Result, Tried};
use crate::bench::times::{Times, repeat};

/// A small write, as a lone append's is.
const SMALL_BYTES: usize = 4096;
/// The file that small writes go round in.
const SMALL_FILE_BYTES: u64 = 8 << 20;
/// A large write.
const LARGE_BYTES: usize = 1 << 20;
/// The file of zeroes that large writes go round in.
const ZEROES_BYTES: u64 = 64 << 20;
/// The reserved file that large writes fill once.
const RESERVED_BYTES: u64 = 2 << 30;

/// What large writes go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Blocks that hold zeroes already.
    Zeroes,
    /// Blocks that are reserved, and were never written.
    Reserved,
}

/// Large writes.
#[derive(Clone, Debug)]
pub(crate) struct Large {
    pub(crate) bytes_s: f64,
    pub(crate) times: Times,
}

/// Writes of 4 KiB into zeroes, one at a time.
///
/// # Errors
/// When the disk does not take them.
pub(crate) fn small(folder: &Path, cpus: &Cpus, lasting: Duration) -> Result<Times> {
    on_a_file(folder, |file| {
        direct::fill_with_zeroes(file, SMALL_FILE_BYTES)?;
        let block = Aligned::filled(7, SMALL_BYTES);
        let mut position = 0;
        let write = || {
            position = (position + SMALL_BYTES as u64) % SMALL_FILE_BYTES;
            file.write_all_at(&block, position).tried(|| "a bare write".into())
        };
        on_thread(cpus, || repeat(lasting, write))
    })
}

/// Writes of 1 MiB, so many at a time.
///
/// # Errors
/// When the disk does not take them.
pub(crate) fn large(
    folder: &Path,
    cpus: &Cpus,
    depth: usize,
    target: Target,
    lasting: Duration,
) -> Result<Large> {
    on_a_file(folder, |file| {
        match target {
            Target::Zeroes => direct::fill_with_zeroes(file, ZEROES_BYTES)?,
            Target::Reserved => direct::reserve(file, RESERVED_BYTES)?,
        }
        let written = AtomicU64::new(0);
        let start = Instant::now();
        let writers: Vec<_> = (0..depth).collect();
        let times = std::thread::scope(|scope| {
            let writer = |_| {
                scope.spawn(|| {
                    cpus.pin(0)?;
                    write_large(file, target, &written, start + lasting)
                })
            };
            let spawned: Vec<_> = writers.into_iter().map(writer).collect();
            spawned.into_iter().map(joined).collect::<Result<Vec<_>>>()
        })?;
        let seconds = start.elapsed().as_secs_f64();
        let mut all = Times::new();
        times.iter().for_each(|one| all.merge(one));
        let bytes_s = (all.count() * LARGE_BYTES as u64) as f64 / seconds;
        Ok(Large { bytes_s, times: all })
    })
}

/// One of the writers: takes the next place, and writes there.
fn write_large(file: &File, target: Target, next: &AtomicU64, until: Instant) -> Result<Times> {
    let block = Aligned::filled(7, LARGE_BYTES);
    let mut times = Times::new();
    loop {
        let start = Instant::now();
        let position = next.fetch_add(LARGE_BYTES as u64, Ordering::Relaxed);
        if start >= until || (target == Target::Reserved && position >= RESERVED_BYTES) {
            return Ok(times);
        }
        let position = if target == Target::Zeroes { position % ZEROES_BYTES } else { position };
        file.write_all_at(&block, position).tried(|| "a bare write".into())?;
        times.add(start.elapsed());
    }
}

fn on_a_file<T>(folder: &Path, measure: impl FnOnce(&File) -> Result<T>) -> Result<T> {
    let path = folder.join("bare");
    let file = direct::open(&path)?;
    let measured = measure(&file);
    fs::remove_file(&path).tried(|| format!("cannot remove {}", path.display()))?;
    measured
}

/// Runs `measure` on the first of `cpus`.
fn on_thread<T: Send>(cpus: &Cpus, measure: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        joined(scope.spawn(|| {
            cpus.pin(0)?;
            measure()
        }))
    })
}
