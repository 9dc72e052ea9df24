//! Partitions' folders that Kafka's broker wrote: every file decoded and encoded again, and the
//! indexes rebuilt from their logs.

use std::fs;
use std::path::{Path, PathBuf};

use duramen_protocol::batch::{BatchHeader, batches};
use duramen_protocol::files::index_builder::IndexBuilder;
use duramen_protocol::files::offset_index::OffsetIndex;
use duramen_protocol::files::segment::SegmentFile;
use duramen_protocol::files::time_index::TimeIndex;
use duramen_protocol::files::{leader_epochs, partition_metadata, producer_snapshot, txn_index};

use crate::reference::{entries, lines, roots};

/// `index.interval.bytes` where a topic does not say otherwise.
const DEFAULT_INTERVAL_BYTES: u32 = 4096;

struct Partition {
    folder: PathBuf,
    /// `clean`, `unclean` or `recovered`.
    state: String,
    interval_bytes: u32,
    next_offset: i64,
}

impl Partition {
    fn parse(root: &Path, row: &str) -> Partition {
        let columns: Vec<&str> = row.split('\t').collect();
        let interval = columns[10].split(' ').find_map(|c| c.strip_prefix("index.interval.bytes="));
        Partition {
            folder: root.join("segments").join(columns[0]).join(columns[1]),
            state: columns[0].into(),
            interval_bytes: interval.map_or(DEFAULT_INTERVAL_BYTES, |bytes| bytes.parse().unwrap()),
            next_offset: columns[3].parse().unwrap(),
        }
    }

    /// The segment files of one kind, each with its base offset and bytes.
    fn files(&self, kind: SegmentFile) -> Vec<(i64, Vec<u8>)> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        entries(&self.folder)
            .iter()
            .filter_map(|path| match SegmentFile::parse(&name(path)) {
                Some((base, parsed)) if parsed == kind => Some((base, fs::read(path).unwrap())),
                _ => None,
            })
            .collect()
    }

    fn file(&self, kind: SegmentFile, base_offset: i64) -> Vec<u8> {
        fs::read(self.folder.join(kind.name(base_offset))).unwrap()
    }

    fn name(&self) -> String {
        let name = self.folder.file_name().unwrap().to_string_lossy();
        format!("{}/{name}", self.state)
    }
}

/// All partitions but those that were damaged on purpose.
fn partitions() -> Vec<Partition> {
    let mut partitions = Vec::new();
    for root in roots() {
        let rows = lines(&root.join("segments/segments.tsv"));
        let rows = rows.iter().filter(|row| !row.starts_with('#'));
        partitions
            .extend(rows.map(|row| Partition::parse(&root, row)).filter(|p| p.state != "damaged"));
    }
    partitions
}

fn headers(log: &[u8]) -> Vec<(u32, BatchHeader)> {
    batches(log).map(|(position, view)| (position as u32, *view.unwrap().header())).collect()
}

#[test]
fn logs_hold_valid_batches_up_to_the_next_offset() {
    for partition in partitions() {
        let logs = partition.files(SegmentFile::Log);
        let mut last = None;
        for (base_offset, log) in &logs {
            for (_, header) in headers(log) {
                assert!(header.base_offset >= *base_offset, "{}", partition.name());
                assert!(last.is_none_or(|last| header.base_offset > last), "{}", partition.name());
                last = Some(header.last_offset());
            }
            for (_, view) in batches(log) {
                for record in &view.unwrap().records().unwrap() {
                    record.unwrap();
                }
            }
        }
        assert_eq!(last.map_or(0, |last| last + 1), partition.next_offset, "{}", partition.name());
    }
}

#[test]
fn indexes_round_trip() {
    for partition in partitions() {
        let clean = partition.state != "unclean";
        for (base, bytes) in partition.files(SegmentFile::OffsetIndex) {
            let index = OffsetIndex::new(base, &bytes);
            let encoded: Vec<u8> = index.iter().flat_map(|entry| entry.encode(base)).collect();
            assert_eq!(encoded, bytes[..index.valid_bytes()], "{}", partition.name());
            assert!(!clean || index.valid_bytes() == bytes.len(), "{}", partition.name());
        }
        for (base, bytes) in partition.files(SegmentFile::TimeIndex) {
            let index = TimeIndex::new(base, &bytes);
            let encoded: Vec<u8> = index.iter().flat_map(|entry| entry.encode(base)).collect();
            assert_eq!(encoded, bytes[..index.valid_bytes()], "{}", partition.name());
            assert!(!clean || index.valid_bytes() == bytes.len(), "{}", partition.name());
        }
    }
}

