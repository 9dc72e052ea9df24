//! The committed offsets of one partition of `__consumer_offsets`.

use std::collections::VecDeque;
use std::ops::Bound;

use duramen_protocol::batch::BatchView;
use duramen_protocol::codes::ErrorCode;

use super::commit::{CommitOffset, check_commit, check_group};
use super::compaction::Compaction;
use super::plan::{self, Change, InvalidLog, Plan};
use super::records::{OffsetKey, OffsetValue};
use super::staged_map::{StagedMap, entry_bytes};
use crate::broker::Refusal;
use crate::broker::catalog::Catalog;
use crate::io::Now;
use crate::limits;

/// From when on the age of an offset counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetAge {
    /// It does not age: somebody may read on from it.
    Kept,
    /// From its commit on.
    SinceCommit,
    /// From when the last member left, in ms since 1970, or from its commit, whichever is later.
    SinceEmpty(i64),
}

/// What one step of a sweep found.
#[derive(Clone, Debug)]
pub struct Swept {
    /// Tombstones to append.
    pub plan: Option<Plan>,
    /// Whether the step came to the table's end; the next one begins a new sweep.
    pub finished: bool,
}

/// One partition's offsets: see [the module](super).
#[derive(Clone, Debug, Default)]
pub struct OffsetTable {
    pub(super) offsets: StagedMap<OffsetKey, OffsetValue>,
    /// Records of other kinds, by their key's bytes.
    pub(super) others: StagedMap<Vec<u8>, Vec<u8>>,
    /// Batches that are appended but not yet known to be durable, each with the offset behind it.
    in_flight: VecDeque<(i64, Vec<Change>)>,
    /// The offset behind the last batch.
    log_end: i64,
    compaction: Compaction<Place>,
    /// Where the sweep goes on.
    swept_to: Option<OffsetKey>,
}

/// A key of the table; a snapshot goes through them in this order.
#[derive(Clone, Debug)]
enum Place {
    Offset(OffsetKey),
    Other(Vec<u8>),
}

impl OffsetTable {
    /// Takes in the log's next batch, before anything is appended.
    ///
    /// # Errors
    /// When the batch is not understood: the partition must not be served then, or a snapshot
    /// would lose what the batch says.
    pub fn replay(&mut self, batch: &BatchView<'_>) -> Result<(), InvalidLog> {
        for change in plan::read(batch)? {
            match change {
                Change::Offset(key, value) => self.offsets.replay(&key, value.as_ref()),
                Change::Other(key, value) => self.others.replay(&key, value.as_ref()),
            }
        }
        self.log_end = batch.header().next_offset();
        self.compaction.grew(batch.bytes().len() as u64);
        Ok(())
    }

    /// The batch that stores a group's offsets, all of them; none when there are none.
    ///
    /// # Errors
    /// As for [`check_group`] and, at the first offset that is not allowed, [`check_commit`];
    /// `INVALID_COMMIT_OFFSET_SIZE` when they are too many for one batch; `OVERLOADED` when the
    /// table is full.
    pub fn commit(
        &self,
        catalog: &Catalog,
        group: &str,
        commits: Vec<CommitOffset>,
        now: Now,
    ) -> Result<Option<Plan>, Refusal> {
        check_group(group)?;
        let mut changes = Vec::new();
        for commit in commits {
            let topic_id = check_commit(catalog, &commit)?;
            let key = OffsetKey {
                group: group.to_owned(),
                topic: commit.topic,
                partition: commit.partition as i32,
            };
            let value = (commit.offset >= 0).then_some(OffsetValue {
                offset: commit.offset,
                leader_epoch: commit.leader_epoch,
                metadata: commit.metadata,
                commit_timestamp_ms: now.wall_ms,
                expire_timestamp_ms: commit.retention_ms.map(|ms| now.wall_ms.saturating_add(ms)),
                topic_id,
            });
            changes.push(Change::Offset(key, value));
        }
        let plan = self.plan(changes);
        plan.as_ref().map_or(Ok(()), |plan| self.check_room(plan))?;
        Ok(plan)
    }

