//! A table driven at random: commits, sweeps, snapshots, topics that go and come back, batches
//! that are refused, and crashes that lose what was not durable.
//!
//! After each step the table must show exactly what the model says is durable, and the log as it
//! stands must give every key's value again, however much of it was trimmed.

use duramen::broker::catalog::Catalog;
use duramen::broker::offsets::{CommitOffset, OffsetTable, OffsetValue, Plan};
use duramen::limits;
use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchBuilder, BatchView, Codec};

use super::log::{Log, age, at_ms, catalog_with, with_topic};
use super::model::{Model, changes, is_current, state_of};

const GROUPS: [&str; 3] = ["a", "b", "bb"];
const TOPICS: [&str; 2] = ["t", "u"];
const PARTITIONS: u32 = 24;
const RETENTION_MS: i64 = 300;

struct Simulation {
    random: fastrand::Rng,
    catalog: Catalog,
    table: OffsetTable,
    log: Log,
    model: Model,
    now_ms: i64,
    topics_made: u8,
    trims: u32,
}

#[test]
fn whatever_happens_the_table_is_what_the_durable_log_says() {
    let trims: u32 = (0..10).map(|seed| Simulation::new(seed).run(1500)).sum();
    assert!(trims > 20, "snapshots replaced the log {trims} times only");
}

impl Simulation {
    fn new(seed: u64) -> Simulation {
        let ids = [1, 2].map(|n| TopicId([n; 16]));
        Simulation {
            random: fastrand::Rng::with_seed(seed),
            catalog: catalog_with(&[("t", PARTITIONS, ids[0]), ("u", PARTITIONS, ids[1])]),
            table: OffsetTable::default(),
            log: Log::default(),
            model: Model::default(),
            now_ms: 0,
            topics_made: 2,
            trims: 0,
        }
    }

    fn run(mut self, steps: u32) -> u32 {
        for _ in 0..steps {
            self.now_ms += 1;
            match self.random.u32(..1000) {
                0..600 => self.commit(),
                600..700 => self.snapshot(),
                700..750 => self.sweep(),
                750..985 => self.make_durable(),
                985..993 => self.replace_a_topic(),
                _ => self.crash(),
            }
            self.check_shown();
        }
        self.settle();
        self.trims
    }

    fn commit(&mut self) {
        let group = self.random.choice(GROUPS).unwrap();
        let commits = (0..self.random.u32(1..6)).map(|_| CommitOffset {
            topic: self.random.choice(TOPICS).unwrap().into(),
            partition: self.random.u32(..PARTITIONS),
            offset: self.random.i64(0..1000),
            leader_epoch: self.random.i32(-1..5),
            metadata: "m".repeat(self.random.usize(2048..4097)),
            retention_ms: None,
        });
        let commits: Vec<_> = commits.collect();
        let now = at_ms(self.now_ms);
        let plan = self.table.commit(&self.catalog, group, commits.clone(), now).unwrap().unwrap();
        let changes = changes(&BatchView::parse(&plan.to_batch(now)).unwrap());
        assert_eq!(changes.len(), commits.len());
        for (commit, (_, key, value)) in commits.iter().zip(&changes) {
            let key = key.as_ref().unwrap();
            let value = OffsetValue::decode(value.as_ref().unwrap()).unwrap();
            let named = (&key.group[..], &key.topic, key.partition as u32);
            assert_eq!(named, (group, &commit.topic, commit.partition));
            assert_eq!((value.offset, &value.metadata), (commit.offset, &commit.metadata));
        }
        self.append(plan);
    }

    /// A snapshot changes nothing: it repeats what the log says, in flight or not.
    fn snapshot(&mut self) {
        let Some(plan) = self.table.snapshot() else { return };
        let latest = self.model.latest();
        let batch = plan.to_batch(at_ms(self.now_ms));
        for (_, key, value) in changes(&BatchView::parse(&batch).unwrap()) {
            assert_eq!(latest.get(&key), value.as_ref(), "{key:?}");
        }
        self.append(plan);
    }

