//! A server that is stopped or killed under an idempotent producer and a group: nothing is lost,
//! nothing is there twice, and what the group has committed stays.
//!
//! `DURAMEN_CRASHES=N cargo test --test kafka restarts` ends it N times each instead of a few times.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use rdkafka::ClientContext;
use rdkafka::Offset;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::members::{Deeds, Members};
use super::{MINUTE, config, end, quick_server, quick_server_at, read};
use crate::support::kafka_wire::KafkaWire;
use crate::support::server::Server;

const TOPIC: &str = "once";
const PARTITIONS: i32 = 4;
/// How often a server is ended in a quick run.
const CRASHES: u64 = 4;
/// The most records that are delivered between a start and an end.
const RECORDS_BETWEEN: u64 = 400;
/// Records that are sent and not delivered yet.
const IN_FLIGHT: u64 = 300;

/// How often to end it.
fn crashes() -> u64 {
    let asked = std::env::var("DURAMEN_CRASHES").ok();
    asked.map_or(CRASHES, |asked| asked.parse().expect("DURAMEN_CRASHES is a number"))
}

/// How many records were delivered.
#[derive(Clone, Default)]
struct Delivered(Arc<(Mutex<u64>, Condvar)>);

impl Delivered {
    fn wait(&self, wanted: impl Fn(u64) -> bool) -> u64 {
        let (count, grown) = &*self.0;
        let count = count.lock().unwrap();
        let (count, waited) = grown.wait_timeout_while(count, MINUTE, |n| !wanted(*n)).unwrap();
        assert!(!waited.timed_out(), "no more than {} were delivered", *count);
        *count
    }
}

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            panic!("{error}");
        }
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }
}

/// Somebody who produces the numbers from 0 on, a key for each partition.
struct Source {
    delivered: Delivered,
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Source {
    fn start(address: SocketAddr) -> Source {
        let (delivered, is_done) = (Delivered::default(), Arc::new(AtomicBool::new(false)));
        let mut config = config(address);
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .set("retry.backoff.ms", "20")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "100");
        let producer: ThreadedProducer<Delivered> =
            config.create_with_context(delivered.clone()).unwrap();
        let (seen, ended) = (delivered.clone(), is_done.clone());
        let thread = std::thread::spawn(move || {
            let mut sent = 0;
            while !ended.load(Ordering::Relaxed) {
                seen.wait(|delivered| sent < delivered + IN_FLIGHT);
                let value = sent.to_string();
                let partition = (sent % PARTITIONS as u64) as i32;
                let record = BaseRecord::<str, str>::to(TOPIC).partition(partition);
                producer.send(record.payload(&value)).unwrap();
                sent += 1;
            }
            producer.flush(MINUTE).unwrap();
            sent
        });
        Source { delivered, is_done, thread }
    }

    /// Stops, and gives the number of records.
    fn stop(self) -> u64 {
        self.is_done.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Ends a server again and again under load.
fn ended_again_and_again(put_an_end: impl Fn(Server)) {
    // One port: the next one up may be somebody else's by the time the server is back.
    let flags = ["--kafka-ports", "single"];
    let (dir, mut server) = quick_server(&flags);
    let address = server.kafka[0];
    KafkaWire::connect(address).create(TOPIC, PARTITIONS, &[]);
    let source = Source::start(address);
    let mut members = Members::new(address, TOPIC, "readers", "cooperative-sticky");
    members.join("a", &[("session.timeout.ms", "10000")]);
    members.join("b", &[("session.timeout.ms", "10000")]);
    let mut random = fastrand::Rng::new();
    for _ in 0..crashes() {
        let more = random.u64(1..RECORDS_BETWEEN);
        let now = source.delivered.wait(|_| true);
        source.delivered.wait(|delivered| delivered >= now + more);
        put_an_end(server);
        server = quick_server_at(&dir, &address.to_string(), &flags);
        stays(&members);
    }
    let records = source.stop();
    let all = |deeds: &Deeds| promised(deeds).values().sum::<i64>() == records as i64;
    members.wait("all committed", all);
    stays(&members);
    let deeds = members.finish();
    let taken = deeds.values().flat_map(|deed| deed.taken.iter().copied()).collect();
    each_is_there_once(address, records, &taken);
    assert!(server.stop().success());
}

/// What the members were told is committed.
fn promised(deeds: &Deeds) -> BTreeMap<i32, i64> {
    let mut promised = BTreeMap::new();
    for (&partition, &offset) in deeds.values().flat_map(|deed| &deed.committed) {
        let most = promised.entry(partition).or_default();
        *most = offset.max(*most);
    }
    promised
}

/// Fails unless what was committed last still is.
fn stays(members: &Members) {
    let told = members.told();
    let committed = members.committed(PARTITIONS);
    for (partition, offset) in &told {
        let now = committed.get(partition);
        assert!(now >= Some(offset), "partition {partition}: {told:?}, now {committed:?}");
    }
}

/// Fails unless each number is in the log, once and in order, and was processed.
fn each_is_there_once(address: SocketAddr, count: u64, taken: &BTreeSet<(i32, i64)>) {
    let records = read(address, TOPIC, PARTITIONS, Offset::Beginning, count as usize);
    let ends: i64 = (0..PARTITIONS).map(|partition| end(address, TOPIC, partition)).sum();
    assert_eq!(ends, count as i64);
    for (&partition, records) in &records {
        for (offset, record) in (0..).zip(records) {
            assert_eq!(record.offset, offset, "partition {partition}");
            let number = offset * i64::from(PARTITIONS) + i64::from(partition);
            assert_eq!(record.value.as_deref(), Some(number.to_string().as_bytes()));
            assert!(taken.contains(&(partition, offset)), "{partition} {offset} was skipped");
        }
    }
}

#[test]
fn an_idempotent_producer_and_a_group_lose_and_double_nothing_when_the_server_is_killed() {
    ended_again_and_again(Server::kill);
}

#[test]
fn an_idempotent_producer_and_a_group_lose_and_double_nothing_when_the_server_stops() {
    ended_again_and_again(|server| assert!(server.stop().success()));
}
