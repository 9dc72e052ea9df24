//! Cold segments come to the page cache a window at a time, and give way to the commit.

use super::*;
use crate::limits;
use crate::storage::Piece;

const BATCH_BYTES: usize = 50_000;
/// More than memory holds.
const BATCHES: u64 = 160;
const READ_BYTES: u32 = 128 << 10;

/// A shard whose first partition is long, and whose page cache is empty.
fn cold() -> Bench {
    let mut bench = Bench::new();
    for _ in 0..BATCHES {
        let call = bench.append(0, batch(BATCH_BYTES));
        bench.offset(call);
    }
    let other = bench.append(1, batch(10));
    bench.offset(other);
    bench.ticks(100);
    bench.disk().drop_page_cache();
    bench
}

impl Bench {
    fn read_at(&mut self, offset: u64) -> u32 {
        let log = self.log(0);
        let (max_bytes, max_wait_ms) = (READ_BYTES, 0);
        // Nobody takes in what it gets: each reader has a share of its own.
        let reader = ClientId(100 + offset);
        self.ask_as(reader, Ask::Read { log, offset, min_bytes: 1, max_bytes, max_wait_ms })
    }

    fn done(&mut self, kind: Kind) -> u64 {
        self.disk().counters().of(kind)
    }
}

/// Whether all of it is sent as it lies in the file.
fn is_sent_from_file(records: &Records) -> bool {
    records.pieces.iter().all(|piece| matches!(piece, Piece::File { .. }))
}

#[test]
fn a_reader_finds_what_it_reads_next_in_the_page_cache() {
    let mut bench = cold();
    let (mut offset, mut position) = (0, 0);
    // The rest is in memory.
    while offset < 60 {
        let call = bench.read_at(offset);
        let records = bench.records(call);
        assert!(is_sent_from_file(&records), "{:?}", records.pieces);
        offset += records.bytes as u64 / BATCH_BYTES as u64;
        position += records.bytes as u64;
        let brought = bench.done(Kind::ReadAhead);
        // The first windows are met cold; then come those further on, each once.
        let least = if position < 1 << 20 { 1 } else { position / limits::READAHEAD_BYTES + 2 };
        let most = position.div_ceil(limits::READAHEAD_BYTES) + limits::READAHEAD_WINDOWS;
        assert!((least..=most).contains(&brought), "{brought} windows for {position} bytes");
    }
}

#[test]
fn what_is_on_its_way_is_waited_for_and_brought_once() {
    let mut bench = cold();
    let hold = bench.disk().hold(Filter::kind(Kind::ReadAhead));
    let mut calls = vec![bench.read_at(0), bench.read_at(1)];
    bench.ticks(50);
    calls.push(bench.read_at(2));
    bench.ticks(50);
    assert!(calls.iter().all(|&call| bench.outcome(call).is_none()));
    assert_eq!(bench.disk().held().len(), 1);
    bench.disk().release(hold);
    for call in calls {
        assert!(is_sent_from_file(&bench.records(call)));
    }
}

#[test]
fn a_window_that_cannot_be_brought_is_read() {
    let mut bench = cold();
    bench.disk().fail_for_good(Filter::kind(Kind::ReadAhead), ErrorKind::Failed);
    let call = bench.read_at(0);
    let records = bench.records(call);
    assert!(records.bytes >= BATCH_BYTES && !is_sent_from_file(&records));
}

#[test]
fn beside_a_commit_one_window_is_begun_for_each_group() {
    let mut bench = cold();
    let windows = bench.disk().hold(Filter::kind(Kind::ReadAhead));
    let begun = |bench: &mut Bench| {
        let kinds = bench.disk().held_kinds();
        kinds.into_iter().filter(|&kind| kind == Kind::ReadAhead).count()
    };
    let journal = || Filter::kind(Kind::Write).path("journal");
    let mut group = bench.disk().hold(journal());
    let mut append = bench.append(1, batch(10));
    bench.ticks(1);
    let readers: Vec<u32> = (0..7).map(|n| bench.read_at(n * 8)).collect();
    // Whichever group was written last has left a turn.
    for turns in 1..4 {
        bench.ticks(50);
        assert_eq!(begun(&mut bench), turns);
        let next_group = bench.disk().hold_nth(journal(), 0);
        let next_append = bench.append(1, batch(10));
        bench.ticks(1);
        bench.disk().release(group);
        bench.offset(append);
        (group, append) = (next_group, next_append);
    }
    bench.disk().release(group);
    bench.offset(append);
    bench.ticks(50);
    assert_eq!(begun(&mut bench), readers.len(), "nothing is written any more");
    bench.disk().release(windows);
    for call in readers {
        assert!(is_sent_from_file(&bench.records(call)));
    }
}
