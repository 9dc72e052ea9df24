//! Reading and searching, held against the model.

use duramen_protocol::batch::BatchView;

use super::world::{Checked, World};
use crate::io::fake::Fake;
use crate::storage::log::LogId;
use crate::storage::store::Event;
use crate::storage::{Cursor, Data, From, Piece, Read, ReadError, Search, Target};

impl World {
    pub fn read_some(&mut self) -> Checked {
        let p = self.rng.usize(0..self.partitions.len());
        let start = self.store_status(p).log_start;
        let end = self.partitions[p].acknowledged;
        if start >= end {
            return Ok(());
        }
        let from = self.rng.u64(start..end);
        self.read_and_compare(p, from, self.partitions[p].acknowledged)
    }

    pub fn store_status(&mut self, p: usize) -> crate::storage::LogStatus {
        let log = self.logs[p];
        self.store().status(log)
    }

    /// Reads from an offset to the durable end and holds it against the model.
    pub fn read_and_compare(&mut self, p: usize, from: u64, at_least: u64) -> Checked {
        let log = self.logs[p];
        let mut got = Vec::new();
        let mut next = From::Offset(from);
        loop {
            let max_bytes = self.rng.u64(1..60_000);
            let Some((bytes, cursor)) = self.read_once(p, log, next, max_bytes)? else {
                return Ok(());
            };
            let end = bytes.is_empty();
            got.extend(bytes);
            next = From::Cursor(cursor);
            if end {
                break;
            }
        }
        let durable = self.store_status(p).durable;
        let acknowledged = self.partitions[p].acknowledged;
        if durable > acknowledged.max(at_least) && !self.latched {
            // Durable is told by an event that this read's ticks have taken.
            return Err(format!("partition {p}: durable {durable} past {acknowledged} told"));
        }
        let wanted = self.partitions[p].bytes(from, durable);
        let shown = got.len().min(wanted.len());
        if got[..shown] != wanted[..shown] || got.len() > wanted.len() {
            return Err(self.describe_difference(p, from, &got, &wanted));
        }
        let told = self.partitions[p].bytes(from, at_least).len();
        if got.len() < told {
            return Err(format!("partition {p}: {} of {told} acknowledged bytes", got.len()));
        }
        Ok(())
    }

    fn describe_difference(&self, p: usize, from: u64, got: &[u8], wanted: &[u8]) -> String {
        let at = got.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or(wanted.len());
        let mut seen = 0;
        let batch = self.partitions[p].batches.iter().filter(|b| b.last >= from).find(|b| {
            seen += b.stored.len();
            seen > at
        });
        format!(
            "partition {p}: read from {from} differs at byte {at} of {} (wanted {}), in the batch at {:?}",
            got.len(),
            wanted.len(),
            batch.map(|b| b.base)
        )
    }

    /// One read, driven to its end. `None` when it has to be given up.
    fn read_once(
        &mut self,
        p: usize,
        log: LogId,
        from: From,
        max_bytes: u64,
    ) -> Checked<Option<(Vec<u8>, Cursor)>> {
        let result = match self.store().read(log, from, max_bytes) {
            Read::Data(data) => Ok(data),
            Read::Error(error) => Err(error),
            Read::Pending(id) => self.wait_for(p, |event| match event {
                Event::Read(i, result) if i == id => Ok(result),
                other => Err(other),
            })?,
        };
        match result {
            Ok(data) => {
                let bytes = bytes_of(&data, self.disk());
                match bytes.len() as u64 == data.bytes {
                    true => Ok(Some((bytes, data.next))),
                    false => Err(format!(
                        "partition {p}: {} bytes said, {} there",
                        data.bytes,
                        bytes.len()
                    )),
                }
            }
            // Retention passed it.
            Err(ReadError::OutOfRange { .. }) => Ok(None),
            Err(other) => {
                self.print_log(self.disk());
                let log = self.store.as_ref().and_then(|s| s.logs.get(log));
                Err(format!("partition {p} from {from:?}: {other}; {log:#?}"))
            }
        }
    }

    /// Ticks until one of the events is the one that is waited for; the others are taken in.
    fn wait_for<T>(&mut self, p: usize, wanted: impl Fn(Event) -> Result<T, Event>) -> Checked<T> {
        let mut outcome = None;
        for _ in 0..100_000 {
            let now = self.now;
            let mut events = Vec::new();
            self.store().collect(now, &mut events);
            for event in events {
                match wanted(event) {
                    Ok(it) => outcome = Some(it),
                    Err(other) => self.take(other),
                }
            }
            self.store().advance(now);
            self.now.monotonic_us += 100;
            if let Some(it) = outcome {
                return Ok(it);
            }
        }
        Err(format!("partition {p}: a read or a search never ended"))
    }

    pub fn search(&mut self) -> Checked {
        let p = self.rng.usize(0..self.partitions.len());
        let log = self.logs[p];
        let timestamp = self.now.wall_ms - self.rng.i64(-5..300);
        let durable = self.store_status(p).durable;
        let result = match self.store().find_offset(log, Target::Timestamp(timestamp)) {
            Search::Found(found) => Ok(found),
            Search::Error(error) => Err(error),
            Search::Pending(id) => self.wait_for(p, |event| match event {
                Event::Found(i, result) if i == id => Ok(result),
                other => Err(other),
            })?,
        };
        let found = result.map_err(|error| format!("partition {p}: {error}"))?;
        self.check_found(p, timestamp, durable, found)
    }

    /// `durable` is where the log ended when the search began.
    fn check_found(
        &mut self,
        p: usize,
        timestamp: i64,
        durable: u64,
        found: Option<(u64, i64)>,
    ) -> Checked {
        let status = self.store_status(p);
        let mut wanted = None;
        'all: for batch in &self.partitions[p].batches {
            let view = BatchView::parse(&batch.stored).expect("our own batch");
            for record in view.records().expect("uncompressed").iter() {
                let record = record.expect("our own record");
                let offset = record.offset as u64;
                if offset >= status.log_start
                    && offset < status.durable
                    && record.timestamp >= timestamp
                {
                    wanted = Some((offset, record.timestamp));
                    break 'all;
                }
            }
        }
        // The log may have grown, or its start moved, between the search and now.
        let plausible = match (found, wanted) {
            (None, Some((offset, _))) => offset >= durable,
            (Some((offset, _)), _) if offset < status.log_start => true,
            _ => found == wanted,
        };
        if plausible {
            Ok(())
        } else {
            Err(format!("partition {p}: first at {timestamp}: {found:?}, not {wanted:?}"))
        }
    }
}

/// The bytes that a read gives.
pub fn bytes_of(data: &Data, disk: &Fake) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in &data.pieces {
        match piece {
            Piece::Memory(slice) => bytes.extend_from_slice(slice),
            Piece::File { file, at, len } => bytes.extend(disk.peek(*file, *at, *len)),
        }
    }
    bytes
}