    pub(super) fn check_room(&self, plan: &Plan) -> Result<(), Refusal> {
        let (wanted, most) = (plan.log_bytes(), limits::OFFSET_COMMIT_BYTES_MAX);
        if wanted > most {
            let message = format!("the commit takes {wanted} bytes, {most} are allowed: split it");
            return Err(Refusal::new(ErrorCode::INVALID_COMMIT_OFFSET_SIZE, message));
        }
        let replaced: u64 = plan.changes.iter().map(|change| self.replaced_bytes(change)).sum();
        let (now, most) = (self.bytes(), limits::OFFSET_TABLE_BYTES_MAX);
        // A full table still takes new values for its keys.
        if wanted > replaced && now + wanted - replaced > most {
            let message = format!(
                "the offsets stored with this consumer's take {now} bytes, {most} are allowed: \
                 delete topics that are not in use, or wait until old offsets expire"
            );
            return Err(Refusal::new(ErrorCode::OVERLOADED, message));
        }
        Ok(())
    }

    fn replaced_bytes(&self, change: &Change) -> u64 {
        let entry = match change {
            Change::Offset(key, _) => self.offsets.latest().get(key).map(|v| entry_bytes(key, v)),
            Change::Other(key, _) => self.others.latest().get(key).map(|v| entry_bytes(key, v)),
        };
        entry.unwrap_or(0)
    }

    /// A plan's batch of `batch_bytes` was appended at `base_offset`; it need not be durable.
    ///
    /// # Panics
    /// When another plan was staged since this one was made.
    pub fn staged(&mut self, plan: Plan, base_offset: i64, batch_bytes: u64) {
        let (made_for, log_end) = (plan.log_end, self.log_end);
        assert!(made_for == log_end, "a plan for the log's end {made_for}, which is {log_end}");
        assert!(base_offset >= log_end, "appended at {base_offset}, below {log_end}");
        for change in &plan.changes {
            match change {
                Change::Offset(key, value) => self.offsets.stage(key, value.as_ref()),
                Change::Other(key, value) => self.others.stage(key, value.as_ref()),
            }
        }
        if plan.is_snapshot {
            self.compaction.wrote(plan.changes.last().map(Place::of));
        }
        self.log_end = base_offset + plan.changes.len() as i64;
        self.compaction.grew(batch_bytes);
        self.in_flight.push_back((self.log_end, plan.changes));
    }

    /// The log is durable below `durable_end`: commits below it are shown from now on. To be
    /// called in every tick, whether anything was staged or not. The answer is a new start for the
    /// log, when a snapshot has replaced what lies before.
    pub fn advance(&mut self, durable_end: i64) -> Option<i64> {
        while self.in_flight.front().is_some_and(|(end, _)| *end <= durable_end) {
            for change in self.in_flight.pop_front().into_iter().flat_map(|(_, changes)| changes) {
                match change {
                    Change::Offset(key, value) => self.offsets.settle(&key, value),
                    Change::Other(key, value) => self.others.settle(&key, value),
                }
            }
        }
        self.compaction.durable(durable_end)
    }

    /// A group's committed offset in a partition, as far as it is durable.
    pub fn fetch(
        &self,
        catalog: &Catalog,
        group: &str,
        topic: &str,
        partition: u32,
    ) -> Option<&OffsetValue> {
        let partition = i32::try_from(partition).ok()?;
        let key = OffsetKey { group: group.to_owned(), topic: topic.to_owned(), partition };
        self.offsets.durable(&key).filter(|value| is_current(catalog, &key, value))
    }

    /// All of a group's committed offsets, as far as they are durable, by topic and partition.
    pub fn fetch_all(
        &self,
        catalog: &Catalog,
        group: &str,
    ) -> impl Iterator<Item = (&OffsetKey, &OffsetValue)> {
        let first =
            OffsetKey { group: group.to_owned(), topic: String::new(), partition: i32::MIN };
        let all = self.offsets.durable_while(&first, |key| key.group == first.group);
        all.into_iter().filter(|(key, value)| is_current(catalog, key, value))
    }

