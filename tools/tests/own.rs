//! Our own files: catalog, checkpoints and journals, in every state that a crash or rot leaves.

mod support;

use std::path::{Path, PathBuf};

use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::checkpoint::Checkpoint;
use duramen_protocol::files::journal::{
    Entry, EntryBody, GROUP_HEADER_LEN, GroupHeader, PartitionKey, Successor,
};
use duramen_protocol::files::segment::SegmentFile;
use duramen_tools::Outcome;
use support::partition::{JOURNAL_BYTES, Partition, START_EPOCH, TOPIC_ID};
use support::verify;

const GROUP_BYTES: usize = 4096;

/// A row of groups as a core writes them.
struct Writer {
    generation: u64,
    sequence: u64,
    previous_crc: u32,
}

impl Writer {
    fn new() -> Writer {
        Writer { generation: 1, sequence: 1, previous_crc: 0 }
    }

    fn group(&mut self, body: EntryBody<'_>, successor: Option<Successor>) -> Vec<u8> {
        let mut bytes = vec![0; GROUP_HEADER_LEN];
        Entry { key: PartitionKey { topic_id: TOPIC_ID, partition: 0 }, body }.encode(&mut bytes);
        let payload = &bytes[GROUP_HEADER_LEN..];
        let header = GroupHeader {
            header_crc: 0,
            payload_crc: crc32c::crc32c(payload),
            group_len: GROUP_BYTES as u32,
            payload_len: payload.len() as u32,
            entry_count: 1,
            generation: self.generation,
            sequence: self.sequence,
            acknowledged: self.sequence - 1,
            previous_crc: self.previous_crc,
            start_epoch: START_EPOCH,
            core: 0,
            successor,
        };
        self.previous_crc = header.encode(&mut bytes);
        self.sequence += 1;
        bytes.resize(GROUP_BYTES, 0);
        if let Some(successor) = successor {
            self.generation = successor.generation;
        }
        bytes
    }

    fn batches(&mut self, successor: Option<Successor>) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(1, None, Some(b"value"), &[]).unwrap();
        let batches = builder.finish().unwrap();
        let body =
            EntryBody::Batches { segment_base: 27, position: 0, before: b"", batches: &batches };
        self.group(body, successor)
    }
}

/// A data folder with a journal of two groups in the first file and two in the second, where
/// groups of an earlier use follow.
fn with_journal() -> (Partition, [PathBuf; 2]) {
    let partition = Partition::of_ours(27, 18, 529);
    let paths = [1, 2].map(|number| core(&partition).join(format!("journal-{number}")));
    let mut writer = Writer::new();
    let successor = Successor { file: 2, generation: 2 };
    write_file(&paths[0], &[writer.batches(None), writer.batches(Some(successor))]);
    let (third, fourth) = (writer.batches(None), writer.batches(None));
    let mut earlier = Writer { sequence: 90, ..Writer::new() };
    let stale = [earlier.batches(None), vec![0xaa; GROUP_BYTES], earlier.batches(None)];
    write_file(&paths[1], &[&[third, fourth][..], &stale].concat());
    (partition, paths)
}

fn core(partition: &Partition) -> PathBuf {
    partition.data.path().join(format!(".duramen/session-{START_EPOCH}/core-0"))
}

