//! A small partition, written file by file as a server would.
//!
//! Three segments of a few hundred bytes, each with batches of an idempotent producer, one of them
//! compressed, and an aborted transaction; every batch but a segment's first has its index entry.

use std::path::{Path, PathBuf};

use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchBuilder, BatchHeader, BatchView, Codec, stamp};
use duramen_protocol::files::catalog::{CatalogFile, TopicRecord};
use duramen_protocol::files::checkpoint::{Checkpoint, JournalStart, PartitionRecord};
use duramen_protocol::files::index_builder::{IndexBuilder, IndexState};
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::leader_epochs::{self, EpochStart};
use duramen_protocol::files::offset_index::ENTRY_LEN;
use duramen_protocol::files::partition_metadata;
use duramen_protocol::files::producer_snapshot::{self, ProducerEntry};
use duramen_protocol::files::segment::SegmentFile;
use duramen_protocol::files::time_index::ENTRY_LEN as TIME_ENTRY_LEN;
use duramen_protocol::files::txn_index::AbortedTxn;
use tempfile::TempDir;

pub const TOPIC_ID: TopicId = TopicId([7; 16]);
pub const START_EPOCH: u32 = 3;
pub const JOURNAL_BYTES: usize = 64 << 10;
/// Where the journal of a partition of ours begins.
pub const JOURNAL_START: JournalStart =
    JournalStart { file: 1, generation: 1, position: 0, sequence: 1, previous_crc: 0 };
const PRODUCER: i64 = 7;
const TRANSACTIONAL_PRODUCER: i64 = 9;
const SEGMENTS: usize = 3;

/// A data folder with the partition `t-0`.
pub struct Partition {
    pub data: TempDir,
    /// The segments' base offsets, and the offset after the last record.
    pub bases: Vec<i64>,
    next_offset: i64,
    next_sequence: i32,
    timestamp: i64,
}

impl Partition {
    /// As Kafka would leave it, in a data folder of nobody's.
    pub fn new() -> Partition {
        let data = tempfile::tempdir().unwrap();
        let mut partition = Partition {
            data,
            bases: Vec::new(),
            next_offset: 0,
            next_sequence: 0,
            timestamp: 1_750_000_000_000,
        };
        let folder = partition.folder();
        std::fs::create_dir(&folder).unwrap();
        for _ in 0..SEGMENTS {
            partition.segment();
        }
        partition.bases.push(partition.next_offset);
        partition.snapshot(partition.next_offset);
        let epochs = [EpochStart { epoch: START_EPOCH as i32, start_offset: 0 }];
        std::fs::write(folder.join(leader_epochs::FILE_NAME), leader_epochs::encode(&epochs))
            .unwrap();
        std::fs::write(
            folder.join(partition_metadata::FILE_NAME),
            partition_metadata::encode(TOPIC_ID),
        )
        .unwrap();
        partition
    }

    /// The same in a data folder of ours, with the recovery point at `position` of the segment
    /// `segment_base`.
    pub fn of_ours(recovery_point: i64, segment_base: i64, position: u64) -> Partition {
        let partition = Partition::new();
        let core = partition.data.path().join(format!(".duramen/session-{START_EPOCH}/core-0"));
        std::fs::create_dir_all(&core).unwrap();
        let topic =
            TopicRecord { id: TOPIC_ID, name: "t".to_owned(), partitions: 1, configs: Vec::new() };
        let catalog = CatalogFile {
            start_epoch: START_EPOCH,
            cluster_id: [1; 16],
            next_producer_id: 0,
            topics: vec![topic],
            tombstones: Vec::new(),
        };
        std::fs::write(partition.data.path().join(".duramen/catalog"), catalog.encode()).unwrap();
        let entries = entries_below(&partition, segment_base, recovery_point);
        let (index_len, time_index_len) = (entries * ENTRY_LEN, entries * TIME_ENTRY_LEN);
        let record = PartitionRecord {
            key: PartitionKey { topic_id: TOPIC_ID, partition: 0 },
            recovery_point: recovery_point as u64,
            segment_base: segment_base as u64,
            position,
            log_start: 0,
            index: IndexState::default(),
            index_len: index_len as u32,
            time_index_len: time_index_len as u32,
            index_rest: Vec::new(),
            time_index_rest: Vec::new(),
            epochs: vec![(START_EPOCH, 0)],
            producers: Vec::new(),
        };
        let checkpoint = Checkpoint {
            sequence: 1,
            start_epoch: START_EPOCH,
            core: 0,
            journal: JOURNAL_START,
            partitions: vec![record],
        };
        let mut bytes = Vec::new();
        checkpoint.encode(&mut bytes);
        std::fs::write(core.join("checkpoint-0"), bytes).unwrap();
        std::fs::write(core.join("journal-1"), vec![0; JOURNAL_BYTES]).unwrap();
        partition
    }

