//! Fills a topic, for benchmarks of what is read or recovered.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::error::{BenchError, Result};
use super::payload::Payload;
use super::server::Server;
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
    /// A connection to each core, and what is unanswered on it.
    wires: BTreeMap<u16, (Wire, usize)>,
    /// Each partition's core and handle.
    handles: Vec<(u16, u32)>,
    turn: usize,
    records: u64,
    bytes: u64,
}

impl<'a> Fill<'a> {
    /// Opens all partitions of a topic.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn open(server: &Server, topic: &str, payload: &'a Payload) -> Result<Fill<'a>> {
        let described = Wire::connect(server.address())?.describe(topic)?;
        let mut wires = BTreeMap::new();
        let mut handles = Vec::new();
        for (partition, described) in (0..).zip(&described.partitions) {
            let core = described.core;
            let (wire, _) = match wires.entry(core) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert((Wire::connect_to(server.address(), core)?, 0)),
            };
            handles.push((core, wire.open(topic, partition)?));
        }
        Ok(Fill { payload, wires, handles, turn: 0, records: 0, bytes: 0 })
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

    /// Goes on until the journals are as full as they get: just before a checkpoint frees them.
    ///
    /// # Errors
    /// As for [`Fill::up_to`].
    pub(crate) fn until_journals_are_full(&mut self) -> Result<u64> {
        let (mut fullest, end) = (0, self.bytes + EXTRA_BYTES_MAX);
        while self.bytes < end {
            for _ in 0..BATCHES_A_LOOK {
                self.append()?;
            }
            self.settle()?;
            let Some((wire, _)) = self.wires.values_mut().next() else { break };
            let used = wire.counters()?.get("duramen_journal_files").copied().unwrap_or(0);
            if used < fullest {
                break;
            }
            fullest = used;
        }
        Ok(self.records)
    }

    fn append(&mut self) -> Result<()> {
        let (core, handle) = self.handles[self.turn % self.handles.len()];
        let batch = self.payload.batch(self.turn);
        self.turn += 1;
        let Some((wire, in_flight)) = self.wires.get_mut(&core) else {
            return Err(BenchError::Connection(format!("no connection to core {core}")));
        };
        if *in_flight == IN_FLIGHT {
            wire.acknowledged()?;
            *in_flight -= 1;
        }
        wire.send_append(handle, &batch.bytes)?;
        *in_flight += 1;
        self.records += batch.records;
        self.bytes += batch.bytes.len() as u64;
        Ok(())
    }

    /// Waits until everything is acknowledged.
    fn settle(&mut self) -> Result<()> {
        for (wire, in_flight) in self.wires.values_mut() {
            for _ in 0..std::mem::take(in_flight) {
                wire.acknowledged()?;
            }
        }
        Ok(())
    }
}
