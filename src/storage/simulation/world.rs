//! A store on a fake disk, and what is done to it, step by step. What is read back is checked in
//! `reads`, what a restart finds in `restarts`.

use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::catalog::{CatalogFile, TopicRecord};

use super::model::{self, Batch, Partition, Producer};
use super::restarts::Way;
use crate::config::topic::TopicConfig;
use crate::io::fake::{Fake, Filter, Kind};
use crate::io::{ErrorKind, Now};
use crate::storage::log::LogId;
use crate::storage::names::Layout;
use crate::storage::stage::Refusal;
use crate::storage::store::{Event, Store, StoreConfig};

pub const TOPIC: TopicId = TopicId([7; 16]);
const MAX_MESSAGE: usize = 24_000;

/// One seed's world.
pub struct World {
    pub rng: fastrand::Rng,
    pub store: Option<Store<Fake>>,
    pub layout: Layout,
    pub journal_file_bytes: u64,
    /// From which size on runs skip the journal; in some worlds none does.
    pub extent_bytes_min: u64,
    pub config: Arc<TopicConfig>,
    pub partitions: Vec<Partition>,
    pub logs: Vec<LogId>,
    pub epoch: u32,
    pub now: Now,
    /// The disk failed; nothing is acknowledged until a restart.
    pub latched: bool,
    step: u64,
}