    pub fn folder(&self) -> PathBuf {
        self.data.path().join("t-0")
    }

    /// The path of a file of the segment with this number.
    pub fn file(&self, file: SegmentFile, segment: usize) -> PathBuf {
        self.folder().join(file.name(self.bases[segment]))
    }

    fn segment(&mut self) {
        let base = self.next_offset;
        self.bases.push(base);
        if base > 0 {
            self.snapshot(base);
        }
        let start = self.next_offset + 2;
        let batches = [
            self.batch(Codec::None, PRODUCER),
            self.batch(Codec::None, TRANSACTIONAL_PRODUCER),
            self.batch(Codec::Lz4, PRODUCER),
            self.abort_marker(),
            self.batch(Codec::None, PRODUCER),
        ];
        let aborted = AbortedTxn {
            producer_id: TRANSACTIONAL_PRODUCER,
            first_offset: start,
            last_offset: start + 4,
            last_stable_offset: start + 5,
        };
        write_segment(&self.folder(), base, &batches.concat());
        let mut txn_index = Vec::new();
        aborted.encode(&mut txn_index);
        std::fs::write(self.folder().join(SegmentFile::TxnIndex.name(base)), txn_index).unwrap();
    }

    fn batch(&mut self, codec: Codec, producer: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(codec);
        match producer {
            PRODUCER => {
                builder.set_producer(PRODUCER, 0, self.next_sequence);
                self.next_sequence += 2;
            }
            _ => {
                builder.set_producer(producer, 0, 0);
                builder.set_transactional();
            }
        }
        for value in ["one value", "another value"] {
            self.timestamp += 1;
            builder
                .append(self.timestamp, Some(b"key"), Some(value.as_bytes()), &[("h", None)])
                .unwrap();
        }
        self.stamped(builder, 2)
    }

    fn abort_marker(&mut self) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.set_producer(TRANSACTIONAL_PRODUCER, 0, -1);
        builder.set_transactional();
        builder.set_control();
        builder.append(self.timestamp, Some(&[0; 4]), Some(&[0; 6]), &[]).unwrap();
        self.stamped(builder, 1)
    }

    fn stamped(&mut self, builder: BatchBuilder, count: i64) -> Vec<u8> {
        let mut bytes = builder.finish().unwrap().to_vec();
        stamp(&mut bytes, self.next_offset, START_EPOCH as i32);
        self.next_offset += count;
        bytes
    }

    fn snapshot(&self, offset: i64) {
        let entry = ProducerEntry {
            producer_id: PRODUCER,
            producer_epoch: 0,
            last_sequence: self.next_sequence - 1,
            last_offset: self.next_offset - 1,
            offset_delta: 1,
            timestamp: self.timestamp,
            coordinator_epoch: -1,
            current_txn_first_offset: -1,
        };
        let path = self.folder().join(SegmentFile::Snapshot.name(offset));
        std::fs::write(path, producer_snapshot::encode(&[entry])).unwrap();
    }
}

/// How many batches of a segment lie below an offset and have entries in its indexes.
fn entries_below(partition: &Partition, segment_base: i64, offset: i64) -> usize {
    let path = partition.folder().join(SegmentFile::Log.name(segment_base));
    let headers = headers(&std::fs::read(path).unwrap());
    headers.iter().filter(|(_, header)| header.base_offset < offset).count().saturating_sub(1)
}

/// Writes a log with the indexes that belong to it.
pub fn write_segment(folder: &Path, base: i64, log: &[u8]) {
    let (mut index, mut time_index) = (Vec::new(), Vec::new());
    let mut builder = IndexBuilder::new(0);
    for (position, batch) in duramen_protocol::batch::batches(log) {
        let entries = builder.add(batch.unwrap().header(), position as u32);
        index.extend(entries.offset.iter().flat_map(|entry| entry.encode(base)));
        time_index.extend(entries.time.iter().flat_map(|entry| entry.encode(base)));
    }
    time_index.extend(builder.finish().iter().flat_map(|entry| entry.encode(base)));
    for (file, bytes) in [
        (SegmentFile::Log, log),
        (SegmentFile::OffsetIndex, &index),
        (SegmentFile::TimeIndex, &time_index),
    ] {
        std::fs::write(folder.join(file.name(base)), bytes).unwrap();
    }
}

/// The headers of a log's batches, with their positions.
pub fn headers(log: &[u8]) -> Vec<(usize, BatchHeader)> {
    let walk = duramen_protocol::batch::batches(log);
    walk.map(|(position, batch): (usize, Result<BatchView<'_>, _>)| {
        (position, *batch.unwrap().header())
    })
    .collect()
}
