//! Idempotent producers: check first, then apply.
//!
//! A partition remembers the last five batches of each producer, as Kafka does. A batch is
//! checked in this order, which is Kafka's:
//!
//! 1. same epoch and exactly the sequences of a remembered batch: a duplicate, nothing appended;
//! 2. a lower epoch: refused;
//! 3. a higher epoch: the first sequence must be 0, and what was remembered is forgotten;
//! 4. the same epoch: the first sequence must follow the last;
//! 5. an unknown producer: any sequence.
//!
//! State is applied when a batch is staged, or pipelined sequences would fail. A checkpoint
//! wants the state as it was at an earlier, durable offset: so beside the last five, batches
//! that are not durable yet never push out those that are ([`Producer::settle`]).

use std::collections::{BTreeMap, VecDeque};

use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::checkpoint::{ProducerBatch, ProducerRecord};
use duramen_protocol::files::producer_snapshot::{self, ProducerEntry};

/// Batches remembered of each producer.
const REMEMBERED: usize = 5;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To be appended.
    New,
    /// Appended before, there.
    Duplicate(ProducerBatch),
}

/// Why a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    #[error("producer {producer_id} has epoch {current}, the batch is of epoch {got}")]
    OldEpoch { producer_id: i64, current: i16, got: i16 },
    #[error(
        "producer {producer_id} must go on with sequence {expected}, the batch begins with {got}"
    )]
    OutOfOrder { producer_id: i64, expected: i32, got: i32 },
}

#[derive(Clone, Debug)]
struct Producer {
    epoch: i16,
    /// Oldest first; never empty.
    batches: VecDeque<ProducerBatch>,
    /// The server's clock at the last batch, for expiry.
    seen_ms: i64,
}

/// The producers of one partition.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    by_id: BTreeMap<i64, Producer>,
}

impl Producers {
    /// Holds a batch against what is remembered. Batches without a producer id are new.
    ///
    /// # Errors
    /// When epoch or sequence don't fit.
    pub fn check(&self, header: &BatchHeader) -> Result<Verdict, SequenceError> {
        let Some(producer) = self.by_id.get(&header.producer_id) else {
            return Ok(Verdict::New);
        };
        let (first, last) = (header.base_sequence, header.last_sequence());
        let (producer_id, got) = (header.producer_id, header.producer_epoch);
        if got == producer.epoch {
            let same = |b: &&ProducerBatch| b.first_sequence == first && b.last_sequence == last;
            if let Some(batch) = producer.batches.iter().rev().take(REMEMBERED).find(same) {
                return Ok(Verdict::Duplicate(*batch));
            }
        }
        if got < producer.epoch {
            return Err(SequenceError::OldEpoch { producer_id, current: producer.epoch, got });
        }
        let expected = if got > producer.epoch { 0 } else { producer.next_sequence() };
        if first != expected {
            return Err(SequenceError::OutOfOrder { producer_id, expected, got: first });
        }
        Ok(Verdict::New)
    }

    /// Remembers a batch that was staged at `base_offset`. `durable` is the offset below which
    /// everything is on stable storage.
    pub fn apply(&mut self, header: &BatchHeader, base_offset: u64, durable: u64, now_ms: i64) {
        if !header.has_producer_id() {
            return;
        }
        let batch = ProducerBatch {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            first_offset: base_offset,
            last_offset: base_offset + header.last_offset_delta as u64,
            timestamp_ms: header.max_timestamp,
        };
        let producer = self.by_id.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            batches: VecDeque::new(),
            seen_ms: now_ms,
        });
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        producer.batches.push_back(batch);
        producer.seen_ms = now_ms;
        producer.settle(durable);
    }

    /// The last five batches of a producer and exactly this epoch that are durable, oldest first.
    pub fn last_durable(&self, producer_id: i64, epoch: i16, durable: u64) -> Vec<ProducerBatch> {
        let producer = self.by_id.get(&producer_id).filter(|p| p.epoch == epoch);
        producer.map_or_else(Vec::new, |p| p.last_below(durable))
    }

    /// Forgets producers not heard of since `before_ms`, none of whose batches is in flight.
    pub fn expire(&mut self, before_ms: i64, durable: u64) {
        self.by_id.retain(|_, p| {
            p.seen_ms >= before_ms || p.batches.back().is_some_and(|b| b.last_offset >= durable)
        });
    }

    /// The state as it was at `offset`, for a checkpoint: the last five batches below it.
    pub fn records_below(&self, offset: u64) -> Vec<ProducerRecord> {
        self.by_id
            .iter()
            .map(|(&producer_id, p)| ProducerRecord {
                producer_id,
                epoch: p.epoch,
                batches: p.last_below(offset),
            })
            .filter(|r| !r.batches.is_empty())
            .collect()
    }

    /// The bytes of a Kafka producer snapshot for `offset`, above everything staged.
    pub fn snapshot(&self, offset: u64) -> Vec<u8> {
        let entries: Vec<ProducerEntry> = self
            .records_below(offset)
            .into_iter()
            .filter_map(|r| {
                let last = r.batches.last()?;
                Some(ProducerEntry {
                    producer_id: r.producer_id,
                    producer_epoch: r.epoch,
                    last_sequence: last.last_sequence,
                    last_offset: last.last_offset as i64,
                    offset_delta: (last.last_offset - last.first_offset) as i32,
                    timestamp: last.timestamp_ms,
                    coordinator_epoch: -1,
                    current_txn_first_offset: -1,
                })
            })
            .collect();
        producer_snapshot::encode(&entries)
    }

    /// The state that `records` describe.
    pub fn from_records(records: &[ProducerRecord], now_ms: i64) -> Producers {
        let by_id = records.iter().filter(|r| !r.batches.is_empty()).map(|r| {
            let batches = r.batches.iter().copied().collect();
            (r.producer_id, Producer { epoch: r.epoch, batches, seen_ms: now_ms })
        });
        Producers { by_id: by_id.collect() }
    }
}

