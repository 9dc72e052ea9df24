//! A store on a fake disk, what is done to it, and what is checked.

use std::path::PathBuf;
use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchHeader, BatchView};
use duramen_protocol::files::catalog::{CatalogFile, TopicRecord};
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::producer_snapshot;

use super::model::{self, Batch, Partition, Producer};
use crate::config::topic::TopicConfig;
use crate::io::fake::{Fake, Filter, Kind};
use crate::io::{ErrorKind, Now};
use crate::storage::log::LogId;
use crate::storage::names::Layout;
use crate::storage::recovery::{self, Plan, RecoveryError};
use crate::storage::stage::Refusal;
use crate::storage::store::{Canary, Event, Store, StoreConfig};
use crate::storage::{Cursor, From, Piece, Read, ReadError, Search, Target};

const TOPIC: TopicId = TopicId([7; 16]);
const MAX_MESSAGE: usize = 24_000;

/// One seed's world.
pub struct World {
    rng: fastrand::Rng,
    canary: Option<Canary>,
    store: Option<Store<Fake>>,
    layout: Layout,
    journal_file_bytes: u64,
    config: Arc<TopicConfig>,
    partitions: Vec<Partition>,
    logs: Vec<LogId>,
    epoch: u32,
    now: Now,
    /// The disk failed; nothing is acknowledged until a restart.
    latched: bool,
    step: u64,
}

type Checked<T = ()> = Result<T, String>;

