//! A shard on the fake disk, tick by tick.

use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::files::journal::PartitionKey;

use super::request::{At, PartitionRead, ReadMany, Records};
use super::*;
use crate::broker::catalog::{Created, NewTopic, TopicLimits};
use crate::config::groups::GroupSettings;
use crate::io::ErrorKind;
use crate::io::fake::{Fake, Filter, Kind};
use crate::storage::names::Layout;
use crate::storage::recovery::{self, Plan};
use crate::storage::{JournalConfig, StoreConfig};

mod deletion;
mod extents;
mod groups;
mod readahead;

const TOPIC: TopicId = TopicId([7; 16]);
const US_PER_TICK: u64 = 1_000;
const ME: ClientId = ClientId(1);

/// A shard with one topic of two partitions, and a clock.
struct Bench {
    shard: Shard<Fake>,
    catalog: Catalog,
    now: Now,
    released: Vec<Released>,
    calls: u32,
}

/// What came of a call.
type Outcome = Result<Answer, AskError>;

impl Bench {
    fn new() -> Bench {
        let now = Now { monotonic_us: 1_000_000, wall_ms: 1_700_000_000_000 };
        let layout = Layout::new("data");
        let mut disk = Fake::new(1);
        disk.set_pace(1);
        disk.make_dirs("data");
        let plan = Plan {
            layout: layout.clone(),
            cores: 1,
            journal_file_bytes: 1 << 20,
            new_cluster_id: [1; 16],
            owner: &|_, _| 0,
            accept_loss: false,
            now,
        };
        let recovered = recovery::recover(&mut disk, &plan).unwrap();
        let start_epoch = recovered.catalog.start_epoch;
        let folder = layout.core(start_epoch, 0);
        let file_bytes = 1 << 20;
        let journal = JournalConfig { folder, core: 0, start_epoch, file_bytes, files_max: 6 };
        let config = StoreConfig {
            layout,
            journal,
            journal_files_min: 3,
            arena_bytes: 4 << 20,
            extent_bytes_min: crate::limits::EXTENT_BYTES_MIN,
            no_sync: false,
            retention_check_ms: 60_000,
            producer_expiration_ms: 86_400_000,
        };
        let limits = TopicLimits::default();
        let empty = Catalog::from_file(recovered.catalog, &limits).unwrap();
        let new = NewTopic { name: "events", partitions: 2, configs: &[], if_not_exists: false };
        let Ok(Created::New(catalog)) = empty.create_topic(&new, TOPIC, &limits) else {
            panic!("no topic")
        };
        let store = Store::open(disk, config, Vec::new(), now);
        let shard = Shard::new(store, 0, 1, Arc::new(catalog.clone()), GroupSettings::default());
        let mut bench = Bench { shard, catalog, now, released: Vec::new(), calls: 0 };
        bench.ticks(10);
        bench
    }

    fn disk(&mut self) -> &mut Fake {
        self.shard.store.disk_mut()
    }

    fn log(&self, partition: u32) -> LogId {
        self.shard.store.find(&PartitionKey { topic_id: TOPIC, partition }).unwrap()
    }

    /// Asks, and returns the call's number.
    fn ask_as(&mut self, client: ClientId, ask: Ask) -> u32 {
        self.calls += 1;
        let ticket = Ticket { client, call: self.calls };
        self.shard.enqueue(Request { ticket, ask });
        self.calls
    }

    fn ask(&mut self, ask: Ask) -> u32 {
        self.ask_as(ME, ask)
    }

    fn append(&mut self, partition: u32, batch: Vec<u8>) -> u32 {
        let log = self.log(partition);
        self.ask(Ask::Append { at: At::Log(log), batch: batch.into(), silent: false })
    }

    fn read(&mut self, max_bytes: u32, max_wait_ms: u32) -> Ask {
        Ask::Read { log: self.log(0), offset: 0, min_bytes: 1, max_bytes, max_wait_ms }
    }

