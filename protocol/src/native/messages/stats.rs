//! The server's counters and facts.

use crate::native::field::{Field, calls, empty_messages, message};
use crate::wire::{Reader, WireError, Writer};

/// A counter's or a gauge's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricValue {
    /// A whole number.
    Count(u64),
    /// Any other.
    Real(f64),
}

impl Default for MetricValue {
    fn default() -> Self {
        MetricValue::Count(0)
    }
}

/// `u8 kind, 8 bytes`.
impl Field for MetricValue {
    const MIN_LEN: usize = 9;

    fn put<W: Writer>(&self, out: &mut W) {
        match *self {
            MetricValue::Count(count) => {
                out.put_u8(0);
                out.put_u64_le(count);
            }
            MetricValue::Real(real) => {
                out.put_u8(1);
                real.put(out);
            }
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let before = *from;
        match from.u8()? {
            0 => from.u64_le().map(MetricValue::Count),
            1 => f64::take(from).map(MetricValue::Real),
            _ => Err(before.error("an unknown kind of metric")),
        }
    }
}

message! {
    /// How the server is.
    pub struct StatsAnswer {
        /// The server's version.
        pub version: String,
        /// How it reaches the disk: `uring` or `blocking`.
        pub io_engine: String,
        /// Whether it acknowledges before the bytes are on stable storage.
        pub no_sync: bool,
        /// What else there is to know.
        pub facts: Vec<Fact>,
        /// Counters and gauges.
        pub metrics: Vec<Metric>,
    }

    /// A fact, as text.
    pub struct Fact {
        /// Its name.
        pub name: String,
        /// Its value.
        pub value: String,
    }

    /// One counter or gauge.
    pub struct Metric {
        /// Its name, as the metrics page has it.
        pub name: String,
        /// The core it belongs to, or [`ANY_CORE`](crate::native::ANY_CORE) for the server's.
        pub core: u16,
        /// Its value.
        pub value: MetricValue,
    }
}

empty_messages! {
    /// Asks for counters and facts.
    Stats;
}

calls! {
    Stats => StatsAnswer;
}