pub type Checked<T = ()> = Result<T, String>;

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let count = rng.usize(1..=4);
        let config = TopicConfig {
            segment_bytes: rng.u64(20_000..200_000),
            max_message_bytes: MAX_MESSAGE as u32,
            index_interval_bytes: rng.u32(100..5000),
            retention_bytes: rng.bool().then(|| rng.u64(50_000..400_000)),
            ..TopicConfig::default()
        };
        let mut disk = Fake::new(rng.u64(..));
        disk.make_dirs("data");
        disk.set_torn_sectors_garbage(true);
        if std::env::var_os("DURAMEN_LOG").is_some() {
            disk.keep_log(100_000);
        }
        World {
            layout: Layout::new("data"),
            journal_file_bytes: [64 << 10, 128 << 10, 256 << 10][rng.usize(0..3)],
            extent_bytes_min: [8 << 10, 32 << 10, u64::MAX][rng.usize(0..3)],
            config: Arc::new(config),
            partitions: vec![Partition::default(); count],
            logs: Vec::new(),
            epoch: 0,
            now: Now { monotonic_us: 0, wall_ms: 1_700_000_000_000 },
            latched: false,
            step: 0,
            store: Some(Self::first_store(disk, count)),
            rng,
        }
    }

    /// An empty data directory with one topic.
    fn first_store(mut disk: Fake, count: usize) -> Store<Fake> {
        let catalog = CatalogFile {
            start_epoch: 0,
            cluster_id: [1; 16],
            next_producer_id: 0,
            topics: vec![TopicRecord {
                id: TOPIC,
                name: "sim".into(),
                partitions: count as u32,
                configs: vec![("max.message.bytes".into(), MAX_MESSAGE.to_string())],
            }],
            tombstones: Vec::new(),
        };
        disk.write_raw("data/.duramen/catalog", 0, &catalog.encode());
        let config = StoreConfig::for_tests(Layout::new("data"), 0, 64 << 10);
        Store::open(disk, config, Vec::new(), Now::default())
    }

    /// Runs the seed; returns the trace of its last disk, by which two runs are compared.
    pub fn run(mut self) -> Checked<u64> {
        self.restart(Way::PowerCut)?;
        for _ in 0..self.rng.usize(2..6) {
            self.set_faults();
            for _ in 0..self.rng.usize(20..400) {
                self.step()?;
            }
            let way = match self.rng.usize(0..10) {
                0..5 => Way::PowerCut,
                5..8 => Way::Kill,
                _ => Way::Stop,
            };
            self.restart(way)?;
        }
        Ok(self.disk().trace_hash())
    }

    pub fn disk(&self) -> &Fake {
        self.store.as_ref().expect("a store").disk()
    }

    pub fn disk_mut(&mut self) -> &mut Fake {
        self.store().disk_mut()
    }

    pub fn store(&mut self) -> &mut Store<Fake> {
        self.store.as_mut().expect("a store")
    }

    fn set_faults(&mut self) {
        if self.rng.usize(0..4) == 0 {
            let room = self.disk().used_bytes() + self.rng.u64(0..600_000);
            self.disk_mut().set_capacity(Some(room));
        }
        if self.rng.usize(0..3) == 0 {
            // A checkpoint that takes long: the journal goes on, and fills up.
            let others = self.rng.u64(0..6);
            self.disk_mut().hold_nth(Filter::kind(Kind::SyncDir), others);
        }
        if self.rng.usize(0..12) == 0 {
            let others = self.rng.u64(5..200);
            self.disk_mut().fail_nth(Filter::kind(Kind::Write), others, ErrorKind::Failed);
        }
    }

    fn step(&mut self) -> Checked {
        self.step += 1;
        self.now.monotonic_us += self.rng.u64(50..3000);
        self.now.wall_ms += self.rng.i64(0..5);
        match self.rng.usize(0..40) {
            0..22 => self.append(),
            22..25 => self.resend()?,
            25..29 => self.read_some()?,
            29 => self.delete_records(),
            30 => self.search()?,
            31 if self.rng.usize(0..4) == 0 => self.disk_mut().set_capacity(None),
            32 if self.rng.usize(0..4) == 0 => self.disk_mut().release_all(),
            _ => {}
        }
        self.tick()
    }

    pub fn tick(&mut self) -> Checked {
        let now = self.now;
        let mut events = Vec::new();
        self.store().collect(now, &mut events);
        for event in events {
            self.take(event);
        }
        self.store().advance(now);
        let mut events = Vec::new();
        // What `advance` released itself (never, save with a canary).
        std::mem::swap(&mut events, &mut self.store().events);
        for event in events {
            self.take(event);
        }
        Ok(())
    }

    pub fn take(&mut self, event: Event) {
        match event {
            Event::Durable(log) => {
                let durable = self.store().status(log).durable;
                let p = self.partition_of(log);
                self.partitions[p].acknowledged = self.partitions[p].acknowledged.max(durable);
            }
            Event::LogStart(log) => {
                let start = self.store().status(log).log_start;
                let p = self.partition_of(log);
                let partition = &mut self.partitions[p];
                partition.log_start = partition.log_start.max(start);
            }
            Event::Failed => self.latched = true,
            Event::Progress | Event::Read(..) | Event::Found(..) | Event::Passed(_) => {}
        }
    }

    fn partition_of(&self, log: LogId) -> usize {
        self.logs.iter().position(|&l| l == log).expect("a log of ours")
    }

    fn append(&mut self) {
        let p = self.rng.usize(0..self.partitions.len());
        let (count, size) = match self.rng.usize(0..20) {
            0 => (1, 20_000),
            1..4 => (self.rng.usize(1..30), 600),
            _ => (self.rng.usize(1..4), 120),
        };
        let partition = &mut self.partitions[p];
        if partition.producers.len() < 3 {
            let id = (p * 10 + partition.producers.len()) as i64;
            partition.producers.push(Producer { id, epoch: 0, next_sequence: 0 });
        }
        let producer = self
            .rng
            .bool()
            .then(|| self.rng.usize(0..3))
            .filter(|&i| i < partition.producers.len());
        if let Some(i) = producer.filter(|_| self.rng.usize(0..60) == 0) {
            partition.producers[i].epoch += 1;
            partition.producers[i].next_sequence = 0;
        }
        let by = producer.map(|i| partition.producers[i].clone());
        let sent = model::make_batch(&mut self.rng, count, size, self.now.wall_ms, by.as_ref());
        self.send(p, sent, producer);
    }

    fn send(&mut self, p: usize, sent: Vec<u8>, producer: Option<usize>) {
        if sent.len() > MAX_MESSAGE {
            return;
        }
        let header = BatchHeader::parse(&sent).expect("our own batch");
        let (log, now, epoch) = (self.logs[p], self.now, self.epoch);
        match self.store().append(log, &sent, &header, now) {
            Ok(done) if !done.duplicate => {
                let partition = &mut self.partitions[p];
                assert_eq!(done.base_offset, partition.next(), "offsets are dense");
                let stored = model::stored(&sent, done.base_offset, epoch);
                let (base, last) = (done.base_offset, done.last_offset);
                partition.batches.push(Batch { base, last, stored, sent, producer });
                if let Some(i) = producer {
                    let last = header.last_sequence();
                    partition.producers[i].next_sequence = last.checked_add(1).unwrap_or(0);
                }
            }
            Ok(done) => panic!("a new batch is a duplicate of {}", done.base_offset),
            Err(Refusal::Wait | Refusal::Full(_) | Refusal::Failed(_)) => {}
            Err(other) => panic!("partition {p}: {other}"),
        }
    }

    /// Sends one of a producer's last five batches again.
    fn resend(&mut self) -> Checked {
        let p = self.rng.usize(0..self.partitions.len());
        let i = self.rng.usize(0..3);
        self.check_duplicates(p, i)
    }

    pub fn check_duplicates(&mut self, p: usize, i: usize) -> Checked {
        if self.latched {
            return Ok(());
        }
        let partition = &self.partitions[p];
        let Some(producer) = partition.producers.get(i) else { return Ok(()) };
        let epoch = producer.epoch;
        let of_it = partition.batches.iter().rev().filter(|b| b.producer == Some(i));
        let last: Vec<Batch> = of_it.take(5).cloned().collect();
        for batch in last {
            let header = BatchHeader::parse(&batch.sent).expect("our own batch");
            if header.producer_epoch != epoch {
                break;
            }
            let (log, now) = (self.logs[p], self.now);
            match self.store().append(log, &batch.sent, &header, now) {
                Ok(done) if done.duplicate && done.base_offset == batch.base => {}
                Err(Refusal::ShuttingDown | Refusal::Failed(_)) => {}
                other => {
                    return Err(format!(
                        "partition {p}: a batch of producer {i} sent again, at {}: {other:?}",
                        batch.base
                    ));
                }
            }
        }
        Ok(())
    }

    fn delete_records(&mut self) {
        let p = self.rng.usize(0..self.partitions.len());
        let partition = &self.partitions[p];
        if partition.acknowledged == 0 || self.rng.usize(0..3) > 0 {
            return;
        }
        let before = self.rng.u64(0..=partition.acknowledged);
        let log = self.logs[p];
        if self.store().delete_records(log, before).is_ok() {
            let partition = &mut self.partitions[p];
            partition.log_start_asked = partition.log_start_asked.max(before);
        }
    }
}

impl World {
    /// With `DURAMEN_LOG` set, what the disk was asked and answered.
    pub fn print_log(&self, disk: &Fake) {
        if std::env::var_os("DURAMEN_LOG").is_some() {
            disk.log().for_each(|line| eprintln!("{line}"));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(store) = self.store.as_ref().filter(|_| std::thread::panicking()) {
            self.print_log(store.disk());
        }
    }
}
