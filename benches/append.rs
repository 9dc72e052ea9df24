//! What an append costs the storage floor itself, on a disk that does each operation at once and
//! keeps nothing: staging, grouping, acknowledging, materialising, checkpoints.
//!
//! `cargo bench --bench append`

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use duramen::config::topic::TopicConfig;
use duramen::io::{Disk, Done, FileId, Now, Op, Output, Token};
use duramen::limits;
use duramen::storage::names::Layout;
use duramen::storage::{Event, JournalConfig, LogId, Refusal, Store, StoreConfig};
use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchBuilder, BatchHeader, Codec};
use duramen_protocol::files::journal::PartitionKey;

/// Takes everything, and keeps nothing. A read gives zeroes.
#[derive(Default)]
struct Instant {
    done: Vec<Done>,
}

impl Disk for Instant {
    fn submit(&mut self, token: Token, op: Op) {
        let output = match op {
            Op::Open { .. } => Output::Opened { len: 0 },
            Op::Read { mut into, .. } => {
                into.append_zeroes(into.room());
                Output::Read(into)
            }
            Op::Load { .. } => Output::Bytes(Vec::new()),
            Op::List { .. } => Output::Names(Vec::new()),
            _ => Output::Nothing,
        };
        self.done.push(Done { token, result: Ok(output) });
    }

    fn poll(&mut self, out: &mut Vec<Done>) {
        out.append(&mut self.done);
    }

    fn block_bytes(&self) -> usize {
        limits::BLOCK_BYTES
    }

    fn resident(&mut self, _: FileId, _: u64, _: u64) -> bool {
        true
    }
}

/// A store of `partitions` empty logs, and its clock.
struct Bench {
    store: Store<Instant>,
    logs: Vec<LogId>,
    events: Vec<Event>,
    now: Now,
}

impl Bench {
    fn new(partitions: u32) -> Bench {
        let layout = Layout::new("data");
        let config = StoreConfig {
            journal: JournalConfig {
                folder: layout.core(1, 0),
                core: 0,
                start_epoch: 1,
                file_bytes: limits::JOURNAL_FILE_BYTES,
                files_max: 16,
            },
            layout,
            journal_files_min: limits::JOURNAL_FILES_MIN,
            arena_bytes: limits::ARENA_BYTES,
            extent_bytes_min: duramen::limits::EXTENT_BYTES_MIN,
            no_sync: false,
            retention_check_ms: 300_000,
            producer_expiration_ms: 86_400_000,
        };
        let now = Now { monotonic_us: 0, wall_ms: 1_700_000_000_000 };
        let mut store = Store::open(Instant::default(), config, Vec::new(), now);
        let topic = TopicConfig::default();
        let topic = Arc::new(TopicConfig { retention_bytes: Some(1 << 30), ..topic });
        let logs = (0..partitions).map(|partition| {
            let key = PartitionKey { topic_id: TopicId([7; 16]), partition };
            store.add_log(key, "bench".into(), topic.clone())
        });
        let logs = logs.collect();
        Bench { store, logs, events: Vec::new(), now }
    }

    fn tick(&mut self) {
        self.now.monotonic_us += 100;
        self.store.advance(self.now);
        self.events.clear();
        self.store.collect(self.now, &mut self.events);
    }

    /// Appends `batch` to each log, and ticks until all of it is durable.
    fn append(&mut self, batch: &[u8], header: &BatchHeader) {
        for i in 0..self.logs.len() {
            loop {
                match self.store.append(self.logs[i], batch, header, self.now) {
                    Ok(_) => break,
                    Err(Refusal::Wait) => self.tick(),
                    Err(refusal) => panic!("{refusal}"),
                }
            }
        }
        let last = self.logs[self.logs.len() - 1];
        while self.store.status(last).durable < self.store.status(last).next {
            self.tick();
        }
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for (name, records, partitions) in [
        ("1 KB, alone", 1, 1),
        ("1 KB, 64 partitions in a group", 1, 64),
        ("1000 KB, alone", 1000, 1),
    ] {
        let mut builder = BatchBuilder::new(Codec::None);
        for _ in 0..records {
            builder.append(1_700_000_000_000, None, Some(&[7; 1000]), &[]).unwrap();
        }
        let batch = builder.finish().unwrap();
        let header = BatchHeader::parse(&batch).unwrap();
        let mut bench = Bench::new(partitions);
        group.throughput(Throughput::Bytes(batch.len() as u64 * u64::from(partitions)));
        group.bench_function(name, |bencher| bencher.iter(|| bench.append(&batch, &header)));
    }
    group.finish();
}

criterion_group!(benches, append);
criterion_main!(benches);
