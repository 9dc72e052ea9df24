//! What the simulation knows must be so.

use duramen_protocol::batch::{BatchBuilder, BatchHeader, Codec, stamp};

/// A batch that was staged.
#[derive(Clone, Debug)]
pub struct Batch {
    pub base: u64,
    pub last: u64,
    /// As it must stand in the log.
    pub stored: Vec<u8>,
    /// As it was sent.
    pub sent: Vec<u8>,
    pub producer: Option<usize>,
}

/// A producer, as a client keeps it.
#[derive(Clone, Debug)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
    pub next_sequence: i32,
}

/// One partition.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    /// Everything that was staged and not lost, in order.
    pub batches: Vec<Batch>,
    /// Offsets below were acknowledged.
    pub acknowledged: u64,
    /// The log start that was acknowledged, and the highest asked for.
    pub log_start: u64,
    pub log_start_asked: u64,
    pub producers: Vec<Producer>,
}

impl Partition {
    pub fn next(&self) -> u64 {
        self.batches.last().map_or(0, |b| b.last + 1)
    }

    /// The bytes that a reader from the batch that holds `offset` must get, up to `end`.
    pub fn bytes(&self, offset: u64, end: u64) -> Vec<u8> {
        let wanted = self.batches.iter().filter(|b| b.last >= offset && b.base < end);
        wanted.flat_map(|b| b.stored.iter().copied()).collect()
    }

    /// After a restart: what is not there any more never was.
    pub fn cut(&mut self, next: u64) {
        self.batches.retain(|b| b.base < next);
        self.acknowledged = next;
        for i in 0..self.producers.len() {
            let last = self.batches.iter().rev().find(|b| b.producer == Some(i));
            let header = last.map(|b| BatchHeader::parse(&b.sent).expect("our own batch"));
            self.producers[i].next_sequence = header.map_or(0, |h| next_sequence(&h));
            self.producers[i].epoch = header.map_or(0, |h| h.producer_epoch);
        }
    }
}

fn next_sequence(header: &BatchHeader) -> i32 {
    header.last_sequence().checked_add(1).unwrap_or(0)
}

/// Makes a batch of `count` records of about `size` bytes each.
pub fn make_batch(
    rng: &mut fastrand::Rng,
    count: usize,
    size: usize,
    time_ms: i64,
    producer: Option<&Producer>,
) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    if let Some(p) = producer {
        builder.set_producer(p.id, p.epoch, p.next_sequence);
    }
    for _ in 0..count {
        let mut value = vec![0; rng.usize(0..=size)];
        rng.fill(&mut value);
        builder.append(time_ms + rng.i64(0..5), None, Some(&value), &[]).expect("small records");
    }
    builder.finish().expect("an uncompressed batch")
}

/// The batch as it stands in the log.
pub fn stored(sent: &[u8], base: u64, epoch: u32) -> Vec<u8> {
    let mut bytes = sent.to_vec();
    stamp(&mut bytes, base as i64, epoch as i32);
    bytes
}