    /// One step of a sweep, bounded in what it looks at: finds offsets that have expired,
    /// `retention_ms` after their `age` began, and those of topics that are gone.
    pub fn sweep(
        &mut self,
        catalog: &Catalog,
        now: Now,
        retention_ms: i64,
        age: impl Fn(&OffsetKey) -> OffsetAge,
    ) -> Swept {
        let from = self.swept_to.take();
        let from = from.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.offsets.latest().range::<OffsetKey, _>((from, Bound::Unbounded));
        let mut last = None;
        let mut changes = Vec::new();
        for (key, value) in rest.by_ref().take(limits::OFFSET_SWEEP_ENTRIES) {
            if has_expired(value, age(key), now, retention_ms) || !is_current(catalog, key, value) {
                changes.push(Change::Offset(key.clone(), None));
            }
            last = Some(key);
        }
        let finished = rest.next().is_none();
        let swept_to = last.filter(|_| !finished).cloned();
        let plan = self.plan(changes);
        self.swept_to = swept_to;
        Swept { plan, finished }
    }

    /// The next batch of a snapshot, if the log has grown so much that one is due or under way. A
    /// plan that is dropped is made again by the next call.
    pub fn snapshot(&mut self) -> Option<Plan> {
        self.compaction.begin_if_due(self.bytes(), self.log_end);
        let written_to = self.compaction.written_to()?;
        let changes = self.snapshot_changes(written_to);
        if changes.is_empty() {
            self.compaction.wrote_all(self.log_end);
        }
        let plan = self.plan(changes)?;
        Some(Plan { is_snapshot: true, ..plan })
    }

    /// What follows in the table, up to a batch's bytes.
    fn snapshot_changes(&self, written_to: Option<&Place>) -> Vec<Change> {
        let (offsets_from, others_from) = match written_to {
            None => (Some(Bound::Unbounded), Bound::Unbounded),
            Some(Place::Offset(key)) => (Some(Bound::Excluded(key)), Bound::Unbounded),
            Some(Place::Other(key)) => (None, Bound::Excluded(key)),
        };
        let offsets = offsets_from
            .into_iter()
            .flat_map(|from| self.offsets.latest().range::<OffsetKey, _>((from, Bound::Unbounded)))
            .map(|(key, value)| Change::Offset(key.clone(), Some(value.clone())));
        let others = self.others.latest().range::<Vec<u8>, _>((others_from, Bound::Unbounded));
        let others = others.map(|(key, value)| Change::Other(key.clone(), Some(value.clone())));
        let mut bytes = 0;
        let fits = |change: &Change| {
            let is_first = bytes == 0;
            bytes += change.log_bytes();
            is_first || bytes <= limits::OFFSET_SNAPSHOT_BATCH_BYTES
        };
        offsets.chain(others).take_while(fits).collect()
    }

    /// Bytes that the table takes in log and memory, roughly.
    pub fn bytes(&self) -> u64 {
        self.offsets.latest_bytes() + self.others.latest_bytes()
    }

    pub(super) fn plan(&self, changes: Vec<Change>) -> Option<Plan> {
        let plan = Plan { changes, log_end: self.log_end, is_snapshot: false };
        (!plan.changes.is_empty()).then_some(plan)
    }
}

impl Place {
    fn of(change: &Change) -> Place {
        match change {
            Change::Offset(key, _) => Place::Offset(key.clone()),
            Change::Other(key, _) => Place::Other(key.clone()),
        }
    }
}

/// Whether an offset is one in the topic that has the name now.
pub(super) fn is_current(catalog: &Catalog, key: &OffsetKey, value: &OffsetValue) -> bool {
    catalog.topic(&key.topic).is_some_and(|topic| {
        let same = value.topic_id.is_zero() || value.topic_id == topic.id;
        same && u32::try_from(key.partition).is_ok_and(|p| p < topic.partitions)
    })
}

fn has_expired(value: &OffsetValue, age: OffsetAge, now: Now, retention_ms: i64) -> bool {
    let since_ms = match age {
        OffsetAge::Kept => return false,
        OffsetAge::SinceCommit => value.commit_timestamp_ms,
        OffsetAge::SinceEmpty(empty_ms) => value.commit_timestamp_ms.max(empty_ms),
    };
    let kept_until = since_ms.saturating_add(retention_ms);
    now.wall_ms >= value.expire_timestamp_ms.unwrap_or(kept_until)
}
