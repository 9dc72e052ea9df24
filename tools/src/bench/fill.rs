//! Fills a topic, for benchmarks of what is read or recovered.

use std::collections::BTreeMap;

use super::error::{BenchError, Result};
use super::load::appender::Appender;
use super::load::dialect::{Acks, Opening};
use super::payload::Payload;
use super::target::{Home, Target};
use super::wire::Wire;

/// Batches under way on one connection.
const IN_FLIGHT: usize = 12;
/// Batches between two looks at the journals.
const BATCHES_A_LOOK: u64 = 500;
/// What is appended at most while the journals are waited for.
const EXTRA_BYTES_MAX: u64 = 512 << 20;

/// Appends to the partitions of a topic in turn.
pub(crate) struct Fill<'a> {
    payload: &'a Payload,
    target: Target,
    /// A connection to each home, and what is unanswered on it.
    appenders: BTreeMap<Home, (Appender, usize)>,
    /// Each partition's home, and which one of those that it has it is.
    partitions: Vec<(Home, usize)>,
    turn: usize,
    records: u64,
    bytes: u64,
}

impl<'a> Fill<'a> {
    /// Opens all partitions of a topic.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn open(target: Target, topic: &str, payload: &'a Payload) -> Result<Fill<'a>> {
        let mut owned: BTreeMap<Home, Vec<u32>> = BTreeMap::new();
        let mut partitions = Vec::new();
        for (partition, home) in (0..).zip(target.homes(topic)?) {
            let theirs = owned.entry(home).or_default();
            partitions.push((home, theirs.len()));
            theirs.push(partition);
        }
        let mut appenders = BTreeMap::new();
        for (home, partitions) in owned {
            let opening = Opening { home, topic, partitions: &partitions, acks: Acks::All };
            appenders.insert(home, (Appender::open(target.protocol, &opening)?, 0));
        }
        Ok(Fill { payload, target, appenders, partitions, turn: 0, records: 0, bytes: 0 })
    }

    /// Appends until the log holds so many bytes, and everything is durable; gives the records.
    ///
    /// # Errors
    /// When the server is gone or refuses.
    pub(crate) fn up_to(&mut self, bytes: u64) -> Result<u64> {
        while self.bytes < bytes {
            self.append()?;
        }
        self.settle()?;
        Ok(self.records)
    }

    /// Goes on until the journals are as full as they get: just before a checkpoint frees them. The
    /// target is a native one.
    ///
    /// # Errors
    /// As for [`Fill::up_to`].
    pub(crate) fn until_journals_are_full(&mut self) -> Result<u64> {
        let mut wire = Wire::connect(self.target.address)?;
        let (mut fullest, end) = (0, self.bytes + EXTRA_BYTES_MAX);
        while self.bytes < end {
            for _ in 0..BATCHES_A_LOOK {
                self.append()?;
            }
            self.settle()?;
            let used = wire.counters()?.get("duramen_journal_files").copied().unwrap_or(0);
            if used < fullest {
                break;
            }
            fullest = used;
        }
        Ok(self.records)
    }

    fn append(&mut self) -> Result<()> {
        let (home, index) = self.partitions[self.turn % self.partitions.len()];
        let batch = self.payload.batch(self.turn);
        self.turn += 1;
        let Some((appender, in_flight)) = self.appenders.get_mut(&home) else {
            return Err(BenchError::Connection(format!("no connection to {home:?}")));
        };
        if *in_flight == IN_FLIGHT {
            appender.acknowledged()?;
            *in_flight -= 1;
        }
        appender.append(index, &batch.bytes)?;
        *in_flight += 1;
        self.records += batch.records;
        self.bytes += batch.bytes.len() as u64;
        Ok(())
    }

    /// Waits until everything is acknowledged.
    fn settle(&mut self) -> Result<()> {
        for (appender, in_flight) in self.appenders.values_mut() {
            for _ in 0..std::mem::take(in_flight) {
                appender.acknowledged()?;
            }
        }
        Ok(())
    }
}