    /// A sweep removes nothing that is young and whose topic is there.
    fn sweep(&mut self) {
        let now = at_ms(self.now_ms);
        let swept = self.table.sweep(&self.catalog, now, RETENTION_MS, |key| age(key.group == "b"));
        let Some(plan) = swept.plan else { return };
        let latest = self.model.latest();
        for (_, key, value) in changes(&BatchView::parse(&plan.to_batch(now)).unwrap()) {
            assert_eq!(value, None);
            let value = OffsetValue::decode(&latest[&key]).unwrap();
            let key = key.unwrap();
            let old = key.group != "b" && value.commit_timestamp_ms + RETENTION_MS <= self.now_ms;
            assert!(old || !is_current(&self.catalog, &key, &value), "{key:?}");
        }
        self.append(plan);
    }

    /// Appends, unless the disk is full this time.
    fn append(&mut self, plan: Plan) {
        if self.random.u8(..) < 10 {
            return;
        }
        self.log.append(&mut self.table, plan, at_ms(self.now_ms));
        self.model.note(&self.log.batches().last().unwrap());
    }

    fn make_durable(&mut self) {
        self.log.make_durable(self.random.usize(0..6));
        self.advance();
    }

    fn advance(&mut self) {
        self.model.advance(self.log.durable_end);
        let Some(start) = self.table.advance(self.log.durable_end) else { return };
        self.log.trim(start);
        self.trims += 1;
        assert_eq!(state_of(self.log.batches()), self.model.latest());
    }

    fn replace_a_topic(&mut self) {
        let name = self.random.choice(TOPICS).unwrap();
        self.topics_made += 1;
        let deleted = self.catalog.delete_topic(name).unwrap();
        let id = TopicId([self.topics_made; 16]);
        self.catalog = with_topic(&deleted, name, PARTITIONS, id);
    }

    /// Loses what is not durable and starts anew; sometimes newer software was here meanwhile.
    fn crash(&mut self) {
        self.log.crash();
        self.model.crash();
        if self.random.bool() {
            let mut builder = BatchBuilder::new(Codec::None);
            let key = [0, 2, 0, 1, self.random.u8(b'a'..b'd')];
            let value = [self.random.u8(..)];
            let value = Some(&value[..]).filter(|_| self.random.bool());
            builder.append(0, Some(&key), value, &[]).unwrap();
            self.log.append_batch(builder.finish().unwrap());
            self.log.make_durable(1);
            self.model.note(&self.log.batches().last().unwrap());
            self.model.advance(self.log.durable_end);
        }
        self.table = self.log.replay();
        let state = state_of(self.log.batches());
        assert_eq!(state, self.model.latest());
    }

    fn check_shown(&self) {
        for group in GROUPS {
            let shown = self.table.fetch_all(&self.catalog, group);
            let shown: Vec<_> = shown.map(|(key, value)| (key.clone(), value.clone())).collect();
            let expected = self.model.shown(&self.catalog, group);
            assert_eq!(shown, expected, "{group}");
            for (key, value) in &expected {
                let (topic, partition) = (&key.topic, key.partition as u32);
                assert_eq!(self.table.fetch(&self.catalog, group, topic, partition), Some(value));
            }
        }
    }

    /// Left alone, the log comes to its bound.
    fn settle(&mut self) {
        while let Some(plan) = self.table.snapshot() {
            self.log.append(&mut self.table, plan, at_ms(self.now_ms));
            self.model.note(&self.log.batches().last().unwrap());
        }
        self.log.make_durable(usize::MAX);
        self.advance();
        let bound = limits::OFFSET_LOG_BYTES_MIN.max(4 * self.table.bytes());
        assert!(self.log.bytes() as u64 <= bound, "{} over {bound}", self.log.bytes());
    }
}