impl World {
    pub fn new(seed: u64, canary: Option<Canary>) -> World {
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
            canary,
            layout: Layout::new("data"),
            journal_file_bytes: [64 << 10, 128 << 10, 256 << 10][rng.usize(0..3)],
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

    fn disk(&self) -> &Fake {
        self.store.as_ref().expect("a store").disk()
    }

    fn disk_mut(&mut self) -> &mut Fake {
        self.store().disk_mut()
    }

    fn store(&mut self) -> &mut Store<Fake> {
        self.store.as_mut().expect("a store")
    }

    fn set_faults(&mut self) {
        if self.rng.usize(0..4) == 0 {
            let room = self.disk().used_bytes() + self.rng.u64(0..600_000);
            self.disk_mut().set_capacity(Some(room));
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
            _ => {}
        }
        self.tick()
    }

    fn tick(&mut self) -> Checked {
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

    fn take(&mut self, event: Event) {
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

    fn check_duplicates(&mut self, p: usize, i: usize) -> Checked {
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

    fn read_some(&mut self) -> Checked {
        let p = self.rng.usize(0..self.partitions.len());
        let start = self.store_status(p).log_start;
        let end = self.partitions[p].acknowledged;
        if start >= end {
            return Ok(());
        }
        let from = self.rng.u64(start..end);
        self.read_and_compare(p, from, self.partitions[p].acknowledged)
    }

    fn store_status(&mut self, p: usize) -> crate::storage::LogStatus {
        let log = self.logs[p];
        self.store().status(log)
    }

    /// Reads from an offset to the durable end and holds it against the model.
    fn read_and_compare(&mut self, p: usize, from: u64, at_least: u64) -> Checked {
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
        let data = match self.store().read(log, from, max_bytes) {
            Read::Data(data) => Ok(data),
            Read::Error(error) => Err(error),
            Read::Pending(id) => {
                let mut outcome = None;
                for _ in 0..100_000 {
                    let now = self.now;
                    let mut events = Vec::new();
                    self.store().collect(now, &mut events);
                    for event in events {
                        match event {
                            Event::Read(i, result) if i == id => outcome = Some(result),
                            other => self.take(other),
                        }
                    }
                    self.store().advance(now);
                    self.now.monotonic_us += 100;
                    if outcome.is_some() {
                        break;
                    }
                }
                outcome.ok_or_else(|| format!("partition {p}: a read never ended"))?
            }
        };
        match data {
            Ok(data) => {
                let mut bytes = Vec::new();
                for piece in &data.pieces {
                    match piece {
                        Piece::Memory(slice) => bytes.extend_from_slice(slice),
                        Piece::File { file, at, len } => {
                            bytes.extend(self.disk().peek(*file, *at, *len));
                        }
                    }
                }
                if bytes.len() as u64 != data.bytes {
                    return Err(format!(
                        "partition {p}: {} bytes said, {} there",
                        data.bytes,
                        bytes.len()
                    ));
                }
                Ok(Some((bytes, data.next)))
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

    fn search(&mut self) -> Checked {
        let p = self.rng.usize(0..self.partitions.len());
        let log = self.logs[p];
        let timestamp = self.now.wall_ms - self.rng.i64(-5..300);
        match self.store().find_offset(log, Target::Timestamp(timestamp)) {
            Search::Found(found) => self.check_found(p, timestamp, found),
            Search::Error(error) => Err(format!("partition {p}: {error}")),
            Search::Pending(id) => {
                let mut outcome = None;
                for _ in 0..100_000 {
                    let now = self.now;
                    let mut events = Vec::new();
                    self.store().collect(now, &mut events);
                    for event in events {
                        match event {
                            Event::Found(i, result) if i == id => outcome = Some(result),
                            other => self.take(other),
                        }
                    }
                    self.store().advance(now);
                    match outcome {
                        None => {}
                        Some(Ok(found)) => return self.check_found(p, timestamp, found),
                        Some(Err(error)) => return Err(format!("partition {p}: {error}")),
                    }
                }
                Err(format!("partition {p}: a search never ended"))
            }
        }
    }

    fn check_found(&mut self, p: usize, timestamp: i64, found: Option<(u64, i64)>) -> Checked {
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
        let passed = found.is_some_and(|f| f.0 < status.log_start);
        let plausible = found == wanted || found.is_none() || wanted.is_none() || passed;
        if plausible {
            Ok(())
        } else {
            Err(format!("partition {p}: first at {timestamp}: {found:?}, not {wanted:?}"))
        }
    }
}

impl World {
    /// With `DURAMEN_LOG` set, what the disk was asked and answered.
    fn print_log(&self, disk: &Fake) {
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

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    PowerCut,
    Kill,
    Stop,
}

impl World {
    /// Ends the server one way or another, recovers, and checks what the guarantees say.
    fn restart(&mut self, way: Way) -> Checked {
        if way == Way::Stop && !self.latched {
            self.stop_cleanly()?;
        }
        let old = self.store.take().expect("a store");
        let mut disk = match way {
            Way::PowerCut => old.disk().crash(self.rng.u64(..)),
            Way::Kill | Way::Stop => old.disk().kill(self.rng.u64(..)),
        };
        drop(old);
        self.check_snapshots(&disk)?;
        disk.set_torn_sectors_garbage(true);
        let recovered = loop {
            let halts = self.rng.usize(0..3) == 0;
            if halts {
                disk.halt_at(self.rng.u64(1..120));
            }
            match self.recover(&mut disk) {
                Ok(recovered) if !disk.halted() => break recovered,
                Ok(_) => disk = disk.crash(self.rng.u64(..)),
                Err(_) if disk.halted() => disk = disk.crash(self.rng.u64(..)),
                // A start on a full disk fails and changes nothing that counts.
                Err(RecoveryError::Disk(error)) if error.kind == ErrorKind::Full => {
                    disk = disk.kill(self.rng.u64(..));
                    disk.set_capacity(None);
                }
                Err(error) => {
                    self.print_log(&disk);
                    return Err(format!("recovery after {way:?}: {error}"));
                }
            }
            disk.set_torn_sectors_garbage(true);
        };
        self.epoch = recovered.catalog.start_epoch;
        let mut config =
            StoreConfig::for_tests(self.layout.clone(), self.epoch, self.journal_file_bytes);
        config.retention_check_ms = 50;
        let logs = recovered.logs.into_iter().flatten().collect();
        disk.halt_at(u64::MAX);
        let mut store = Store::open(disk, config, logs, self.now);
        store.canary = self.canary;
        self.logs = (0..self.partitions.len() as u32)
            .map(|partition| {
                let key = PartitionKey { topic_id: TOPIC, partition };
                let log = store.find(&key).expect("a log of each partition");
                store.configure(log, self.config.clone());
                log
            })
            .collect();
        self.store = Some(store);
        self.latched = false;
        self.check_restart(way)
    }

    fn recover(&mut self, disk: &mut Fake) -> Result<recovery::Recovered, recovery::RecoveryError> {
        let plan = Plan {
            layout: self.layout.clone(),
            cores: 1,
            journal_file_bytes: self.journal_file_bytes,
            new_cluster_id: [1; 16],
            owner: &|_, _| 0,
            accept_loss: false,
            now: self.now,
            canary: self.canary,
        };
        recovery::recover(disk, &plan)
    }

    fn stop_cleanly(&mut self) -> Checked {
        self.disk_mut().set_capacity(None);
        self.store().begin_shutdown();
        for _ in 0..100_000 {
            if self.store().is_shut_down() {
                return Ok(());
            }
            self.now.monotonic_us += 10_000;
            self.tick()?;
        }
        Err("a clean stop never ended".into())
    }

    /// A snapshot on disk must not know a batch that may never have been.
    fn check_snapshots(&self, disk: &Fake) -> Checked {
        for (p, partition) in self.partitions.iter().enumerate() {
            let folder = format!("sim-{p}/");
            let snapshots = disk.durable_files().into_iter().filter(|f| {
                f.contains(&folder) && PathBuf::from(f).extension().is_some_and(|e| e == "snapshot")
            });
            for path in snapshots {
                let bytes = disk.read_durable(&path).unwrap_or_default();
                let Ok(entries) = producer_snapshot::decode(&bytes) else { continue };
                let late = entries.iter().find(|e| e.last_offset >= partition.acknowledged as i64);
                if let Some(entry) = late {
                    return Err(format!(
                        "{path} knows offset {} of producer {}, acknowledged up to {}",
                        entry.last_offset, entry.producer_id, partition.acknowledged
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_restart(&mut self, way: Way) -> Checked {
        for p in 0..self.partitions.len() {
            let status = self.store_status(p);
            let partition = &mut self.partitions[p];
            if status.durable < partition.acknowledged {
                return Err(format!(
                    "partition {p} after {way:?}: ends at {}, acknowledged up to {}",
                    status.durable, partition.acknowledged
                ));
            }
            let whole = partition.batches.iter().any(|b| b.last + 1 == status.durable);
            if status.durable > 0 && !whole {
                return Err(format!(
                    "partition {p} after {way:?}: ends at {}, which ends no batch",
                    status.durable
                ));
            }
            if status.log_start < partition.log_start {
                return Err(format!(
                    "partition {p} after {way:?}: begins at {}, was {}",
                    status.log_start, partition.log_start
                ));
            }
            partition.log_start = status.log_start;
            partition.cut(status.durable);
        }
        for p in 0..self.partitions.len() {
            let status = self.store_status(p);
            if status.log_start < status.durable {
                self.read_and_compare(p, status.log_start, status.durable)?;
            }
            for i in 0..3 {
                self.check_duplicates(p, i)?;
            }
        }
        Ok(())
    }
}
