//! The formats' inner loops: what the engine does once a batch, once a frame, once a lookup.
//!
//! `cargo bench --bench formats` runs all; a word after `--` those whose names hold it.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use duramen_protocol::TopicId;
use duramen_protocol::batch::compression::{compress, decompress};
use duramen_protocol::batch::{
    BatchBuilder, BatchView, Codec, ProduceLimits, TimestampType, batches, check_produce, stamp,
};
use duramen_protocol::files::journal::{
    Entry, EntryBody, GROUP_HEADER_LEN, Group, GroupHeader, PartitionKey,
};
use duramen_protocol::files::offset_index::{OffsetEntry, OffsetIndex};
use duramen_protocol::native::frame::{self, FrameHeader, HEADER_LEN};
use duramen_protocol::native::messages::{AppendAnswer, Read};
use duramen_protocol::native::{Opcode, Request};

const NOW_MS: i64 = 1_700_000_000_000;
/// A frame is bounded by this.
const MAX_FRAME_BYTES: u32 = 8 << 20;

/// A batch of `records` records of 1 KB.
fn batch(records: usize, codec: Codec) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut builder = BatchBuilder::new(codec);
    let mut value = [0; 1000];
    for _ in 0..records {
        random.fill(&mut value);
        builder.append(NOW_MS, Some(b"key"), Some(&value), &[]).unwrap();
    }
    builder.finish().unwrap()
}

fn limits() -> ProduceLimits {
    ProduceLimits {
        max_message_bytes: 8 << 20,
        now_ms: NOW_MS,
        before_max_ms: i64::MAX,
        after_max_ms: 3_600_000,
        timestamp_type: TimestampType::CreateTime,
        compacted: false,
    }
}

fn produce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("produce");
    for (name, records, codec) in
        [("1", 1, Codec::None), ("1000", 1000, Codec::None), ("1000 lz4", 1000, Codec::Lz4)]
    {
        let batch = batch(records, codec);
        let limits = limits();
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function(format!("check/{name} records"), |bencher| {
            bencher.iter(|| check_produce(black_box(&batch), &limits).unwrap());
        });
    }
    let mut one = batch(1, Codec::None);
    group.throughput(Throughput::Elements(1));
    group.bench_function("stamp", |bencher| {
        bencher.iter(|| stamp(black_box(&mut one), black_box(17), black_box(3)));
    });
    group.finish();
}

/// What a producer and a consumer pay for each codec; the server passes compressed batches through.
fn codecs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    // Words repeat, as in what people log.
    let words = ["signed in ", "signed out ", "user=17 ", "order=4711 ", "GET /index.html "];
    let mut random = fastrand::Rng::with_seed(3);
    let text: Vec<u8> =
        (0..100_000).flat_map(|_| words[random.usize(0..words.len())].bytes()).collect();
    let text = &text[..1_000_000];
    group.throughput(Throughput::Bytes(text.len() as u64));
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let packed = compress(codec, None, text).unwrap();
        group.bench_function(format!("{}/compress", codec.name()), |bencher| {
            bencher.iter(|| compress(codec, None, black_box(text)).unwrap());
        });
        group.bench_function(format!("{}/decompress", codec.name()), |bencher| {
            bencher.iter(|| decompress(codec, black_box(&packed), text.len()).unwrap());
        });
    }
    group.finish();
}

/// What a scan of a segment does: from batch to batch, each one's checksum on the way.
fn scan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    for (name, records) in [("1 record", 1), ("100 records", 100)] {
        let one = batch(records, Codec::None);
        let segment = one.repeat((4 << 20) / one.len());
        group.throughput(Throughput::Bytes(segment.len() as u64));
        group.bench_function(format!("batches of {name}"), |bencher| {
            bencher.iter(|| batches(black_box(&segment)).filter(|(_, b)| b.is_ok()).count());
        });
    }
    let batch = batch(1000, Codec::None);
    let view = BatchView::parse(&batch).unwrap();
    group.throughput(Throughput::Elements(1000));
    group.bench_function("records of a batch", |bencher| {
        bencher.iter(|| view.records().unwrap().iter().filter(Result::is_ok).count());
    });
    group.finish();
}

fn index(criterion: &mut Criterion) {
    // Of a segment of 1 GiB with an entry each 4 KiB.
    let entries = (0..1 << 18).map(|i| OffsetEntry { offset: 3 * i, position: 4096 * i as u32 });
    let bytes: Vec<u8> = entries.flat_map(|entry| entry.encode(0)).collect();
    let mut random = fastrand::Rng::with_seed(2);
    criterion.bench_function("index/lookup", |bencher| {
        bencher.iter(|| OffsetIndex::new(0, &bytes).lookup(random.i64(0..3 << 18)));
    });
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    let read = Read { offset: 1 << 40, max_bytes: 1 << 20, min_bytes: 1, max_wait_ms: 500 };
    let request = frame::request(7, 3, &read);
    group.bench_function("request/encode", |bencher| {
        bencher.iter(|| frame::request(black_box(7), 3, black_box(&read)));
    });
    group.bench_function("request/decode", |bencher| {
        bencher.iter(|| {
            let bytes = black_box(&request[..]);
            let header = FrameHeader::decode(bytes, MAX_FRAME_BYTES).unwrap().unwrap();
            let kind = Request::decode(&header, &bytes[HEADER_LEN..]).unwrap();
            matches!(kind, Request::Read(_))
        });
    });
    group.bench_function("answer/encode", |bencher| {
        let answer = AppendAnswer { base_offset: 1 << 40, log_append_time_ms: -1 };
        bencher.iter_batched_ref(
            bytes::BytesMut::new,
            |out| frame::put_answer(out, Opcode::Append, black_box(7), 3, &answer),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    let batch = batch(1, Codec::None);
    let key = PartitionKey { topic_id: TopicId([7; 16]), partition: 1 };
    let body = EntryBody::Batches { segment_base: 0, position: 0, before: &[], batches: &batch };
    let encode = |entries: u32| {
        let mut bytes = vec![0; GROUP_HEADER_LEN];
        (0..entries).for_each(|_| Entry { key, body }.encode(&mut bytes));
        let payload = &bytes[GROUP_HEADER_LEN..];
        let header = GroupHeader {
            header_crc: 0,
            payload_crc: crc32c::crc32c(payload),
            group_len: bytes.len().next_multiple_of(4096) as u32,
            payload_len: payload.len() as u32,
            entry_count: entries,
            generation: 1,
            sequence: 1,
            acknowledged: 0,
            previous_crc: 0,
            start_epoch: 1,
            core: 0,
            successor: None,
        };
        header.encode(&mut bytes);
        bytes
    };
    for entries in [1, 64] {
        let bytes = encode(entries);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("group of {entries}/encode"), |bencher| {
            bencher.iter(|| encode(black_box(entries)));
        });
        group.bench_function(format!("group of {entries}/parse"), |bencher| {
            bencher.iter(|| Group::parse(black_box(&bytes)).unwrap().entries().count());
        });
    }
    group.finish();
}

criterion_group!(benches, produce, codecs, scan, index, frames, journal);
criterion_main!(benches);
