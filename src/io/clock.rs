//! The clock. Only this floor reads it; everything else is told.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment, as it is handed to the state machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Microseconds since some moment before the first call; never falls.
    pub monotonic_us: u64,
    /// Milliseconds since 1970 UTC, as record timestamps count; may jump.
    pub wall_ms: i64,
}

impl Now {
    /// Reads the system's clocks.
    pub fn read() -> Now {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        let wall_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(_) => 0,
        };
        Now {
            monotonic_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            wall_ms,
        }
    }

    /// This moment, `ms` milliseconds later on the monotonic clock.
    pub fn plus_ms(self, ms: u64) -> u64 {
        self.monotonic_us.saturating_add(ms.saturating_mul(1000))
    }
}
