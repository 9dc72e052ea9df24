//! The shard's own side of each partition: its configuration, and who waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use duramen_protocol::files::journal::PartitionKey;

use crate::config::topic::TopicConfig;
use crate::storage::LogId;

use super::acks::Ack;
use super::fetch::FetchId;
use super::lookups::Deletion;
use super::produce::Queued;
use super::request::Ticket;
use super::subscriptions::SubscriptionKey;

/// One partition's waiters.
pub(super) struct Log {
    pub key: PartitionKey,
    pub config: Arc<TopicConfig>,
    /// Batches the store could not take yet, in the order in which they came.
    pub queue: VecDeque<Queued>,
    /// Batches that were staged, by their last offset.
    pub acks: VecDeque<Ack>,
    /// Reads that wait for more.
    pub fetches: Vec<FetchId>,
    /// Reads of this and other partitions that wait for more, by their tickets.
    pub read_manys: Vec<Ticket>,
    pub subscribers: Vec<SubscriptionKey>,
    pub deletions: Vec<Deletion>,
}

/// The partitions of a shard.
#[derive(Default)]
pub(super) struct Logs {
    /// By the number in their id, which the store counts up from 0.
    logs: Vec<Option<Log>>,
    /// Deleted partitions that no journal names any more, for the catalog's keeper.
    pub passed: Vec<PartitionKey>,
}

impl Log {
    pub fn new(key: PartitionKey, config: Arc<TopicConfig>) -> Log {
        Log {
            key,
            config,
            queue: VecDeque::new(),
            acks: VecDeque::new(),
            fetches: Vec::new(),
            read_manys: Vec::new(),
            subscribers: Vec::new(),
            deletions: Vec::new(),
        }
    }
}

impl Logs {
    pub fn get(&self, id: LogId) -> Option<&Log> {
        self.logs.get(id.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: LogId) -> Option<&mut Log> {
        self.logs.get_mut(id.0 as usize)?.as_mut()
    }

    pub fn insert(&mut self, id: LogId, log: Log) {
        let index = id.0 as usize;
        if self.logs.len() <= index {
            self.logs.resize_with(index + 1, || None);
        }
        self.logs[index] = Some(log);
    }

    pub fn remove(&mut self, id: LogId) -> Option<Log> {
        self.logs.get_mut(id.0 as usize)?.take()
    }

    /// The ids of all partitions there are.
    pub fn ids(&self) -> Vec<LogId> {
        self.iter().map(|(id, _)| id).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (LogId, &Log)> {
        let numbered = (0..).map(LogId).zip(&self.logs);
        numbered.filter_map(|(id, log)| Some((id, log.as_ref()?)))
    }

    /// Whether an append is not answered yet.
    pub fn any_append(&self) -> bool {
        self.iter().any(|(_, log)| !log.queue.is_empty() || !log.acks.is_empty())
    }
}