    fn ticks(&mut self, count: usize) {
        for _ in 0..count {
            self.now.monotonic_us += US_PER_TICK;
            self.shard.tick(self.now, &mut self.released);
        }
    }

    /// Whether the shard lets its thread sleep when nothing happens.
    fn sleeps(&mut self) -> bool {
        self.ticks(100);
        self.now.monotonic_us += US_PER_TICK;
        let deadline = self.shard.tick(self.now, &mut self.released);
        deadline.is_none_or(|deadline_us| deadline_us > self.now.monotonic_us)
    }

    /// The answer to a call, if it was given. It must not be given twice.
    fn outcome(&mut self, wanted: u32) -> Option<Outcome> {
        let is_it = |released: &Released| matches!(released, Released::Answer { ticket, .. } if ticket.call == wanted);
        let at = self.released.iter().position(is_it)?;
        let Released::Answer { result, .. } = self.released.remove(at) else { unreachable!() };
        assert!(!self.released.iter().any(is_it), "call {wanted} was answered twice");
        Some(result)
    }

    /// Ticks until a call is answered.
    fn wait(&mut self, call: u32) -> Outcome {
        for _ in 0..1_000 {
            self.ticks(1);
            if let Some(outcome) = self.outcome(call) {
                return outcome;
            }
        }
        panic!("call {call} was not answered");
    }

    fn offset(&mut self, call: u32) -> u64 {
        match self.wait(call) {
            Ok(Answer::Appended { base_offset, .. }) => base_offset,
            other => panic!("{other:?}"),
        }
    }

    fn records(&mut self, call: u32) -> Records {
        match self.wait(call) {
            Ok(Answer::Records(records)) => records,
            other => panic!("{other:?}"),
        }
    }
}

fn batch(value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.append(1_000, None, Some(&vec![b'v'; value_bytes]), &[]).unwrap();
    builder.finish().unwrap()
}

fn sequenced(sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.set_producer(9, 0, sequence);
    builder.append(1_000, None, Some(b"once"), &[]).unwrap();
    builder.finish().unwrap()
}

#[test]
fn an_append_is_answered_when_it_is_durable_and_not_before() {
    let mut bench = Bench::new();
    let first = bench.append(0, sequenced(0));
    assert_eq!(bench.offset(first), 0);
    let hold = bench.disk().hold(Filter::kind(Kind::Write).path("journal"));
    let second = bench.append(0, sequenced(1));
    let again = bench.append(0, sequenced(1));
    let read = bench.read(1 << 20, 0);
    let read = bench.ask(read);
    bench.ticks(50);
    assert!(bench.outcome(second).is_none() && bench.outcome(again).is_none());
    assert_eq!(bench.records(read).durable, 1, "nothing is shown past the durable end");
    bench.disk().release(hold);
    assert_eq!(bench.offset(second), 1);
    let duplicate = bench.outcome(again).unwrap();
    let original =
        matches!(duplicate, Ok(Answer::Appended { base_offset: 1, duplicate: true, .. }));
    assert!(original, "{duplicate:?}");
}

#[test]
fn batches_that_have_to_wait_keep_their_order() {
    let mut bench = Bench::new();
    let hold = bench.disk().hold(Filter::kind(Kind::Allocate));
    let calls: Vec<u32> = (0..20).map(|n| bench.append(0, batch(n * 100))).collect();
    bench.ticks(20);
    assert!(calls.iter().all(|&call| bench.outcome(call).is_none()));
    assert!(bench.shard.backlog_bytes > 0);
    bench.disk().release(hold);
    let offsets: Vec<u64> = calls.iter().map(|&call| bench.offset(call)).collect();
    assert_eq!(offsets, (0..20).collect::<Vec<_>>());
    assert_eq!((bench.shard.backlog_bytes, bench.shard.waiting.len()), (0, 0));
}

