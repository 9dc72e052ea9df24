//! A full disk: what it refuses was not staged, to the last figure.
//!
//! Only `Allocate` finds the disk full here. A batch that were staged all the same would get to the
//! journal, which has room, and would be acknowledged, with no place to go to.

use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::checkpoint::ProducerRecord;

use super::damage::{JOURNAL, key, new_disk, open, settle, stop};
use super::model::{self, Producer};
use crate::io::fake::{Fake, Filter, Kind};
use crate::io::{ErrorKind, Now};
use crate::limits;
use crate::storage::stage::{Appended, Refusal};
use crate::storage::store::{Event, Store};
use crate::storage::{LogId, LogStatus};

/// Everything that staging a batch changes.
#[derive(Debug, PartialEq)]
struct Trace {
    status: LogStatus,
    end: u64,
    producers: Vec<ProducerRecord>,
    epochs: Vec<(u32, u64)>,
    dirty: bool,
    arena_used: usize,
    staged: [u64; 4],
    journal: Option<Vec<u8>>,
}

fn trace(store: &Store<Fake>, id: LogId) -> Trace {
    let log = store.logs.get(id).expect("the log");
    let counters = store.counters();
    Trace {
        status: store.status(id),
        end: log.active().end,
        producers: log.producers.records_below(u64::MAX),
        epochs: log.epochs.clone(),
        dirty: log.dirty || !store.dirty.is_empty(),
        arena_used: store.arena_used(),
        staged: [counters.batches, counters.records, counters.appended_bytes, counters.groups],
        journal: store.disk().read_volatile(JOURNAL),
    }
}

/// Asks again until the store has taken the batch or refused it.
fn append(store: &mut Store<Fake>, id: LogId, batch: &[u8], now: Now) -> Result<Appended, Refusal> {
    let header = BatchHeader::parse(batch).expect("our own batch");
    for _ in 0..20 {
        match store.append(id, batch, &header, now) {
            Err(Refusal::Wait) => settle(store, &mut Vec::new()),
            decided => return decided,
        }
    }
    panic!("the store never decided");
}

#[test]
fn a_full_disk_refuses_before_anything_is_staged() {
    let mut store = open(new_disk());
    let id = store.find(&key()).expect("the log");
    let mut rng = fastrand::Rng::with_seed(1);
    let mut producer = Producer { id: 7, epoch: 0, next_sequence: 0 };
    let mut next = |producer: &Producer| model::make_batch(&mut rng, 1, 19_000, 0, Some(producer));
    append(&mut store, id, &next(&producer), Now::default()).expect("there is room");
    producer.next_sequence += 1;
    settle(&mut store, &mut Vec::new());

    let reserved = store.logs.get(id).expect("the log").active().reserved;
    store.disk_mut().fail_for_good(Filter::kind(Kind::Allocate), ErrorKind::Full);
    let (batch, before) = loop {
        let (batch, before) = (next(&producer), trace(&store, id));
        match append(&mut store, id, &batch, Now::default()) {
            Ok(done) => assert_eq!(done.base_offset, before.status.next),
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::Full(_)), "{refusal}");
                break (batch, before);
            }
        }
        producer.next_sequence += 1;
        settle(&mut store, &mut Vec::new());
        let end = store.logs.get(id).expect("the log").active().end;
        assert!(end <= reserved, "staged up to {end}, with space for {reserved} bytes");
    };
    let mut events = Vec::new();
    settle(&mut store, &mut events);
    assert_eq!(trace(&store, id), before, "a refusal leaves no trace");
    assert!(!events.iter().any(|event| matches!(event, Event::Durable(_) | Event::Failed)));

    // There is space again: the very same batch is taken, at the offset and sequence it would have
    // had, and that is what a restart finds.
    store.disk_mut().heal();
    let later = Now { monotonic_us: 1_000 * limits::FULL_RETRY_MS, ..Now::default() };
    store.advance(later);
    let done = append(&mut store, id, &batch, later).expect("there is room again");
    assert_eq!((done.base_offset, done.duplicate), (before.status.next, false));
    settle(&mut store, &mut Vec::new());
    stop(&mut store);
    let again = open(store.disk().kill(1));
    let id = again.find(&key()).expect("the log");
    assert_eq!(again.status(id).durable, done.last_offset + 1);
}
