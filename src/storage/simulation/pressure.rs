//! Many logs with small tails while memory is short.

use duramen_protocol::batch::BatchHeader;

use super::damage::{disk_with, key_of, open_with, settle};
use super::model;
use crate::io::Now;
use crate::io::fake::{Fake, Filter, Kind};
use crate::limits;
use crate::storage::stage::Refusal;
use crate::storage::store::Store;

const PARTITIONS: u32 = 40;
const BATCH_BYTES: usize = 1500;

/// A store that asks for no checkpoint by itself, and holds back what is written to segments.
fn held_store() -> Store<Fake> {
    let mut store = open_with(disk_with(PARTITIONS), 1000);
    store.disk_mut().hold(Filter::kind(Kind::Write).path("sim-"));
    store
}

/// Ticks until all that is in flight is held back and a further tick adds nothing; returns how many
/// writes that are.
fn tick(store: &mut Store<Fake>) -> usize {
    let mut before = None;
    for _ in 0..1000 {
        store.collect(Now::default(), &mut Vec::new());
        store.advance(Now::default());
        let held = store.disk().held().len();
        let at_rest = (store.disk().in_flight() == held).then_some(held);
        if at_rest.is_some() && at_rest == before {
            return held;
        }
        before = at_rest;
    }
    panic!("the store never came to rest");
}

/// Appends a batch of one record; returns whether there was memory for it.
fn append(store: &mut Store<Fake>, partition: u32, rng: &mut fastrand::Rng) -> bool {
    let log = store.find(&key_of(partition)).expect("the log");
    let sent = model::make_batch(rng, 1, BATCH_BYTES, 1_000, None);
    let header = BatchHeader::parse(&sent).expect("our own batch");
    // It may have to wait for the log's file as well.
    (0..10).any(|_| {
        let outcome = store.append(log, &sent, &header, Now::default());
        assert!(matches!(outcome, Ok(_) | Err(Refusal::Wait)), "{outcome:?}");
        tick(store);
        outcome.is_ok()
    })
}

/// How many writes so much memory calls for.
fn called_for(used: usize, arena: usize) -> usize {
    match used > arena / 2 {
        true => limits::MATERIALISE_IN_FLIGHT
            .min(1 + (used - arena / 2) / (arena / limits::MATERIALISE_ARENA_SHARE)),
        false => 0,
    }
}

#[test]
fn small_tails_are_written_as_fast_as_memory_calls_for_and_no_faster() {
    let mut store = held_store();
    let mut rng = fastrand::Rng::with_seed(3);
    let arena = store.config.arena_bytes;
    let mut most = 0;
    let mut partitions = (0..PARTITIONS).cycle();
    while append(&mut store, partitions.next().expect("a cycle"), &mut rng) {
        let (writes, used) = (tick(&mut store), store.arena_used());
        assert_eq!(writes, called_for(used, arena), "{used} of {arena} bytes in use");
        most = writes;
    }
    assert_eq!(most, limits::MATERIALISE_IN_FLIGHT);

    // Once they are written there is memory again, for everybody.
    store.disk_mut().release_all();
    settle(&mut store, &mut Vec::new());
    assert!(!store.arena.is_pressed());
    for partition in 0..PARTITIONS {
        assert!(append(&mut store, partition, &mut rng), "partition {partition}");
    }
}

#[test]
fn a_checkpoint_does_not_wait_for_what_memory_calls_for() {
    let mut store = held_store();
    let mut rng = fastrand::Rng::with_seed(4);
    let mut partitions = (0..PARTITIONS).cycle();
    while !store.arena.is_pressed() {
        assert!(append(&mut store, partitions.next().expect("a cycle"), &mut rng));
    }
    let writes = tick(&mut store);
    assert!((1..limits::MATERIALISE_IN_FLIGHT).contains(&writes), "{writes}");
    assert!(!store.swept.is_empty(), "others would be next");
    let sequence = store.checkpoint_sequence;
    store.checkpoint_forced = true;
    assert_eq!(tick(&mut store), limits::MATERIALISE_IN_FLIGHT);
    store.disk_mut().release_all();
    settle(&mut store, &mut Vec::new());
    assert_eq!(store.checkpoint_sequence, sequence + 1);
}
