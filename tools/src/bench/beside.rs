//! The limits that a result stands beside, measured in the same run.

use std::time::Duration;

use super::bare::stream::{Source, drain};
use super::bare::{disk, echo};
use super::error::Result;
use super::session::Session;
use super::times::Times;

/// What bounds a lone request: a bare write of 4 KiB and a bare round trip of 1 KB.
#[derive(Clone, Debug)]
pub(crate) struct LoneLimit {
    pub(crate) write: Times,
    pub(crate) trip: Times,
}

impl LoneLimit {
    /// Measures both, each for so long.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn measure(session: &Session<'_>, lasting: Duration) -> Result<LoneLimit> {
        session.progress.say("bare writes of 4 KiB and bare round trips");
        let sides = session.sides();
        let write = disk::small(session.folder(), sides.server, lasting)?;
        Ok(LoneLimit { write, trip: echo::round_trips(sides, lasting)? })
    }

    /// The sum of both at a quantile, in seconds.
    pub(crate) fn at(&self, quantile: f64) -> f64 {
        self.write.at(quantile) + self.trip.at(quantile)
    }
}

/// What bounds a stream of durable bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimit {
    /// Bytes a second of a bare loopback stream by `write`.
    pub(crate) loopback: f64,
    /// Bytes a second of bare direct writes of 1 MiB, two at a time, to a reserved file.
    pub(crate) disk: f64,
}

impl StreamLimit {
    /// Measures both, each for so long.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn measure(session: &Session<'_>, lasting: Duration) -> Result<StreamLimit> {
        session.progress.say("the bare loopback, and bare writes of 1 MiB");
        let sides = session.sides();
        let source = Source::Memory(lasting);
        let loopback = drain(&source, sides.load, sides.server)?.bytes_s;
        let target = disk::Target::Reserved;
        let disk = disk::large(session.folder(), sides.server, 2, target, lasting)?.bytes_s;
        Ok(StreamLimit { loopback, disk })
    }

    /// The mean of a measurement before a run and of one behind it: a disk does not stay the same.
    pub(crate) fn mean(self, other: StreamLimit) -> StreamLimit {
        StreamLimit {
            loopback: (self.loopback + other.loopback) / 2.0,
            disk: (self.disk + other.disk) / 2.0,
        }
    }

    /// The lesser of the two.
    pub(crate) fn least(&self) -> f64 {
        self.loopback.min(self.disk)
    }
}
