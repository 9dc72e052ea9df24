//! Members of consumer groups: each a thread, or a process that can be killed, and what it did.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::Message;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::{MINUTE, config};

/// Records that a member takes before it commits what it has.
const RECORDS_BETWEEN_COMMITS: usize = 7;
/// What a member's process is told to do: address, topic, group and assignor, with a space between.
const ORDERS: &str = "DURAMEN_TEST_MEMBER";
/// What stands before the partition and offset of a record in the output of such a process.
const TOOK: &str = "took ";

/// The members of one group, by name.
pub struct Members {
    address: SocketAddr,
    topic: &'static str,
    group: String,
    assignor: &'static str,
    crew: Arc<Crew>,
    threads: BTreeMap<&'static str, JoinHandle<()>>,
}

/// What all members have done, and whoever waits for something of it.
#[derive(Default)]
struct Crew {
    deeds: Mutex<Deeds>,
    /// What was committed last of each partition, by whomever.
    committed: Mutex<BTreeMap<i32, i64>>,
    done: Condvar,
}

/// What the members have done until now.
pub type Deeds = BTreeMap<String, Deed>;

/// What a member has done.
#[derive(Clone, Debug, Default)]
pub struct Deed {
    /// The partitions that it has now.
    pub assigned: BTreeSet<i32>,
    /// Those that it ever had to give back.
    pub revoked: BTreeSet<i32>,
    /// Partitions and offsets of the records that it was given, in their order.
    pub taken: Vec<(i32, i64)>,
    /// The offsets that it has committed, and was told so.
    pub committed: BTreeMap<i32, i64>,
    order: Order,
}

/// What a member is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Order {
    #[default]
    GoOn,
    /// Stop asking for records, as a program does that hangs.
    Freeze,
    /// Say goodbye.
    Leave,
}

impl Crew {
    /// Changes what a member has done, and tells everybody.
    fn note<T>(&self, name: &str, change: impl FnOnce(&mut Deed) -> T) -> T {
        let mut deeds = self.deeds.lock().unwrap();
        let changed = change(deeds.entry(name.to_owned()).or_default());
        self.done.notify_all();
        changed
    }

    fn wait(&self, what: &str, wanted: impl Fn(&Deeds) -> bool) -> MutexGuard<'_, Deeds> {
        let deeds = self.deeds.lock().unwrap();
        let (deeds, waited) =
            self.done.wait_timeout_while(deeds, MINUTE, |deeds| !wanted(deeds)).unwrap();
        assert!(!waited.timed_out(), "{what} in vain: {deeds:?}");
        deeds
    }
}

/// What a member has taken and is still to commit.
struct Work {
    name: String,
    crew: Arc<Crew>,
    /// The next offset of each partition.
    pending: Mutex<BTreeMap<i32, i64>>,
}

impl ClientContext for Work {}

impl ConsumerContext for Work {
    /// Notes what it has to give back, and leaves that to others: should the partition come back
    /// to it, they may be further.
    fn pre_rebalance(&self, _: &BaseConsumer<Work>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            let revoked = partitions.elements().iter().map(|place| place.partition()).collect();
            let mut revoked: BTreeSet<i32> = revoked;
            self.pending.lock().unwrap().retain(|partition, _| !revoked.contains(partition));
            self.crew.note(&self.name, |deed| deed.revoked.append(&mut revoked));
        }
    }
}

impl Work {
    fn new(name: &str, crew: Arc<Crew>) -> Work {
        Work { name: name.to_owned(), crew, pending: Mutex::default() }
    }
}

impl Members {
    pub fn new(
        address: SocketAddr,
        topic: &'static str,
        group: &str,
        assignor: &'static str,
    ) -> Members {
        let (crew, threads) = (Arc::default(), BTreeMap::new());
        Members { address, topic, group: group.to_owned(), assignor, crew, threads }
    }

    /// A member joins, with settings of its own.
    pub fn join(&mut self, name: &'static str, settings: &[(&str, &str)]) {
        let mut config = member_config(self.address, &self.group, self.assignor);
        for (setting, value) in settings {
            config.set(*setting, *value);
        }
        let work = Work::new(name, self.crew.clone());
        let consumer: BaseConsumer<Work> = config.create_with_context(work).unwrap();
        consumer.subscribe(&[self.topic]).unwrap();
        let (crew, topic) = (self.crew.clone(), self.topic);
        let thread = std::thread::spawn(move || {
            while obey(&crew, name) {
                step(&consumer, &crew, topic, name);
            }
        });
        self.threads.insert(name, thread);
    }