impl Producer {
    fn next_sequence(&self) -> i32 {
        match self.batches.back().map(|b| b.last_sequence) {
            Some(i32::MAX) | None => 0,
            Some(last) => last + 1,
        }
    }

    /// The last five batches below an offset, oldest first.
    fn last_below(&self, offset: u64) -> Vec<ProducerBatch> {
        let below = self.batches.partition_point(|b| b.last_offset < offset);
        self.batches.range(below.saturating_sub(REMEMBERED)..below).copied().collect()
    }

    /// Forgets what is older than the last five batches, counting durable ones only.
    fn settle(&mut self, durable: u64) {
        while self.batches.get(REMEMBERED).is_some_and(|b| b.last_offset < durable) {
            self.batches.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use duramen_protocol::batch::{BatchBuilder, Codec};

    use super::*;

    fn batch(epoch: i16, first: i32, count: i32) -> BatchHeader {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.set_producer(7, epoch, first);
        for i in 0..count {
            builder.append(i.into(), None, Some(b"v"), &[] as &[(&str, Option<&[u8]>)]).unwrap();
        }
        BatchHeader::parse(&builder.finish().unwrap()).unwrap()
    }

    fn append(p: &mut Producers, b: &BatchHeader, offset: u64) -> Result<Verdict, SequenceError> {
        let verdict = p.check(b)?;
        if verdict == Verdict::New {
            p.apply(b, offset, u64::MAX, 0);
        }
        Ok(verdict)
    }

    fn is_duplicate_at(verdict: Result<Verdict, SequenceError>, offset: u64) -> bool {
        matches!(verdict, Ok(Verdict::Duplicate(b)) if b.first_offset == offset)
    }

    #[test]
    fn the_last_five_are_duplicates_the_sixth_last_is_out_of_order() {
        let mut p = Producers::default();
        for i in 0..6 {
            append(&mut p, &batch(0, i * 2, 2), i as u64 * 2).unwrap();
        }
        for i in 1..6 {
            assert!(is_duplicate_at(p.check(&batch(0, i * 2, 2)), i as u64 * 2));
        }
        let expected = SequenceError::OutOfOrder { producer_id: 7, expected: 12, got: 0 };
        assert_eq!(p.check(&batch(0, 0, 2)), Err(expected));
        // The same first sequence with another count is no duplicate.
        assert!(p.check(&batch(0, 10, 1)).is_err());
    }

    #[test]
    fn epochs_rise_from_sequence_zero() {
        let mut p = Producers::default();
        append(&mut p, &batch(3, 40, 1), 0).unwrap();
        assert!(matches!(p.check(&batch(2, 41, 1)), Err(SequenceError::OldEpoch { .. })));
        assert!(matches!(p.check(&batch(2, 40, 1)), Err(SequenceError::OldEpoch { .. })));
        assert!(matches!(p.check(&batch(4, 41, 1)), Err(SequenceError::OutOfOrder { .. })));
        append(&mut p, &batch(4, 0, 1), 1).unwrap();
        assert!(is_duplicate_at(p.check(&batch(4, 0, 1)), 1));
    }

    #[test]
    fn sequences_wrap() {
        let mut p = Producers::default();
        append(&mut p, &batch(0, i32::MAX - 1, 2), 0).unwrap();
        append(&mut p, &batch(0, 0, 1), 2).unwrap();
        append(&mut p, &batch(0, 1, 1), 3).unwrap();
        // One that wraps inside.
        let mut q = Producers::default();
        append(&mut q, &batch(0, i32::MAX, 3), 0).unwrap();
        assert_eq!(append(&mut q, &batch(0, 2, 1), 3), Ok(Verdict::New));
    }

    #[test]
    fn a_checkpoint_finds_the_state_of_an_earlier_offset() {
        let mut p = Producers::default();
        for i in 0..12u64 {
            p.apply(&batch(0, i as i32, 1), i, 6, 0);
        }
        let records = p.records_below(6);
        let offsets: Vec<u64> = records[0].batches.iter().map(|b| b.first_offset).collect();
        assert_eq!(offsets, [1, 2, 3, 4, 5]);
        let back = Producers::from_records(&records, 0);
        assert!(is_duplicate_at(back.check(&batch(0, 5, 1)), 5));
        assert_eq!(back.check(&batch(0, 6, 1)), Ok(Verdict::New));
    }

    #[test]
    fn a_client_that_reconnects_is_told_the_last_five_that_are_durable() {
        let mut p = Producers::default();
        for i in 0..12u64 {
            p.apply(&batch(0, i as i32, 1), i, 6, 0);
        }
        let told = |epoch, durable| -> Vec<(i32, u64)> {
            let batches = p.last_durable(7, epoch, durable);
            batches.iter().map(|b| (b.last_sequence, b.last_offset)).collect()
        };
        assert_eq!(told(0, 6), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        assert_eq!(told(0, 8), [(3, 3), (4, 4), (5, 5), (6, 6), (7, 7)]);
        assert_eq!((told(0, 0), told(1, 6)), (vec![], vec![]));
        assert_eq!(p.last_durable(8, 0, 6), []);
    }

    #[test]
    fn idle_producers_expire_unless_in_flight() {
        let mut p = Producers::default();
        p.apply(&batch(0, 0, 1), 0, 0, 100);
        p.expire(101, 0);
        assert_eq!(p.by_id.len(), 1);
        p.expire(101, 1);
        assert!(p.by_id.is_empty());
    }
}
