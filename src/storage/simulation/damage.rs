//! Damage, place by place: journals cut and flipped, segments and indexes flipped. And memory
//! that many idle partitions hold.

use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::catalog::{CatalogFile, TopicRecord};
use duramen_protocol::files::journal::{GROUP_HEADER_LEN, Group, PartitionKey};

use super::model;
use super::reads::bytes_of;
use crate::config::topic::TopicConfig;
use crate::io::Now;
use crate::io::fake::Fake;
use crate::storage::names::Layout;
use crate::storage::recovery::{self, Plan, Recovered, RecoveryError};
use crate::storage::store::{Event, Store, StoreConfig};
use crate::storage::{Data, From, Read, ReadError};

const TOPIC: TopicId = TopicId([7; 16]);
pub(super) const JOURNAL: &str = "data/.duramen/session-1/core-0/journal-1";
const SEGMENT: &str = "data/sim-0/00000000000000000000.log";
const FILE_BYTES: u64 = 64 << 10;

fn recover(disk: &mut Fake, accept_loss: bool) -> Result<Recovered, RecoveryError> {
    let plan = Plan {
        layout: Layout::new("data"),
        cores: 1,
        journal_file_bytes: FILE_BYTES,
        new_cluster_id: [1; 16],
        owner: &|_, _| 0,
        accept_loss,
        now: Now::default(),
    };
    recovery::recover(disk, &plan)
}

pub(super) fn open(disk: Fake) -> Store<Fake> {
    open_with(disk, 6)
}

pub(super) fn open_with(mut disk: Fake, journal_files: usize) -> Store<Fake> {
    let recovered = recover(&mut disk, false).expect("a sound disk");
    let mut config =
        StoreConfig::for_tests(Layout::new("data"), recovered.catalog.start_epoch, FILE_BYTES);
    config.journal.files_max = journal_files;
    Store::open(disk, config, recovered.logs.into_iter().flatten().collect(), Now::default())
}

pub(super) fn new_disk() -> Fake {
    disk_with(1)
}

pub(super) fn disk_with(partitions: u32) -> Fake {
    let mut disk = Fake::new(1);
    disk.set_pace(1);
    let topic = TopicRecord {
        id: TOPIC,
        name: "sim".into(),
        partitions,
        configs: vec![
            ("max.message.bytes".into(), "20000".into()),
            ("index.interval.bytes".into(), "1000".into()),
        ],
    };
    let catalog = CatalogFile {
        start_epoch: 0,
        cluster_id: [1; 16],
        next_producer_id: 0,
        topics: vec![topic],
        tombstones: Vec::new(),
    };
    disk.write_raw("data/.duramen/catalog", 0, &catalog.encode());
    disk
}

pub(super) fn key() -> PartitionKey {
    key_of(0)
}

pub(super) fn key_of(partition: u32) -> PartitionKey {
    PartitionKey { topic_id: TOPIC, partition }
}

/// Ticks until nothing is in flight.
pub(super) fn settle(store: &mut Store<Fake>, events: &mut Vec<Event>) {
    for _ in 0..1000 {
        store.collect(Now::default(), events);
        store.advance(Now::default());
        if store.disk().in_flight() == 0 {
            return;
        }
    }
    panic!("the store never came to rest");
}

/// Appends `batches` batches of one record, each a group of its own; returns what is stored.
pub(super) fn append(store: &mut Store<Fake>, batches: usize, size: usize) -> Vec<Vec<u8>> {
    let log = store.find(&key()).expect("the log");
    let mut rng = fastrand::Rng::with_seed(7);
    let mut stored = Vec::new();
    while stored.len() < batches {
        let sent = model::make_batch(&mut rng, 1, size, 1_000, None);
        let header = BatchHeader::parse(&sent).expect("our own batch");
        if let Ok(done) = store.append(log, &sent, &header, Now::default()) {
            stored.push(model::stored(&sent, done.base_offset, 1));
        }
        settle(store, &mut Vec::new());
    }
    stored
}

/// Where each group of the journal begins, and how many bytes of it count.
fn groups(journal: &[u8]) -> Vec<(usize, usize)> {
    let mut at = 0;
    let mut found = Vec::new();
    while let Ok(group) = Group::parse(&journal[at..]) {
        found.push((at, GROUP_HEADER_LEN + group.header.payload_len as usize));
        at += group.header.group_len as usize;
    }
    found
}

