//! Groups of librdkafka's consumers: they share partitions, come, go, hang and are killed, and
//! between them every record is processed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rdkafka::producer::{BaseRecord, Producer};
use tempfile::TempDir;

use super::members::{Deeds, Members, be_a_process};
use super::{MINUTE, producer};
use crate::support::kafka_wire::KafkaWire;
use crate::support::server::Server;

const TOPIC: &str = "events";
const PARTITIONS: i32 = 12;

/// A server with a topic.
fn server() -> (TempDir, Server) {
    let (dir, server) = super::quick_server(&[]);
    KafkaWire::connect(server.kafka[0]).create(TOPIC, PARTITIONS, &[]);
    (dir, server)
}

/// Somebody who produces one record after the other, each to the next partition.
struct Source {
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<i64>,
}

impl Source {
    fn start(server: &Server) -> Source {
        let producer = producer(server.kafka[0], &[("linger.ms", "0")]);
        let is_done = Arc::new(AtomicBool::new(false));
        let ended = is_done.clone();
        let thread = std::thread::spawn(move || {
            let mut rounds = 0;
            while !ended.load(Ordering::Relaxed) {
                for partition in 0..PARTITIONS {
                    let record = BaseRecord::<(), str>::to(TOPIC).partition(partition);
                    producer.send(record.payload("a value")).unwrap();
                }
                producer.flush(MINUTE).unwrap();
                rounds += 1;
            }
            rounds
        });
        Source { is_done, thread }
    }

    /// Stops, and gives the number of records in each partition.
    fn stop(self) -> i64 {
        self.is_done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Whether these members have all partitions between them, each as many, and no partition twice.
fn share(deeds: &Deeds, names: &[&str]) -> bool {
    let assigned: Vec<_> =
        names.iter().filter_map(|name| Some(&deeds.get(*name)?.assigned)).collect();
    let all: BTreeSet<i32> =
        assigned.iter().flat_map(|partitions| partitions.iter().copied()).collect();
    let each = PARTITIONS as usize / names.len();
    all.len() == PARTITIONS as usize && assigned.iter().all(|partitions| partitions.len() == each)
}

/// Whether the group has committed so many records of each partition.
fn have_committed(deeds: &Deeds, records: i64) -> bool {
    let mut committed = BTreeMap::<i32, i64>::new();
    for (&partition, &offset) in deeds.values().flat_map(|deed| &deed.committed) {
        let most = committed.entry(partition).or_default();
        *most = offset.max(*most);
    }
    committed.len() == PARTITIONS as usize && committed.values().all(|&offset| offset == records)
}

/// Fails where a record was processed by nobody.
fn nothing_was_skipped(deeds: &Deeds, records: i64) {
    let taken: BTreeSet<(i32, i64)> =
        deeds.values().flat_map(|deed| deed.taken.iter().copied()).collect();
    for partition in 0..PARTITIONS {
        let skipped: Vec<i64> =
            (0..records).filter(|&n| !taken.contains(&(partition, n))).collect();
        assert!(skipped.is_empty(), "partition {partition} of {records}: {skipped:?}");
    }
}

/// Ends the source; the members process the rest, and nothing was skipped.
///
/// What is committed is what was committed last. That can be less than all: librdkafka now and then
/// hands a member that is given a partition again what it had fetched of it the first time.
fn settle(source: Source, mut members: Members) {
    let records = source.stop();
    members.wait("all committed", |deeds| have_committed(deeds, records));
    nothing_was_skipped(&members.finish(), records);
    assert_eq!(members.committed(PARTITIONS), members.told());
}

/// Three members, of which one, that is a process, is killed: what they had done before, and when
/// `a` and `b` had taken over.
fn one_of_three_is_killed(assignor: &'static str) -> (Deeds, Deeds) {
    let (_dir, server) = server();
    let mut members = Members::new(server.kafka[0], TOPIC, "readers", assignor);
    let source = Source::start(&server);
    members.join("a", &[]);
    members.join("b", &[]);
    let mut dead = members.join_process("dead");
    let third = PARTITIONS as usize / 3;
    let before = members.wait("a third each", |deeds| {
        let has_third = |name| deeds.get(name).is_some_and(|deed| deed.assigned.len() == third);
        has_third("a")
            && has_third("b")
            && deeds.get("dead").is_some_and(|deed| deed.taken.len() > 20)
    });
    dead.kill().unwrap();
    dead.wait().unwrap();
    let taken_over = members.wait("half each", |deeds| share(deeds, &["a", "b"]));
    settle(source, members);
    (before, taken_over)
}

#[test]
fn range_takes_over_from_a_member_that_is_killed() {
    one_of_three_is_killed("range");
}

#[test]
fn roundrobin_takes_over_from_a_member_that_is_killed() {
    one_of_three_is_killed("roundrobin");
}

/// Whoever lives goes on with what it has meanwhile: that is the point of it.
#[test]
fn cooperative_sticky_takes_over_from_a_member_that_is_killed() {
    let (before, after) = one_of_three_is_killed("cooperative-sticky");
    for name in ["a", "b"] {
        assert_eq!(after[name].revoked, before[name].revoked, "{name}");
        assert!(after[name].assigned.is_superset(&before[name].assigned), "{name}");
    }
}

#[test]
fn members_come_and_go_and_hang() {
    for assignor in ["range", "cooperative-sticky"] {
        let (_dir, server) = server();
        let mut members = Members::new(server.kafka[0], TOPIC, "readers", assignor);
        let source = Source::start(&server);
        members.join("a", &[]);
        members.wait("all for one", |deeds| share(deeds, &["a"]));
        members.join("b", &[("max.poll.interval.ms", "4000")]);
        members.wait("half each", |deeds| share(deeds, &["a", "b"]));
        members.join("c", &[]);
        members.wait("a third each", |deeds| share(deeds, &["a", "b", "c"]));
        members.leave("c");
        members.wait("half each again", |deeds| share(deeds, &["a", "b"]));
        // Its heartbeats go on, but the client notices that nobody asks it for records.
        members.freeze("b");
        members.wait("all for the other", |deeds| share(deeds, &["a"]));
        settle(source, members);
    }
}

/// Not a test: the process of a member, which tests start and kill.
#[test]
#[ignore = "the process of a member, for tests that kill it"]
fn a_member_that_is_a_process_of_its_own() {
    be_a_process();
}
