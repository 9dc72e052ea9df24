//! What passing over bytes costs: a copy, and a checksum.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// More than caches hold.
const COPIED_BYTES: usize = 64 << 20;
/// A large batch.
const CHECKED_BYTES: usize = 1 << 20;

/// Bytes a second that are copied from one place in memory to another.
pub(crate) fn copy(lasting: Duration) -> f64 {
    let from = vec![7_u8; COPIED_BYTES];
    let mut to = vec![0_u8; COPIED_BYTES];
    rate(COPIED_BYTES, lasting, || {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    })
}

/// Bytes a second of CRC32C.
pub(crate) fn crc32c(lasting: Duration) -> f64 {
    let bytes = vec![7_u8; CHECKED_BYTES];
    rate(CHECKED_BYTES, lasting, || {
        black_box(crc32c::crc32c(black_box(&bytes)));
    })
}

fn rate(bytes: usize, lasting: Duration, mut once: impl FnMut()) -> f64 {
    once();
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < lasting {
        once();
        done += bytes;
    }
    done as f64 / start.elapsed().as_secs_f64()
}
