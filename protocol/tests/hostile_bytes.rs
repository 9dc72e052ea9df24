//! Whatever the bytes, nothing panics, nothing loops, nothing believes a length.

use duramen_protocol::batch::{
    BatchBuilder, BatchHeader, BatchView, Codec, ProduceLimits, TimestampType, batches,
    check_produce, layout,
};
use duramen_protocol::files::offset_index::OffsetIndex;
use duramen_protocol::files::time_index::TimeIndex;
use duramen_protocol::files::{leader_epochs, partition_metadata, producer_snapshot, txn_index};
use fastrand::Rng;

const MAX_BYTES: usize = 1 << 20;

fn batch(random: &mut Rng, codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for i in 0..random.i64(1..20) {
        let value: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..4)).collect();
        let key = random.bool().then_some(&b"key"[..]);
        builder
            .append(1_750_000_000_000 + i, key, Some(&value), &[("h", None), ("g", Some(b"1"))])
            .unwrap();
    }
    builder.finish().unwrap()
}

/// A whole batch with a CRC that fits, so that what lies behind the CRC is reached.
fn seal(bytes: &mut [u8]) {
    if bytes.len() >= layout::HEADER_LEN {
        let length = (bytes.len() - layout::LOG_OVERHEAD) as i32;
        bytes[layout::LENGTH..][..4].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[layout::ATTRIBUTES..]);
        bytes[layout::CRC..][..4].copy_from_slice(&crc.to_be_bytes());
    }
}

fn damage(random: &mut Rng, bytes: &mut Vec<u8>) {
    if random.u8(..4) == 0 {
        bytes.truncate(random.usize(..=bytes.len()));
    }
    for _ in 0..random.usize(1..5) {
        let kind = random.u8(..3);
        let noise = random.u8(..);
        let Some(byte) = random.choice(bytes.iter_mut()) else { return };
        *byte = match kind {
            0 => *byte ^ 1 << (noise % 8),
            1 => 0xff,
            _ => noise,
        };
    }
}

/// Reads everything there is to read.
fn read(bytes: &[u8]) {
    let limits = ProduceLimits {
        max_message_bytes: MAX_BYTES,
        now_ms: 1_750_000_000_000,
        before_max_ms: i64::MAX,
        after_max_ms: i64::MAX,
        timestamp_type: TimestampType::CreateTime,
        compacted: false,
    };
    let _ = BatchHeader::peek_size(bytes);
    let checked = check_produce(bytes, &limits);
    for (position, view) in batches(bytes) {
        assert!(position < bytes.len());
        let Ok(view) = view else { break };
        let header = view.header();
        let _ = (header.next_offset(), header.last_sequence(), header.first_timestamp());
        let Ok(records) = view.records_within(MAX_BYTES) else { continue };
        let read: Result<usize, _> = records
            .iter()
            .map(|record| {
                record.map(|record| assert_eq!(record.headers().count(), record.headers().len()))
            })
            .try_fold(0, |count, record| record.map(|()| count + 1));
        match read {
            Ok(count) => assert_eq!(count, header.count as usize),
            Err(error) => {
                let closed = header.attributes.codec() != Ok(Codec::None);
                assert!(checked.is_err() || closed, "passed the gate, but: {error}");
            }
        }
    }
}

#[test]
fn damaged_batches_never_panic() {
    let mut random = Rng::with_seed(20);
    for round in 0..20_000 {
        let codec = Codec::ALL[round % Codec::ALL.len()];
        let mut bytes = batch(&mut random, codec);
        damage(&mut random, &mut bytes);
        if random.bool() {
            seal(&mut bytes);
        }
        read(&bytes);
    }
}

#[test]
fn noise_never_panics() {
    let mut random = Rng::with_seed(21);
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
        if bytes.len() > layout::MAGIC_BYTE {
            bytes[layout::MAGIC_BYTE] = 2;
        }
        if random.bool() {
            seal(&mut bytes);
        }
        read(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = leader_epochs::decode(&text);
        let _ = partition_metadata::decode(&text);
        let _ = producer_snapshot::decode(&bytes);
        let _ = txn_index::decode(&bytes);
        let base_offset = random.i64(..);
        let index = OffsetIndex::new(base_offset, &bytes);
        assert!(index.valid_bytes() <= bytes.len());
        let _ = (index.lookup(random.i64(..)), index.last(), index.iter().count());
        let index = TimeIndex::new(base_offset, &bytes);
        assert!(index.valid_bytes() <= bytes.len());
        let _ = (index.lookup(random.i64(..)), index.last(), index.iter().count());
    }
}

#[test]
fn a_cut_anywhere_is_told_from_damage() {
    let mut random = Rng::with_seed(22);
    let mut log = Vec::new();
    for _ in 0..3 {
        log.extend(batch(&mut random, Codec::None));
    }
    let ends: Vec<usize> =
        batches(&log).map(|(at, view)| at + view.unwrap().bytes().len()).collect();
    for n in 0..=log.len() {
        let walked: Vec<_> = batches(&log[..n]).collect();
        let whole = ends.iter().filter(|&&end| end <= n).count();
        assert_eq!(walked.iter().filter(|(_, view)| view.is_ok()).count(), whole, "cut to {n}");
        let at_an_end = n == 0 || ends.contains(&n);
        assert_eq!(walked.last().is_some_and(|(_, view)| view.is_err()), !at_an_end, "cut to {n}");
    }
}

#[test]
fn a_wrong_length_is_noticed_too() {
    // The one checked field that stands before the CRC's range.
    let batch = batch(&mut Rng::with_seed(23), Codec::None);
    for bit in layout::LENGTH * 8..layout::LEADER_EPOCH * 8 {
        let mut bytes = batch.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes.resize(batch.len() * 2, 0);
        assert!(BatchView::parse(&bytes).is_err(), "bit {bit}");
    }
}