fn write_file(path: &Path, groups: &[Vec<u8>]) {
    let mut bytes = groups.concat();
    bytes.resize(JOURNAL_BYTES, 0);
    std::fs::write(path, bytes).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

#[track_caller]
fn assert_damaged_at(partition: &Partition, path: &Path, position: usize) {
    let ran = verify(partition.data.path());
    let expected = format!("{}: position {position}, offset ", path.display());
    assert_eq!(ran.outcome, Outcome::Damaged, "{}", ran.out);
    assert!(ran.damages().iter().any(|line| line.starts_with(&expected)), "{}", ran.out);
}

#[test]
fn a_good_journal_is_whole() {
    let (partition, paths) = with_journal();
    let ran = verify(partition.data.path());
    assert_eq!((ran.outcome, ran.out.as_str()), (Outcome::Whole, ""));
    assert!(ran.err.starts_with("whole: 19 batches"), "{}", ran.err);
    for path in paths {
        assert_eq!(verify(&path).out, "");
    }
}

#[test]
fn a_bad_group_is_damage_if_a_later_one_calls_it_acknowledged() {
    // Magic, checksums, sequence, acknowledged, entry, batch.
    for at in [0, 8, 12, 40, 48, GROUP_HEADER_LEN, GROUP_HEADER_LEN + 60] {
        for (file, position, last) in
            [(0, 0, false), (0, GROUP_BYTES, false), (1, 0, false), (1, GROUP_BYTES, true)]
        {
            let (partition, paths) = with_journal();
            flip(&paths[file], position + at);
            if !last {
                assert_damaged_at(&partition, &paths[file], position);
                continue;
            }
            let ran = verify(partition.data.path());
            assert_eq!(ran.outcome, Outcome::Whole, "{}", ran.out);
            assert_eq!(ran.notes().len(), 1, "{}", ran.out);
            assert!(ran.out.contains("torn end"), "{}", ran.out);
        }
    }
}

#[test]
fn a_group_that_is_zeroes_is_damage_too() {
    let (partition, paths) = with_journal();
    let mut bytes = std::fs::read(&paths[0]).unwrap();
    bytes[..GROUP_BYTES].fill(0);
    std::fs::write(&paths[0], bytes).unwrap();
    assert_damaged_at(&partition, &paths[0], 0);
}

#[test]
fn a_missing_journal_file_is_damage() {
    let (partition, paths) = with_journal();
    std::fs::remove_file(&paths[1]).unwrap();
    assert_damaged_at(&partition, &paths[1], 0);
}

#[test]
fn a_journal_used_again_since_the_checkpoint_is_damage() {
    let (partition, paths) = with_journal();
    let mut later = Writer { generation: 3, sequence: 5, previous_crc: 1 };
    write_file(&paths[0], &[later.batches(None)]);
    assert_damaged_at(&partition, &paths[0], 0);
}

#[test]
fn a_torn_checkpoint_is_a_note_beside_a_good_one() {
    let partition = Partition::of_ours(27, 18, 529);
    let slots = [0, 1].map(|slot| core(&partition).join(format!("checkpoint-{slot}")));
    let good = std::fs::read(&slots[0]).unwrap();
    std::fs::write(&slots[1], &good[..good.len() - 1]).unwrap();
    let ran = verify(partition.data.path());
    assert_eq!((ran.outcome, ran.notes().len()), (Outcome::Whole, 1), "{}", ran.out);
    flip(&slots[0], 20);
    assert_damaged_at(&partition, &slots[0], 0);
    assert_damaged_at(&partition, &slots[1], 0);
    for slot in &slots {
        std::fs::remove_file(slot).unwrap();
    }
    assert_damaged_at(&partition, &core(&partition), 0);
}

#[test]
fn the_later_checkpoint_counts() {
    let partition = Partition::of_ours(27, 18, 529);
    let slots = [0, 1].map(|slot| core(&partition).join(format!("checkpoint-{slot}")));
    let mut later = Checkpoint::decode(&std::fs::read(&slots[0]).unwrap()).unwrap();
    later.sequence += 1;
    later.partitions[0].recovery_point = 1000;
    let mut bytes = Vec::new();
    later.encode(&mut bytes);
    std::fs::write(&slots[1], bytes).unwrap();
    let ran = verify(partition.data.path());
    assert!(ran.damages()[0].contains("below its recovery point 1000"), "{}", ran.out);
}

#[test]
fn without_a_catalog_nothing_can_be_served() {
    let partition = Partition::of_ours(27, 18, 529);
    let path = partition.data.path().join(".duramen/catalog");
    let good = std::fs::read(&path).unwrap();
    for at in [0, 9, 30] {
        flip(&path, at);
        assert_damaged_at(&partition, &path, 0);
        std::fs::write(&path, &good).unwrap();
    }
    std::fs::remove_file(&path).unwrap();
    assert_damaged_at(&partition, &path, 0);
    // A newer program's.
    let mut newer = CatalogFile::decode(&good).unwrap().encode();
    newer[16] = 99;
    let crc = crc32c::crc32c(&newer[16..]);
    newer[8..12].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, newer).unwrap();
    let ran = verify(partition.data.path());
    assert_eq!(ran.outcome, Outcome::CouldNotLook, "{}", ran.out);
    assert!(ran.err.contains("use a newer duramen"), "{}", ran.err);
}

#[test]
fn a_partition_or_first_segment_that_is_gone_is_damage() {
    let (partition, paths) = with_journal();
    for file in SegmentFile::ALL {
        let _ = std::fs::remove_file(partition.file(file, 0));
    }
    assert_damaged_at(&partition, &partition.folder(), 0);
    // Retention may have taken it: then the journal says so.
    let mut writer = Writer::new();
    write_file(&paths[0], &[writer.group(EntryBody::LogStart { offset: 9 }, None)]);
    write_file(&paths[1], &[]);
    assert_eq!(verify(partition.data.path()).out, "");
    std::fs::remove_dir_all(partition.folder()).unwrap();
    assert_damaged_at(&partition, &partition.folder(), 0);
}

#[test]
fn a_folder_without_a_topic_is_a_note() {
    let partition = Partition::of_ours(27, 18, 529);
    std::fs::rename(partition.folder(), partition.data.path().join("other-0")).unwrap();
    std::fs::create_dir(partition.folder()).unwrap();
    let ran = verify(partition.data.path());
    assert!(ran.notes().iter().any(|line| line.contains("no such topic")), "{}", ran.out);
}

#[test]
fn rot_in_a_single_journal_file_shows_before_its_last_group() {
    let (_partition, paths) = with_journal();
    flip(&paths[1], 40);
    let ran = verify(&paths[1]);
    assert_eq!((ran.outcome, ran.damages().len()), (Outcome::Damaged, 1), "{}", ran.out);
    flip(&paths[1], 40);
    flip(&paths[1], GROUP_BYTES + 200);
    assert_eq!(verify(&paths[1]).outcome, Outcome::Whole);
}

#[test]
fn a_dump_of_a_journal_tells_stale_from_damaged() {
    let (_partition, paths) = with_journal();
    let options = duramen_tools::dump::Options { json: true, ..Default::default() };
    let words = |path: &Path| -> Vec<String> {
        let objects = support::dump_json(path, &options);
        let types = objects.iter().map(|object| object["type"].as_str().unwrap().to_owned());
        types
            .filter(|word| ["damage", "torn", "stale", "zeroed"].contains(&word.as_str()))
            .collect()
    };
    assert_eq!(words(&paths[1]), ["stale", "zeroed"]);
    flip(&paths[1], GROUP_HEADER_LEN);
    assert_eq!(words(&paths[1]), ["damage", "stale", "zeroed"]);
}