#[test]
fn a_small_batch_does_not_overtake_a_large_one_that_waits() {
    let mut bench = Bench::new();
    let first = bench.append(0, batch(10));
    bench.offset(first);
    let hold = bench.disk().hold(Filter::kind(Kind::Write));
    let mut calls = vec![first];
    while bench.shard.backlog_bytes == 0 {
        calls.push(bench.append(0, batch(1_000_000)));
        bench.ticks(5);
        assert!(calls.len() < 20, "the arena takes everything");
    }
    calls.extend((0..5).map(|_| bench.append(0, batch(10))));
    bench.ticks(5);
    bench.disk().release(hold);
    for (offset, &call) in (0..).zip(&calls).skip(1) {
        assert_eq!(bench.offset(call), offset);
    }
}

#[test]
fn so_much_waits_that_nobody_should_bring_more() {
    let mut bench = Bench::new();
    let hold = bench.disk().hold(Filter::kind(Kind::Allocate));
    let mut calls = Vec::new();
    while !bench.shard.is_congested() {
        calls.push(bench.append(calls.len() as u32 % 2, batch(1_000_000)));
        assert!(calls.len() < 100);
    }
    bench.ticks(10);
    assert!(bench.shard.is_congested());
    bench.disk().release(hold);
    for call in calls {
        bench.offset(call);
    }
    assert!(!bench.shard.is_congested());
}

#[test]
fn a_failed_disk_takes_nothing_more_and_reads_go_on() {
    let mut bench = Bench::new();
    let durable = bench.append(0, batch(10));
    bench.offset(durable);
    bench.disk().fail_for_good(Filter::kind(Kind::Write).path("journal"), ErrorKind::Failed);
    let staged = bench.append(0, batch(20));
    let error = bench.wait(staged).unwrap_err();
    assert!(matches!(error, AskError::PerhapsPersisted(_)), "{error}");
    let later = bench.append(1, batch(30));
    let error = bench.wait(later).unwrap_err();
    assert!(matches!(error, AskError::Failed(_)), "{error}");
    let read = bench.read(1 << 20, 0);
    let read = bench.ask(read);
    let records = bench.records(read);
    assert_eq!((records.durable, records.bytes), (1, batch(10).len()));
    assert!(bench.shard.failed().is_some() && bench.sleeps());
}

#[test]
fn what_waits_when_the_disk_fails_was_not_staged() {
    let mut bench = Bench::new();
    let first = bench.append(0, batch(10));
    bench.offset(first);
    bench.disk().hold(Filter::kind(Kind::Allocate));
    let queued = bench.append(1, batch(10));
    bench.ticks(5);
    bench.disk().fail_for_good(Filter::kind(Kind::Write).path("journal"), ErrorKind::Failed);
    let staged = bench.append(0, batch(10));
    let error = bench.wait(staged).unwrap_err();
    assert!(matches!(error, AskError::PerhapsPersisted(_)), "{error}");
    let error = bench.outcome(queued).unwrap().unwrap_err();
    assert!(matches!(error, AskError::Failed(_)), "{error}");
    assert_eq!(bench.shard.backlog_bytes, 0);
}

#[test]
fn a_full_disk_refuses_and_then_goes_on_by_itself() {
    let mut bench = Bench::new();
    let first = bench.append(0, batch(10));
    bench.offset(first);
    let used = bench.disk().used_bytes();
    bench.disk().set_capacity(Some(used));
    let mut stored = 1;
    let error = loop {
        let call = bench.append(0, batch(100_000));
        match bench.wait(call) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1_000);
    };
    assert!(matches!(error, AskError::Full(_)), "{error}");
    let read = bench.read(100, 0);
    let read = bench.ask(read);
    assert_eq!(bench.records(read).durable, stored, "reads go on");
    assert!(bench.sleeps());
    bench.disk().set_capacity(None);
    bench.ticks(1_000);
    let call = bench.append(0, batch(100_000));
    assert_eq!(bench.offset(call), stored, "a refusal leaves no trace");
}

