//! A log in memory, and catalogs.

use std::collections::VecDeque;

use duramen::broker::catalog::{Catalog, Created, NewTopic, TopicLimits};
use duramen::broker::offsets::{OffsetAge, OffsetTable, Plan};
use duramen::io::Now;
use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchView, stamp};

/// The partition's batches. Those at `durable_end` and above may be lost.
#[derive(Default)]
pub struct Log {
    batches: VecDeque<(i64, Vec<u8>)>,
    pub end: i64,
    pub durable_end: i64,
    pub start: i64,
}

impl Log {
    /// Appends a plan's batch and tells the table.
    pub fn append(&mut self, table: &mut OffsetTable, plan: Plan, now: Now) {
        let (base_offset, len) = self.append_batch(plan.to_batch(now));
        table.staged(plan, base_offset, len);
    }

    /// Appends a batch; the answer is its base offset and length.
    pub fn append_batch(&mut self, mut batch: Vec<u8>) -> (i64, u64) {
        let base_offset = self.end;
        stamp(&mut batch, base_offset, 1);
        self.end = BatchView::parse(&batch).unwrap().header().next_offset();
        let len = batch.len() as u64;
        self.batches.push_back((self.end, batch));
        (base_offset, len)
    }

    /// Makes the next `batches` durable.
    pub fn make_durable(&mut self, batches: usize) {
        let ends = self.batches.iter().map(|(end, _)| *end);
        let next = ends.filter(|end| *end > self.durable_end).take(batches).last();
        self.durable_end = next.unwrap_or(self.durable_end);
    }

    /// Removes what lies before `start`.
    pub fn trim(&mut self, start: i64) {
        assert!(start >= self.start && start <= self.durable_end, "{start}");
        self.start = start;
        while self.batches.front().is_some_and(|(end, _)| *end <= start) {
            self.batches.pop_front();
        }
    }

    /// Loses what is not durable.
    pub fn crash(&mut self) {
        while self.batches.back().is_some_and(|(end, _)| *end > self.durable_end) {
            self.batches.pop_back();
        }
        self.end = self.durable_end;
    }

    pub fn replay(&self) -> OffsetTable {
        let mut table = OffsetTable::default();
        for batch in self.batches() {
            table.replay(&batch).unwrap();
        }
        table
    }

    pub fn batches(&self) -> impl Iterator<Item = BatchView<'_>> {
        self.batches.iter().map(|(_, bytes)| BatchView::parse(bytes).unwrap())
    }

    pub fn bytes(&self) -> usize {
        self.batches.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

pub fn catalog_with(topics: &[(&str, u32, TopicId)]) -> Catalog {
    let catalog = Catalog::new([1; 16]);
    topics.iter().fold(catalog, |catalog, (name, partitions, id)| {
        with_topic(&catalog, name, *partitions, *id)
    })
}

pub fn with_topic(catalog: &Catalog, name: &str, partitions: u32, id: TopicId) -> Catalog {
    let new = NewTopic { name, partitions, configs: &[], if_not_exists: false };
    match catalog.create_topic(&new, id, &TopicLimits::default()) {
        Ok(Created::New(catalog)) => catalog,
        other => panic!("{other:?}"),
    }
}

pub fn at_ms(wall_ms: i64) -> Now {
    Now { monotonic_us: 0, wall_ms }
}

/// The age of an offset whose group has members, or has not.
pub fn age(is_active: bool) -> OffsetAge {
    if is_active { OffsetAge::Kept } else { OffsetAge::SinceCommit }
}