fn end_after(recovered: &Recovered) -> u64 {
    recovered.logs[0][0].0.next
}

#[test]
fn a_journal_cut_at_any_byte_gives_a_prefix() {
    let mut store = open(new_disk());
    append(&mut store, 3, 300);
    let image = store.disk().crash(1);
    let journal = image.read_durable(JOURNAL).expect("the journal");
    let groups = groups(&journal);
    assert_eq!(groups.len(), 3);
    let last = groups.last().map(|g| g.0 + g.1).unwrap_or_default();
    for cut in 0..=last + 1 {
        let mut disk = image.crash(2);
        disk.truncate(JOURNAL, cut as u64);
        let whole = groups.iter().filter(|(at, len)| at + len <= cut).count() as u64;
        let recovered = recover(&mut disk, false).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert_eq!(end_after(&recovered), whole, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_in_any_block_of_the_journal_is_damage_save_in_the_last_group() {
    let mut store = open(new_disk());
    append(&mut store, 6, 6000);
    let image = store.disk().crash(1);
    let journal = image.read_durable(JOURNAL).expect("the journal");
    let groups = groups(&journal);
    let last = groups.len() - 1;
    let mut rng = fastrand::Rng::with_seed(3);
    for (i, &(at, len)) in groups.iter().enumerate() {
        for block in (at..at + len).step_by(4096) {
            let byte = rng.usize(block..(block + 4096).min(at + len));
            let mut disk = image.crash(2);
            disk.flip_bit(JOURNAL, byte as u64, rng.u32(0..8));
            let place = format!("byte {byte} of group {i}");
            match recover(&mut disk, false) {
                Ok(recovered) => {
                    assert_eq!(i, last, "{place} went unnoticed");
                    assert_eq!(end_after(&recovered), last as u64, "{place}");
                }
                Err(RecoveryError::Damage { place: told, reason }) => {
                    assert_ne!(i, last, "{place}: {told}: {reason}");
                    assert!(told.contains("journal-1"), "{told}");
                    assert!(reason.contains(&format!("position {at}")), "{reason}");
                    // Refused, and nothing changed: refused again, until the loss is accepted.
                    let mut again = disk.kill(5);
                    assert!(recover(&mut again, false).is_err());
                    let accepted = recover(&mut again.kill(6), true).expect("accepted");
                    assert_eq!(end_after(&accepted), i as u64, "{place}");
                    assert_eq!(accepted.losses[0].first, i as u64);
                }
                Err(other) => panic!("{place}: {other}"),
            }
        }
    }
}

/// Ticks until the pending read has its outcome.
fn pending_read(store: &mut Store<Fake>) -> Result<Data, ReadError> {
    for _ in 0..1000 {
        let mut events = Vec::new();
        store.collect(Now::default(), &mut events);
        store.advance(Now::default());
        for event in events {
            if let Event::Read(_, result) = event {
                return result;
            }
        }
    }
    panic!("a read never ended");
}

/// Reads from `from`, to its end or its error.
fn read(store: &mut Store<Fake>, from: u64) -> Result<Vec<u8>, ReadError> {
    let log = store.find(&key()).expect("the log");
    let data = match store.read(log, From::Offset(from), 1 << 20) {
        Read::Data(data) => data,
        Read::Error(error) => return Err(error),
        Read::Pending(_) => pending_read(store)?,
    };
    Ok(bytes_of(&data, store.disk()))
}

#[test]
fn a_damaged_batch_is_refused_with_its_place_and_the_rest_is_served() {
    let mut store = open(new_disk());
    let stored = append(&mut store, 12, 900);
    let image = store.disk().kill(1);
    let starts: Vec<usize> = stored
        .iter()
        .scan(0, |at, b| {
            *at += b.len();
            Some(*at - b.len())
        })
        .collect();
    for hit in [0, 5, 11] {
        for inside in [0, 8, 16, 30, 61, stored[hit].len() - 1] {
            let mut disk = image.kill(2);
            recover(&mut disk, false).expect("a sound disk");
            let mut disk = disk.kill(3);
            disk.flip_bit(SEGMENT, (starts[hit] + inside) as u64, 3);
            let mut store = open(disk);
            let place = format!("batch {hit}, byte {inside}");
            for (i, batch) in stored.iter().enumerate() {
                let got = read(&mut store, i as u64);
                match got {
                    Ok(bytes) => {
                        assert!(bytes.starts_with(batch), "{place}: offset {i} reads wrong");
                        assert_ne!(i, hit, "{place} was served");
                    }
                    Err(ReadError::Corrupt { first, next_good }) => {
                        assert_eq!(i, hit, "{place}: offset {i} refused");
                        assert!(first <= hit as u64, "{place}: {first}");
                        assert_eq!(next_good, hit as u64 + 1, "{place}");
                    }
                    Err(other) => panic!("{place}: {other}"),
                }
            }
        }
    }
}

#[test]
fn a_damaged_or_missing_index_costs_time_and_nothing_else() {
    let mut store = open(new_disk());
    let stored = append(&mut store, 12, 900);
    stop(&mut store);
    let image = store.disk().kill(1);
    let index = "data/sim-0/00000000000000000000.index";
    let len = image.read_durable(index).expect("an index").len() as u64;
    assert!(len > 24);
    for byte in 0..len + 1 {
        let mut disk = image.kill(2);
        match byte == len {
            true => disk.truncate(index, 0),
            false => disk.flip_bit(index, byte, 4),
        }
        let mut store = open(disk);
        for (i, batch) in stored.iter().enumerate() {
            let got = read(&mut store, i as u64).unwrap_or_else(|e| panic!("byte {byte}: {e}"));
            assert!(got.starts_with(batch), "byte {byte}: offset {i} reads wrong");
        }
    }
}

#[test]
fn more_partitions_than_the_arena_has_pages_take_turns() {
    let partitions = 300;
    // So many journal files that they ask for no checkpoint.
    let mut store = open_with(disk_with(partitions), 1000);
    let mut rng = fastrand::Rng::with_seed(7);
    let mut events = Vec::new();
    for round in 0..3 {
        for partition in 0..partitions {
            let log = store.find(&key_of(partition)).expect("the log");
            let sent = model::make_batch(&mut rng, 1, 100, 1_000, None);
            let header = BatchHeader::parse(&sent).expect("our own batch");
            let taken = (0..1000).any(|_| {
                let taken = store.append(log, &sent, &header, Now::default()).is_ok();
                store.collect(Now::default(), &mut events);
                store.advance(Now::default());
                taken
            });
            assert!(taken, "round {round}: partition {partition} never got memory");
        }
    }
}

#[test]
fn an_index_that_led_nowhere_is_made_again() {
    let mut store = open(new_disk());
    let log = store.find(&key()).expect("the log");
    let small = TopicConfig {
        segment_bytes: 9_000,
        max_message_bytes: 20_000,
        index_interval_bytes: 1_000,
        ..TopicConfig::default()
    };
    store.configure(log, Arc::new(small));
    let stored = append(&mut store, 24, 900);
    assert!(store.status(log).segments > 1);
    stop(&mut store);
    let image = store.disk().kill(1);
    let index = "data/sim-0/00000000000000000000.index";
    let whole = image.read_durable(index).expect("an index");
    let mut disk = image.kill(2);
    for entry in 0..whole.len() as u64 / 8 {
        disk.flip_bit(index, entry * 8 + 7, 4);
    }
    let mut store = open(disk);
    for i in 0..stored.len() {
        let got = read(&mut store, i as u64).unwrap_or_else(|e| panic!("offset {i}: {e}"));
        let place = stored.iter().position(|b| got.starts_with(b));
        assert_eq!(place, Some(i), "offset {i} reads {} bytes", got.len());
    }
    settle(&mut store, &mut Vec::new());
    assert_eq!(store.disk().read_durable(index).as_ref(), Some(&whole));
    assert_eq!(store.counters().index_rebuilds, 1);
}

pub(super) fn stop(store: &mut Store<Fake>) {
    store.begin_shutdown();
    while !store.is_shut_down() {
        settle(store, &mut Vec::new());
    }
}