    /// A member joins that is a process of its own.
    pub fn join_process(&mut self, name: &'static str) -> Child {
        let orders = format!("{} {} {} {}", self.address, self.topic, self.group, self.assignor);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "librdkafka::groups::a_member_that_is_a_process_of_its_own"]);
        child.args(["--ignored", "--nocapture"]).env(ORDERS, orders);
        // It ends when its standard input does, so that it does not outlive a test that fails.
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (crew, output) = (self.crew.clone(), BufReader::new(child.stdout.take().unwrap()));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Behind what the test's harness may have begun the line with.
                if let Some((_, place)) = line.split_once(TOOK) {
                    let (partition, offset) = place.split_once(' ').unwrap();
                    let place = (partition.parse().unwrap(), offset.parse().unwrap());
                    crew.note(name, |deed| deed.taken.push(place));
                }
            }
        });
        child
    }

    /// A member says goodbye, and is gone.
    pub fn leave(&mut self, name: &str) {
        self.crew.note(name, |deed| deed.order = Order::Leave);
        self.threads.remove(name).expect("one that joined").join().unwrap();
    }

    /// A member hangs.
    pub fn freeze(&self, name: &str) {
        self.crew.note(name, |deed| deed.order = Order::Freeze);
    }

    /// Waits until `wanted` holds; `what` says what that is.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Deeds) -> bool) -> Deeds {
        self.crew.wait(what, wanted).clone()
    }

    /// What was done until now.
    pub fn deeds(&self) -> Deeds {
        self.crew.deeds.lock().unwrap().clone()
    }

    /// What was committed last of each partition, as the members were told.
    pub fn told(&self) -> BTreeMap<i32, i64> {
        self.crew.committed.lock().unwrap().clone()
    }

    /// What is committed, as a client that just comes hears it.
    pub fn committed(&self, partitions: i32) -> BTreeMap<i32, i64> {
        let mut config = member_config(self.address, &self.group, self.assignor);
        let consumer: BaseConsumer = config.set("enable.auto.commit", "false").create().unwrap();
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(self.topic, 0, partitions - 1);
        let found = consumer.committed_offsets(asked, MINUTE).unwrap();
        let offset = |offset| match offset {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        let places = found.elements();
        places.iter().filter_map(|p| Some((p.partition(), offset(p.offset())?))).collect()
    }

    /// All leave.
    pub fn finish(&mut self) -> Deeds {
        let names: Vec<&str> = self.threads.keys().copied().collect();
        names.into_iter().for_each(|name| self.leave(name));
        self.deeds()
    }
}

fn member_config(address: SocketAddr, group: &str, assignor: &str) -> rdkafka::ClientConfig {
    let mut config = config(address);
    config
        .set("group.id", group)
        .set("partition.assignment.strategy", assignor)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("session.timeout.ms", "4000")
        .set("heartbeat.interval.ms", "100")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "100")
        .set("fetch.wait.max.ms", "100");
    config
}

/// Waits as long as a member is to hang; whether it is to go on then.
fn obey(crew: &Crew, name: &str) -> bool {
    let order = |deeds: &Deeds| deeds.get(name).map(|deed| deed.order).unwrap_or_default();
    order(&crew.wait("woken", |deeds| order(deeds) != Order::Freeze)) == Order::GoOn
}

/// Takes a few records, commits what is not committed yet, and notes what there is.
fn step(consumer: &BaseConsumer<Work>, crew: &Crew, topic: &str, name: &str) {
    take(consumer, |place| crew.note(name, |deed| deed.taken.push(place)));
    let assigned = assigned(consumer);
    if let Some(committed) = commit(consumer, topic) {
        crew.committed.lock().unwrap().extend(&committed);
        crew.note(name, |deed| deed.committed.extend(committed));
    }
    crew.note(name, |deed| deed.assigned = assigned);
}

fn assigned(consumer: &BaseConsumer<Work>) -> BTreeSet<i32> {
    consumer.assignment().unwrap().elements().iter().map(|place| place.partition()).collect()
}

/// Takes a few records, if there are any; their partitions' next offsets are pending then.
fn take(consumer: &BaseConsumer<Work>, mut took: impl FnMut((i32, i64))) {
    let pending = &consumer.context().pending;
    for _ in 0..RECORDS_BETWEEN_COMMITS {
        match consumer.poll(Duration::from_millis(20)) {
            Some(Ok(message)) => {
                took((message.partition(), message.offset()));
                pending.lock().unwrap().insert(message.partition(), message.offset() + 1);
            }
            // A server that is down, say: the client sees to that itself.
            Some(Err(_)) => {}
            None => break,
        }
    }
}

/// Commits what is pending; that, if it went well, or else it stays pending.
fn commit(consumer: &BaseConsumer<Work>, topic: &str) -> Option<BTreeMap<i32, i64>> {
    let mut pending = consumer.context().pending.lock().unwrap();
    let mut places = TopicPartitionList::new();
    for (&partition, &offset) in &*pending {
        places.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
    }
    let is_any = !pending.is_empty();
    let committed = is_any && consumer.commit(&places, CommitMode::Sync).is_ok();
    committed.then(|| std::mem::take(&mut *pending))
}

/// What the process of a member does until it is killed, if this is one.
pub fn be_a_process() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
    let [address, topic, group, assignor] =
        orders.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let config = member_config(address.parse().unwrap(), group, assignor);
    let work = Work::new("", Arc::default());
    let consumer: BaseConsumer<Work> = config.create_with_context(work).unwrap();
    consumer.subscribe(&[topic]).unwrap();
    loop {
        take(&consumer, |(partition, offset)| println!("{TOOK}{partition} {offset}"));
        commit(&consumer, topic);
    }
}
