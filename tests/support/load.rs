//! Load that rides out whatever happens to the server, and remembers what it was promised.
//!
//! - An **idempotent** producer is the client's: everything it sends is to be in the log exactly
//!   once, in order, whatever was killed in between.
//! - A **raw** producer sends single frames, one at a time, and never anything twice: what was
//!   acknowledged is to be where the answer said, what was not may be there or not.
//! - A **follower** is the client's consumer: what it was shown is to stay there.
//!
//! Each has a name, and its records are `NAME NUMBER`, padded to different lengths.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use duramen_protocol::client::{Client, OutRecord, Producer, ProducerConfig, Start};

use super::records::block_on;
use super::wire::{Wire, batch};

/// How many records an idempotent producer has on the way.
const WINDOW: usize = 200;

/// Far longer than any restart takes: load that stands still for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Something a producer was promised: the record is durable, here if it was said where.
#[derive(Clone, Debug)]
pub struct Promise {
    pub partition: u32,
    pub offset: Option<i64>,
    pub value: String,
}

/// What a producer did.
#[derive(Debug)]
pub struct Report {
    pub name: String,
    pub idempotent: bool,
    pub promises: Vec<Promise>,
}

/// What a follower was shown: offset and value, a partition.
pub type Shown = HashMap<u32, Vec<(i64, String)>>;

/// Producers and followers at work.
pub struct Load {
    address: SocketAddr,
    topic: String,
    shared: Arc<Shared>,
    producers: Vec<JoinHandle<Report>>,
    follower: Option<JoinHandle<Shown>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How many records were acknowledged, all producers together.
    acknowledged: Mutex<u64>,
    rose: Condvar,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn count(&self) {
        *self.acknowledged.lock().unwrap() += 1;
        self.rose.notify_all();
    }
}

impl Load {
    /// No load yet, on a topic that is there.
    pub fn new(address: SocketAddr, topic: &str) -> Load {
        let shared = Arc::default();
        Load { address, topic: topic.into(), shared, producers: Vec::new(), follower: None }
    }

    /// Adds an idempotent producer that goes through `partitions` partitions in turn.
    pub fn idempotent(mut self, name: &str, partitions: u32) -> Load {
        let (address, topic, shared) = (self.address, self.topic.clone(), self.shared.clone());
        let name = name.to_owned();
        self.producers.push(std::thread::spawn(move || {
            block_on(produce(address, &topic, name, partitions, &shared))
        }));
        self
    }

    /// Adds a raw producer for one partition.
    pub fn raw(mut self, name: &str, partition: u32) -> Load {
        let (address, topic, shared) = (self.address, self.topic.clone(), self.shared.clone());
        let name = name.to_owned();
        self.producers
            .push(std::thread::spawn(move || append(address, &topic, name, partition, &shared)));
        self
    }

    /// Adds a consumer of all partitions.
    pub fn follower(mut self) -> Load {
        let (address, topic, shared) = (self.address, self.topic.clone(), self.shared.clone());
        let follow = move || block_on(follow(address, &topic, &shared));
        self.follower = Some(std::thread::spawn(follow));
        self
    }

    /// Waits until so many more records were acknowledged.
    pub fn wait_for(&self, more: u64) {
        let acknowledged = self.shared.acknowledged.lock().unwrap();
        let wanted = *acknowledged + more;
        let waited = self.shared.rose.wait_timeout_while(acknowledged, PATIENCE, |n| *n < wanted);
        let (acknowledged, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "{acknowledged} of {wanted} acknowledged: no progress");
    }

    /// Lets everything on its way arrive, and tells what each did. The server must be running.
    pub fn finish(self) -> (Vec<Report>, Shown) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let reports = self.producers.into_iter().map(|p| p.join().unwrap()).collect();
        (reports, self.follower.map(|f| f.join().unwrap()).unwrap_or_default())
    }
}

/// A record of a producer.
fn value(name: &str, n: usize) -> String {
    format!("{name} {n} {}", "-".repeat(n * 37 % 1500))
}

async fn produce(
    address: SocketAddr,
    topic: &str,
    name: String,
    partitions: u32,
    shared: &Shared,
) -> Report {
    let client = Client::connect(address.to_string()).await.unwrap();
    let config = ProducerConfig { batch_bytes: 16 << 10, ..ProducerConfig::default() };
    let producer = client.producer(topic, config).await.unwrap();
    let promises = send_all(&producer, &name, partitions, shared).await;
    producer.close().await.unwrap();
    Report { name, idempotent: true, promises }
}

async fn send_all(
    producer: &Producer,
    name: &str,
    partitions: u32,
    shared: &Shared,
) -> Vec<Promise> {
    let mut promises = Vec::new();
    let mut pending = VecDeque::new();
    let mut sent = 0;
    loop {
        if !shared.is_stopping() && pending.len() < WINDOW {
            let value = value(name, sent);
            let record = OutRecord::new(value.clone()).with_partition(sent as u32 % partitions);
            pending.push_back((value, producer.send(record).await.unwrap()));
            sent += 1;
        } else if let Some((value, delivery)) = pending.pop_front() {
            let receipt = delivery.await.unwrap_or_else(|error| panic!("{name}: {error}"));
            let (partition, offset) = (receipt.partition, receipt.offset);
            promises.push(Promise { partition, offset, value });
            shared.count();
        } else {
            return promises;
        }
    }
}

fn append(
    address: SocketAddr,
    topic: &str,
    name: String,
    partition: u32,
    shared: &Shared,
) -> Report {
    let mut promises = Vec::new();
    let mut n = 0;
    while !shared.is_stopping() {
        let Some((mut wire, handle)) = Wire::find(address, topic, partition) else {
            // The server is being restarted: nothing there tells when it can be reached again.
            std::thread::sleep(Duration::from_millis(2));
            continue;
        };
        while !shared.is_stopping() {
            let value = value(&name, n);
            n += 1;
            let Some(offset) = wire.try_append(handle, &batch(&[&value])) else { break };
            promises.push(Promise { partition, offset: Some(offset), value });
            shared.count();
        }
    }
    Report { name, idempotent: false, promises }
}

async fn follow(address: SocketAddr, topic: &str, shared: &Shared) -> Shown {
    let client = Client::connect(address.to_string()).await.unwrap();
    let consumer = client.consumer(topic).start(Start::Beginning).open().await;
    let mut consumer = consumer.unwrap();
    let mut shown = Shown::new();
    while !shared.is_stopping() {
        let pause = Duration::from_millis(50);
        let Ok(next) = tokio::time::timeout(pause, consumer.next()).await else { continue };
        let record = next.unwrap().expect("it has no end");
        let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        shown.entry(record.partition).or_default().push((record.offset, value));
    }
    shown
}
