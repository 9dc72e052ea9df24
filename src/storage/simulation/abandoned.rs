//! Checkpoints that a full disk stops half-way.

use super::damage::{append, new_disk, open};
use crate::io::fake::{Fake, Filter, Kind};
use crate::io::{ErrorKind, Now};
use crate::limits;
use crate::storage::store::Store;

fn tick_often(store: &mut Store<Fake>, now: Now) {
    for _ in 0..50 {
        store.collect(now, &mut Vec::new());
        store.advance(now);
    }
}

/// One of a run's operations finds the disk full while another takes long. The next run must not
/// take that one's end for one of its own, nor write the same file at the same time.
#[test]
fn a_run_never_meets_what_an_abandoned_one_has_in_flight() {
    let mut store = open(new_disk());
    append(&mut store, 8, 500);
    let sequence = store.checkpoint_sequence;
    let folder = Filter::kind(Kind::SyncDir).path("sim-0");
    let hold = store.disk_mut().hold_nth(folder, 0);
    store.disk_mut().fail_next(Filter::kind(Kind::SyncDir), ErrorKind::Full);
    store.checkpoint_forced = true;
    tick_often(&mut store, Now::default());
    assert_eq!(store.disk().held().len(), 1);

    // There is space again long before the other operation is done.
    let later = Now { monotonic_us: 10_000 * limits::FULL_RETRY_MS, ..Now::default() };
    tick_often(&mut store, later);
    assert_eq!(store.checkpoint_sequence, sequence);

    store.disk_mut().release(hold);
    tick_often(&mut store, later);
    assert_eq!(store.checkpoint_sequence, sequence + 1);
    assert!(!store.is_checkpointing() && store.failed().is_none());
}
