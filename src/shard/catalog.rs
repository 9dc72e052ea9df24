//! A new catalog: which partitions the shard has from here on.

use std::collections::BTreeMap;
use std::sync::Arc;

use duramen_protocol::files::journal::PartitionKey;

use crate::broker::catalog::{CONSUMER_OFFSETS, Catalog, Topic};
use crate::broker::placement::owner;
use crate::io::Disk;
use crate::storage::LogId;

use super::Shard;
use super::error::AskError;
use super::logs::Log;

impl<D: Disk> Shard<D> {
    /// Makes the shard hold what `catalog` says: partitions are made, configured, and dropped. Who
    /// waits for one that is dropped is answered.
    pub fn apply(&mut self, catalog: Arc<Catalog>) {
        let (core, cores) = self.place;
        let wanted = partitions_of(&catalog, core, cores);
        let gone: Vec<LogId> = self
            .logs
            .iter()
            .filter(|(_, log)| !wanted.contains_key(&log.key))
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            self.drop_log(id);
        }
        for (key, topic) in wanted {
            match self.store.find(&key) {
                Some(id) => self.keep_log(id, key, topic),
                None => self.add_log(key, topic),
            }
        }
        self.catalog = catalog;
    }

    fn add_log(&mut self, key: PartitionKey, topic: &Topic) {
        let name = Arc::from(topic.name.as_str());
        let id = self.store.add_log(key, name, topic.config.clone());
        self.insert_log(id, key, topic);
    }

    fn insert_log(&mut self, id: LogId, key: PartitionKey, topic: &Topic) {
        self.logs.insert(id, Log::new(key, topic.config.clone()));
        if topic.name == CONSUMER_OFFSETS {
            self.offsets.insert(id, self.store.status(id).log_start);
        }
    }

    fn keep_log(&mut self, id: LogId, key: PartitionKey, topic: &Topic) {
        let Some(log) = self.logs.get_mut(id) else {
            // The store knows it from its recovery.
            self.store.configure(id, topic.config.clone());
            return self.insert_log(id, key, topic);
        };
        if log.config != topic.config {
            log.config = topic.config.clone();
            self.store.configure(id, topic.config.clone());
        }
    }

    fn drop_log(&mut self, id: LogId) {
        self.fail_acks(id, &AskError::Deleted);
        self.fail_queued(id, &AskError::Deleted);
        self.fail_fetches(id, &AskError::Deleted);
        self.fail_deletions(id, &AskError::Deleted);
        self.end_subscriptions(|log| log == id, &AskError::Deleted);
        self.waiting.retain(|log| *log != id);
        let gone = self.logs.remove(id);
        self.store.drop_log(id);
        for ticket in gone.map(|log| log.read_manys).unwrap_or_default() {
            self.wake_read_many(ticket);
        }
    }

    /// Deleted partitions that no journal names any more, since the last call.
    pub fn take_passed(&mut self) -> Vec<PartitionKey> {
        std::mem::take(&mut self.logs.passed)
    }
}

fn partitions_of(catalog: &Catalog, core: u32, cores: u32) -> BTreeMap<PartitionKey, &Topic> {
    let of_topic = |topic: &'_ Arc<Topic>| {
        let topic_id = topic.id;
        let ours = move |&partition: &u32| owner(topic_id, partition, cores) == core;
        (0..topic.partitions)
            .filter(ours)
            .map(move |partition| PartitionKey { topic_id, partition })
    };
    catalog.topics().flat_map(|t| of_topic(t).map(move |key| (key, &**t))).collect()
}
