//! Groups as the table knows them: names with offsets, or with a record of their members.

use std::collections::BTreeSet;

use duramen_protocol::wire::WireError;

use super::plan::{Change, Plan};
use super::records::OffsetKey;
use super::table::{OffsetTable, is_current};
use crate::broker::Refusal;
use crate::broker::catalog::Catalog;
use crate::broker::groups::GroupRecord;
use crate::broker::groups::records::{decode_key, encode_key};
use crate::limits;

impl OffsetTable {
    /// The groups that have a record, whether durable or not, with its bytes.
    ///
    /// # Errors
    /// When a key can't be read.
    pub fn group_records(&self) -> Result<Vec<(String, &[u8])>, WireError> {
        let mut groups = Vec::new();
        for (key, value) in self.others.latest() {
            if let Some(group) = decode_key(key)? {
                groups.push((group, value.as_slice()));
            }
        }
        Ok(groups)
    }

    /// The groups that have offsets, as far as they are durable, by name.
    pub fn groups_with_offsets(&self, catalog: &Catalog) -> BTreeSet<&str> {
        let all = self.offsets.durable_while(&first_of(""), |_| true);
        let current = all.into_iter().filter(|(key, value)| is_current(catalog, key, value));
        current.map(|(key, _)| key.group.as_str()).collect()
    }

    /// Whether a group has offsets, durable or not.
    pub fn has_offsets(&self, catalog: &Catalog, group: &str) -> bool {
        let from = self.offsets.latest().range::<OffsetKey, _>(first_of(group)..);
        from.take_while(|(key, _)| key.group == group)
            .any(|(key, value)| is_current(catalog, key, value))
    }

    /// The batch that stores a group's record.
    ///
    /// # Errors
    /// `INVALID_COMMIT_OFFSET_SIZE` when it is too large for one batch; `OVERLOADED` when the table
    /// is full.
    pub fn store_group(&self, group: &str, record: &GroupRecord) -> Result<Option<Plan>, Refusal> {
        let plan = self.plan(vec![Change::Other(encode_key(group), Some(record.encode()))]);
        plan.as_ref().map_or(Ok(()), |plan| self.check_room(plan))?;
        Ok(plan)
    }

    /// A batch that removes offsets of a group, as many as fit, and its record with the last; none
    /// when nothing is left.
    pub fn delete_group(&self, group: &str) -> Option<Plan> {
        let from = self.offsets.latest().range::<OffsetKey, _>(first_of(group)..);
        let keys = from.map(|(key, _)| key).take_while(|key| key.group == group);
        let mut bytes = 0;
        let offsets = keys.map(|key| Change::Offset(key.clone(), None)).take_while(|change| {
            bytes += change.log_bytes();
            bytes <= limits::OFFSET_SNAPSHOT_BATCH_BYTES
        });
        let mut changes: Vec<Change> = offsets.collect();
        let key = encode_key(group);
        if bytes <= limits::OFFSET_SNAPSHOT_BATCH_BYTES && self.others.latest().contains_key(&key) {
            changes.push(Change::Other(key, None));
        }
        self.plan(changes)
    }

    /// The batch that removes a group's offsets in some partitions; none when there are none.
    ///
    /// # Errors
    /// `INVALID_COMMIT_OFFSET_SIZE` when they are too many for one batch.
    pub fn delete_offsets(
        &self,
        group: &str,
        partitions: &[(String, u32)],
    ) -> Result<Option<Plan>, Refusal> {
        let key = |(topic, partition): &(String, u32)| OffsetKey {
            group: group.to_owned(),
            topic: topic.clone(),
            partition: *partition as i32,
        };
        let keys = partitions.iter().map(key).filter(|key| self.offsets.latest().contains_key(key));
        // Each once, however often it was named.
        let keys: BTreeSet<OffsetKey> = keys.collect();
        let plan = self.plan(keys.into_iter().map(|key| Change::Offset(key, None)).collect());
        plan.as_ref().map_or(Ok(()), |plan| self.check_room(plan))?;
        Ok(plan)
    }
}

/// What comes before all offsets of a group.
fn first_of(group: &str) -> OffsetKey {
    OffsetKey { group: group.to_owned(), topic: String::new(), partition: i32::MIN }
}