#[test]
fn zeros_of_an_unclean_stop_are_no_entries() {
    let partitions = partitions();
    let unclean: Vec<_> = partitions.iter().filter(|p| p.state == "unclean").collect();
    assert!(!unclean.is_empty());
    for partition in unclean {
        let (base, bytes) = partition.files(SegmentFile::OffsetIndex).pop().unwrap();
        let index = OffsetIndex::new(base, &bytes);
        assert!(bytes.len() == 4096 && !index.is_empty() && index.valid_bytes() < 200);
        let (base, bytes) = partition.files(SegmentFile::TimeIndex).pop().unwrap();
        let index = TimeIndex::new(base, &bytes);
        assert!(bytes.len() == 4092 && !index.is_empty() && index.valid_bytes() < 200);
    }
}

#[test]
fn lookups_lead_to_the_batch_that_ends_there() {
    for partition in partitions() {
        for (base, bytes) in partition.files(SegmentFile::OffsetIndex) {
            let index = OffsetIndex::new(base, &bytes);
            for (position, header) in headers(&partition.file(SegmentFile::Log, base)) {
                for offset in [header.base_offset, header.last_offset()] {
                    let found = index.lookup(offset).map_or(0, |entry| entry.position);
                    assert!(found <= position, "{} offset {offset}", partition.name());
                }
            }
            for entry in index.iter() {
                let log = partition.file(SegmentFile::Log, base);
                let header = BatchHeader::parse(&log[entry.position as usize..]).unwrap();
                assert_eq!(header.last_offset(), entry.offset, "{}", partition.name());
            }
        }
    }
}

#[test]
fn snapshots_round_trip() {
    for partition in partitions() {
        for (_, bytes) in partition.files(SegmentFile::Snapshot) {
            let entries = producer_snapshot::decode(&bytes).unwrap();
            assert_eq!(producer_snapshot::encode(&entries), bytes, "{}", partition.name());
        }
    }
}

#[test]
fn transaction_indexes_round_trip() {
    for partition in partitions() {
        for (_, bytes) in partition.files(SegmentFile::TxnIndex) {
            let entries = txn_index::decode(&bytes).unwrap();
            let mut encoded = Vec::new();
            entries.iter().for_each(|entry| entry.encode(&mut encoded));
            assert_eq!(encoded, bytes, "{}", partition.name());
        }
    }
}

#[test]
fn text_files_round_trip() {
    for partition in partitions() {
        let read = |name| fs::read_to_string(partition.folder.join(name)).unwrap();
        let epochs = read(leader_epochs::FILE_NAME);
        assert_eq!(leader_epochs::encode(&leader_epochs::decode(&epochs).unwrap()), epochs);
        let metadata = read(partition_metadata::FILE_NAME);
        assert_eq!(
            partition_metadata::encode(partition_metadata::decode(&metadata).unwrap()),
            metadata
        );
    }
}

/// The bytes of both indexes, made from the log alone.
fn rebuild(base: i64, log: &[u8], interval_bytes: u32) -> (Vec<u8>, Vec<u8>) {
    let mut builder = IndexBuilder::new(interval_bytes);
    let (mut index, mut time_index) = (Vec::new(), Vec::new());
    for (position, header) in headers(log) {
        let entries = builder.add(&header, position);
        index.extend(entries.offset.into_iter().flat_map(|entry| entry.encode(base)));
        time_index.extend(entries.time.into_iter().flat_map(|entry| entry.encode(base)));
    }
    time_index.extend(builder.finish().into_iter().flat_map(|entry| entry.encode(base)));
    (index, time_index)
}

/// Of compacted logs too: Kafka's cleaner appends what it keeps by the same rule.
#[test]
fn indexes_rebuilt_from_the_log_are_kafkas() {
    let mut different = Vec::new();
    for partition in partitions().iter().filter(|p| p.state != "unclean") {
        for (base, log) in partition.files(SegmentFile::Log) {
            let (index, time_index) = rebuild(base, &log, partition.interval_bytes);
            let same = (
                index == partition.file(SegmentFile::OffsetIndex, base),
                time_index == partition.file(SegmentFile::TimeIndex, base),
            );
            if same != (true, true) {
                different.push((partition.name(), base, same));
            }
        }
    }
    assert_eq!(different, []);
}