#[test]
fn a_client_that_does_not_send_on_gets_no_more() {
    let mut bench = Bench::new();
    for _ in 0..6 {
        let call = bench.append(0, batch(100_000));
        bench.offset(call);
    }
    let reads: Vec<u32> = (0..10)
        .map(|_| {
            let read = bench.read(200_000, 0);
            bench.ask(read)
        })
        .collect();
    bench.ticks(100);
    let mut given = Vec::new();
    let mut answered = 0;
    for &call in &reads {
        if let Some(outcome) = bench.outcome(call) {
            let Ok(Answer::Records(records)) = outcome else { panic!("{outcome:?}") };
            given.push((records.bytes, pinned_bytes(&records.pieces)));
            answered += 1;
        }
    }
    let unsent: usize = given.iter().map(|(bytes, _)| bytes).sum();
    assert!(answered > 0 && answered < 10, "{answered} of 10");
    assert!(unsent <= limits::UNSENT_BYTES + 200_000, "{unsent}");
    // Another client is not held up.
    let read = bench.read(100, 0);
    let other = bench.ask_as(ClientId(2), read);
    bench.records(other);
    while answered < 10 {
        let (bytes, pinned) = given.pop().expect("whoever has sent all gets more");
        bench.ask(Ask::Sent { bytes, pinned });
        bench.ticks(5);
        for &call in &reads {
            if let Some(Ok(Answer::Records(records))) = bench.outcome(call) {
                given.push((records.bytes, pinned_bytes(&records.pieces)));
                answered += 1;
            }
        }
    }
}

#[test]
fn whoever_waits_for_a_deleted_topic_is_told() {
    let mut bench = Bench::new();
    let first = bench.append(0, batch(10));
    bench.offset(first);
    bench.disk().hold(Filter::kinds(&[Kind::Write, Kind::Allocate]));
    let staged = bench.append(0, batch(10));
    let queued = bench.append(1, batch(10));
    let log = bench.log(0);
    let parked =
        bench.ask(Ask::Read { log, offset: 1, min_bytes: 1, max_bytes: 9, max_wait_ms: 60_000 });
    let subscribe = Ask::Subscribe { log, subscription: 5, offset: 1, credit_bytes: 9 };
    bench.ask(subscribe);
    bench.ticks(5);
    let catalog = bench.catalog.delete_topic("events").unwrap();
    bench.shard.apply(Arc::new(catalog));
    bench.ticks(1);
    for call in [staged, queued, parked] {
        let outcome = bench.outcome(call);
        assert!(matches!(outcome, Some(Err(AskError::Deleted))), "{call}: {outcome:?}");
    }
    let is_end = |released: &Released| {
        matches!(released, Released::PushEnd { subscription: 5, error: AskError::Deleted, .. })
    };
    assert!(bench.released.iter().any(is_end));
    let late = bench.ask(Ask::Append { at: At::Log(log), batch: batch(1).into(), silent: false });
    assert!(matches!(bench.wait(late), Err(AskError::Deleted)));
    assert_eq!(bench.shard.backlog_bytes, 0);
    bench.disk().release_all();
    bench.ticks(2_000);
    let passed = bench.shard.take_passed();
    assert_eq!(passed.len(), 2, "its partitions are cleared away");
}

#[test]
fn parked_reads_are_answered_at_their_deadline_and_forgotten_with_their_client() {
    let mut bench = Bench::new();
    let read = bench.read(100, 20);
    let call = bench.ask(read);
    bench.ticks(10);
    assert!(bench.outcome(call).is_none());
    let deadline = bench.shard.fetches.next_deadline().unwrap();
    assert!(deadline <= bench.now.monotonic_us + 20_000, "the next tick is due by then");
    bench.ticks(20);
    let outcome = bench.outcome(call);
    assert!(matches!(&outcome, Some(Ok(Answer::Records(r))) if r.bytes == 0), "{outcome:?}");
    let read = bench.read(100, 20);
    let call = bench.ask(read);
    bench.ask(Ask::Leave);
    bench.ticks(50);
    assert!(bench.outcome(call).is_none());
    assert_eq!(bench.shard.fetches.next_deadline(), None);
}

