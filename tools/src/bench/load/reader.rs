//! A consumer that does nothing with what it gets but count it: partitions of one home.
//!
//! It copies the bytes into its memory, as any consumer must, and looks at the headers of batches
//! ([`Walk`]).

use std::time::{Duration, Instant};

use super::pushes::Pushes;
use super::walk::Walk;
use crate::bench::error::{BenchError, Result};
use crate::bench::kafka::fetch::Fetches;
use crate::bench::target::{Home, Protocol};
use crate::bench::wire::PATIENCE;

/// The longest wait for bytes within one step.
pub(crate) const STEP: Duration = Duration::from_millis(20);

/// A consumer.
#[derive(Debug)]
pub(crate) struct Reader {
    logs: Logs,
    stream: Stream,
    last: Instant,
}

/// How the bytes come.
#[derive(Debug)]
enum Stream {
    Native(Pushes),
    Kafka(Fetches),
}

/// What has come.
#[derive(Debug)]
pub(crate) struct Logs {
    /// Each partition, in the order that it was asked for.
    pub(crate) walks: Vec<Walk>,
    pub(crate) bytes: u64,
}

impl Reader {
    /// Reads partitions from an offset on, each as partition and offset.
    ///
    /// # Errors
    /// When nobody is there, or refuses.
    pub(crate) fn open(
        protocol: Protocol,
        home: Home,
        topic: &str,
        from: &[(u32, i64)],
    ) -> Result<Reader> {
        let stream = match protocol {
            Protocol::Native => Stream::Native(Pushes::subscribe(home, topic, from)?),
            Protocol::Kafka { fetch_bytes } => {
                Stream::Kafka(Fetches::open(home, topic, from, fetch_bytes)?)
            }
        };
        let walks = from.iter().map(|&(_, offset)| Walk::new(offset)).collect();
        Ok(Reader { logs: Logs { walks, bytes: 0 }, stream, last: Instant::now() })
    }

    /// Bytes of the log that have come.
    pub(crate) fn bytes(&self) -> u64 {
        self.logs.bytes
    }

    /// Records that have come, those of a batch that is on its way included.
    pub(crate) fn records(&self) -> u64 {
        self.logs.walks.iter().map(Walk::records).sum()
    }

    /// Whether every partition has come up to its end.
    pub(crate) fn has_reached(&self, ends: &[i64]) -> bool {
        self.logs.walks.iter().zip(ends).all(|(walk, &end)| walk.has_reached(end))
    }

    /// Reads until every partition has come up to its end.
    ///
    /// # Errors
    /// When the server is gone or silent, or a record is missing.
    pub(crate) fn read_to(&mut self, ends: &[i64]) -> Result<()> {
        while !self.has_reached(ends) {
            self.step()?;
            if self.last.elapsed() > PATIENCE {
                let s = PATIENCE.as_secs();
                return Err(BenchError::Connection(format!("nothing was read for {s} s")));
            }
        }
        Ok(())
    }

    /// Asks for what comes next, where nothing comes unless it is asked for.
    ///
    /// # Errors
    /// When the server is gone.
    pub(crate) fn ask(&mut self) -> Result<()> {
        match &mut self.stream {
            Stream::Native(_) => Ok(()),
            Stream::Kafka(fetches) => fetches.ask(&self.logs),
        }
    }

    /// Takes what is there, or waits for a moment.
    ///
    /// # Errors
    /// When the server is gone, or a record is missing.
    pub(crate) fn step(&mut self) -> Result<()> {
        let something_came = match &mut self.stream {
            Stream::Native(pushes) => pushes.step(&mut self.logs)?,
            Stream::Kafka(fetches) => fetches.step(&mut self.logs)?,
        };
        if something_came {
            self.last = Instant::now();
        }
        Ok(())
    }
}
