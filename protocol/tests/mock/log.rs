//! A log in memory, and what it knows of its producers.

use std::collections::{HashMap, VecDeque};

use duramen_protocol::batch::{BatchHeader, BatchView, stamp};
use duramen_protocol::native::ErrorCode;
use duramen_protocol::native::messages::DurableBatch;

#[derive(Default)]
pub struct Log {
    pub start: i64,
    pub end: i64,
    /// By base offset.
    pub batches: Vec<(i64, Vec<u8>)>,
    producers: HashMap<i64, Producer>,
    /// Offsets that can't be served: from the first to below the second.
    pub corrupt: Option<(i64, i64)>,
}

struct Producer {
    epoch: i16,
    /// First and last sequence, base offset.
    last: VecDeque<(i32, i32, i64)>,
}

impl Log {
    /// Appends as the real server does: the base offset, and whether it was there before.
    pub fn append(&mut self, batch: &[u8]) -> Result<(i64, bool), ErrorCode> {
        let view = BatchView::parse(batch).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        let header = *view.header();
        if header.producer_id >= 0
            && let Some(offset) = self.judge(&header)?
        {
            return Ok((offset, true));
        }
        let mut bytes = batch.to_vec();
        stamp(&mut bytes, self.end, 1);
        self.batches.push((self.end, bytes));
        let base = self.end;
        self.end += i64::from(header.count);
        if header.producer_id >= 0 {
            let producer = self
                .producers
                .entry(header.producer_id)
                .or_insert(Producer { epoch: header.producer_epoch, last: VecDeque::new() });
            producer.last.push_back((header.base_sequence, header.last_sequence(), base));
            if producer.last.len() > 5 {
                producer.last.pop_front();
            }
        }
        Ok((base, false))
    }

    fn judge(&mut self, header: &BatchHeader) -> Result<Option<i64>, ErrorCode> {
        let Some(producer) = self.producers.get_mut(&header.producer_id) else { return Ok(None) };
        let (first, last) = (header.base_sequence, header.last_sequence());
        if producer.epoch == header.producer_epoch {
            let known = producer.last.iter().find(|(f, l, _)| (*f, *l) == (first, last));
            if let Some((_, _, offset)) = known {
                return Ok(Some(*offset));
            }
        }
        if header.producer_epoch < producer.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let expected = match producer.last.back() {
            Some((_, last, _)) if header.producer_epoch == producer.epoch => {
                last.wrapping_add(1) & i32::MAX
            }
            _ => 0,
        };
        if first != expected {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        if header.producer_epoch > producer.epoch {
            *producer = Producer { epoch: header.producer_epoch, last: VecDeque::new() };
        }
        Ok(None)
    }

    pub fn durable(&self, producer_id: i64, epoch: i16) -> Vec<DurableBatch> {
        let Some(producer) = self.producers.get(&producer_id) else { return Vec::new() };
        if producer.epoch != epoch {
            return Vec::new();
        }
        let entry = |&(first, last, base): &(i32, i32, i64)| DurableBatch {
            last_sequence: last,
            last_offset: base + i64::from(last.wrapping_sub(first) & i32::MAX),
        };
        producer.last.iter().map(entry).collect()
    }

    /// Forgets all producers, as after their time is up.
    pub fn forget_producers(&mut self) {
        self.producers.clear();
    }

    /// All but the newest batch of each producer, as a server that recovered from a snapshot.
    pub fn forget_all_but_last(&mut self) {
        for producer in self.producers.values_mut() {
            producer.last.drain(..producer.last.len().saturating_sub(1));
        }
    }

    /// The batches from the one on that holds `offset`.
    pub fn from(&self, offset: i64) -> &[(i64, Vec<u8>)] {
        let first = self.batches.partition_point(|(base, _)| *base <= offset).saturating_sub(1);
        if offset >= self.end { &[] } else { &self.batches[first..] }
    }

    pub fn values(&self) -> Vec<String> {
        let mut values = Vec::new();
        for (_, batch) in &self.batches {
            let records = BatchView::parse(batch).expect("stored whole").records().expect("whole");
            for record in &records {
                let value = record.expect("whole").value.unwrap_or_default().to_vec();
                values.push(String::from_utf8(value).expect("tests send text"));
            }
        }
        values
    }
}