#[test]
fn a_stop_finishes_what_was_accepted() {
    let mut bench = Bench::new();
    assert!(bench.sleeps());
    let calls: Vec<u32> = (0..30).map(|_| bench.append(0, batch(200_000))).collect();
    bench.shard.begin_shutdown();
    let late = bench.append(0, batch(10));
    assert!(matches!(bench.wait(late), Err(AskError::ShuttingDown)));
    let mut ticks = 0;
    while !bench.shard.shut_down() {
        bench.ticks(1);
        ticks += 1;
        assert!(ticks < 5_000, "it does not stop");
    }
    for (n, call) in (0..).zip(calls) {
        let outcome = bench.outcome(call);
        let stored =
            matches!(outcome, Some(Ok(Answer::Appended { base_offset, .. })) if base_offset == n);
        assert!(stored, "{outcome:?}");
    }
}

impl Bench {
    /// Reads both partitions from their starts, for at most a minute.
    fn read_both(&mut self, min_bytes: usize, max_bytes: usize) -> u32 {
        let partition = |partition| PartitionRead {
            key: PartitionKey { topic_id: TOPIC, partition },
            offset: 0,
            max_bytes: 1 << 20,
        };
        let partitions = vec![partition(0), partition(1)];
        let (min_bytes, max_bytes) = (min_bytes as u32, max_bytes as u32);
        let read = ReadMany { partitions, min_bytes, max_bytes, max_wait_ms: 60_000 };
        self.ask(Ask::ReadMany(Box::new(read)))
    }

    /// Bytes of each partition, and where it ends.
    fn many(&mut self, call: u32) -> Vec<(usize, u64)> {
        match self.wait(call) {
            Ok(Answer::Many(found)) => {
                let look = |records: Records| (records.bytes, records.durable);
                found.into_iter().map(|records| look(records.unwrap())).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_read_of_many_partitions_waits_for_all_of_them_together() {
    let mut bench = Bench::new();
    let one = batch(100).len();
    let call = bench.read_both(2 * one, 1 << 20);
    for partition in [0, 1] {
        bench.ticks(10);
        assert!(bench.outcome(call).is_none(), "less than is wanted");
        let append = bench.append(partition, batch(100));
        assert_eq!(bench.offset(append), 0);
    }
    assert_eq!(bench.many(call), [(one, 1), (one, 1)]);
    assert!(bench.shard.read_manys.next_deadline().is_none(), "nothing is left of it");
    assert!(bench.shard.logs.iter().all(|(_, log)| log.read_manys.is_empty()));
}

#[test]
fn a_read_of_many_partitions_ends_when_it_is_hurried_or_its_time_is_over() {
    let mut bench = Bench::new();
    let hurried = bench.read_both(1, 1 << 20);
    bench.ticks(10);
    assert!(bench.outcome(hurried).is_none());
    let ticket = Ticket { client: ME, call: hurried };
    bench.shard.enqueue(Request { ticket, ask: Ask::Hurry });
    assert_eq!(bench.many(hurried), [(0, 0), (0, 0)]);
    bench.shard.enqueue(Request { ticket, ask: Ask::Hurry });
    let late = bench.read_both(1, 1 << 20);
    bench.ticks(10);
    assert!(bench.outcome(late).is_none());
    bench.now.monotonic_us += 60_000_000;
    assert_eq!(bench.many(late), [(0, 0), (0, 0)]);
    assert!(bench.sleeps());
}

#[test]
fn bytes_are_given_to_the_partitions_in_their_order_and_a_batch_comes_whole() {
    let mut bench = Bench::new();
    let one = batch(100).len();
    for partition in [0, 1] {
        for n in 0..3 {
            let append = bench.append(partition, batch(100));
            assert_eq!(bench.offset(append), n);
        }
    }
    for (max_bytes, given) in [
        (0, [0, 0]),
        (1, [one, 0]),
        (3 * one, [3 * one, 0]),
        (4 * one, [3 * one, one]),
        (100 * one, [3 * one, 3 * one]),
    ] {
        let call = bench.read_both(1, max_bytes);
        assert_eq!(bench.many(call), given.map(|bytes| (bytes, 3)), "{max_bytes}");
    }
}
