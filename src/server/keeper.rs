//! The keeper of the catalog: the one place where topics change.
//!
//! It lives on core 0 and takes one order after another:
//!
//! ```text
//! order ──> next catalog, or a refusal ──> its file, durable ──> every core ──> answer
//! ```
//! So an answered change is durable and known everywhere, and no core ever sees what a crash could
//! take back. After a write of which nobody can tell whether it counts, it takes no more orders
//! until a restart.
//!
//! A topic's folders bear its name, and those of a deleted one are moved away by the cores, each in
//! its time. A new topic of that name may lie on other cores: it is made once the last of the old
//! folders is gone, and whoever asked for it waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::files::journal::PartitionKey;
use tokio::sync::{mpsc, oneshot};

use crate::broker::Refusal;
use crate::broker::catalog::{Catalog, Created, NewTopic, Topic, TopicLimits};
use crate::io::{ErrorKind, random_bytes};
use crate::limits;
use crate::network::mailbox::{Change, Changed, Mail, Mailboxes, Order};
use crate::observe::Observer;

use super::catalog_file::{CatalogWriter, WriteError};

/// The keeper.
pub struct Keeper {
    catalog: Arc<Catalog>,
    writer: CatalogWriter,
    mailboxes: Mailboxes,
    limits: TopicLimits,
    default_partitions: u32,
    observer: Observer,
    /// Partitions of deleted topics that no journal names any more.
    passed: BTreeMap<TopicId, BTreeSet<u32>>,
    /// Orders to make topics whose names are those of deleted ones that are not gone yet.
    parked: VecDeque<Order>,
    /// Why no more orders are taken.
    failed: Option<String>,
}

impl Keeper {
    /// A keeper of `catalog`, which is durable and known to every core.
    pub fn new(
        catalog: Arc<Catalog>,
        writer: CatalogWriter,
        mailboxes: Mailboxes,
        limits: TopicLimits,
        default_partitions: u32,
        observer: Observer,
    ) -> Keeper {
        Keeper {
            catalog,
            writer,
            mailboxes,
            limits,
            default_partitions,
            observer,
            passed: BTreeMap::new(),
            parked: VecDeque::new(),
            failed: None,
        }
    }

    /// Takes orders until nobody can give any.
    pub async fn keep(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.recv().await {
            let has_passed = matches!(order.change, Change::Passed(_));
            self.carry_out(order).await;
            if has_passed {
                for order in std::mem::take(&mut self.parked) {
                    self.carry_out(order).await;
                }
            }
        }
    }

    /// Carries an order out and answers it, now or when it can be done.
    async fn carry_out(&mut self, Order { change, reply }: Order) {
        match change {
            Change::Stats => {
                // Waits for every core, and holds nobody up.
                let (observer, mailboxes) = (self.observer.clone(), self.mailboxes.clone());
                tokio::task::spawn_local(async move {
                    let stats = observer.stats(&mailboxes).await;
                    let _ = reply.send(Ok(Changed::Stats(Box::new(stats))));
                });
            }
            Change::CreateTopic { ref name, .. }
                if self.must_wait(name) && self.parked.len() < limits::TOPICS_PARKED =>
            {
                self.parked.push_back(Order { change, reply });
            }
            change => {
                let result = self.take(change).await;
                // Whoever asked may be gone.
                let _ = reply.send(result);
            }
        }
    }

    /// Whether a deleted topic of that name is not gone yet.
    fn must_wait(&self, name: &str) -> bool {
        let is_there = self.catalog.topic(name).is_some();
        !is_there && self.failed.is_none() && self.catalog.tombstones().any(|t| t.name == name)
    }

    async fn take(&mut self, change: Change) -> Result<Changed, Refusal> {
        match change {
            Change::CreateTopic { name, .. } if self.must_wait(&name) => Err(Refusal {
                code: ErrorCode::OVERLOADED,
                message: format!("the old topic {name} is still being removed; try again"),
            }),
            Change::CreateTopic { name, partitions, configs, if_not_exists } => {
                let partitions = if partitions == 0 { self.default_partitions } else { partitions };
                let new = NewTopic { name: &name, partitions, configs: &configs, if_not_exists };
                let created = self.catalog.create_topic(&new, new_topic_id()?, &self.limits)?;
                self.created(created, &name).await
            }
            Change::CreateConsumerOffsets => {
                let id = new_topic_id()?;
                let created = self.catalog.create_consumer_offsets(id, &self.limits)?;
                self.created(created, crate::broker::catalog::CONSUMER_OFFSETS).await
            }
            Change::DeleteTopic(name) => {
                let next = self.catalog.delete_topic(&name)?;
                self.replace(next).await.map(|()| Changed::Done)
            }
            Change::AlterTopic { name, configs, partitions } => {
                let mut next = self.catalog.alter_topic(&name, &configs, &self.limits)?;
                if configs.iter().any(|(name, _)| name == "cleanup.policy") {
                    next.topic(&name).into_iter().for_each(|topic| note_compaction(topic));
                }
                let now = next.topic(&name).map_or(0, |topic| topic.partitions);
                if partitions != 0 && partitions != now {
                    next = next.add_partitions(&name, partitions, &self.limits)?;
                }
                self.replace(next).await.map(|()| Changed::Done)
            }
            Change::AddPartitions { name, partitions } => {
                let next = self.catalog.add_partitions(&name, partitions, &self.limits)?;
                self.replace(next).await.map(|()| Changed::Done)
            }
            Change::LeaseProducerIds => {
                let (next, lease) = self.catalog.lease_producer_ids(limits::PRODUCER_IDS_LEASED)?;
                self.replace(next).await.map(|()| Changed::Leased(lease))
            }
            Change::Passed(keys) => self.clear_away(keys).await.map(|()| Changed::Done),
            Change::Stats => Ok(Changed::Done),
        }
    }

    async fn created(&mut self, created: Created, name: &str) -> Result<Changed, Refusal> {
        match created {
            Created::Existing(topic) => Ok(Changed::Topic(topic, false)),
            Created::New(next) => {
                let topic = next.topic(name).cloned();
                self.replace(next).await?;
                let topic: Arc<Topic> = topic.ok_or_else(|| refusal("the topic is not there"))?;
                note_compaction(&topic);
                Ok(Changed::Topic(topic, true))
            }
        }
    }

    /// Forgets deleted topics, all of whose partitions have been cleared away.
    async fn clear_away(&mut self, keys: Vec<PartitionKey>) -> Result<(), Refusal> {
        for PartitionKey { topic_id, partition } in keys {
            self.passed.entry(topic_id).or_default().insert(partition);
        }
        let is_cleared = |tombstone: &&duramen_protocol::files::catalog::Tombstone| {
            let passed = self.passed.get(&tombstone.id).map_or(0, BTreeSet::len);
            passed as u64 >= u64::from(tombstone.partitions)
        };
        let cleared: Vec<TopicId> =
            self.catalog.tombstones().filter(is_cleared).map(|tombstone| tombstone.id).collect();
        if cleared.is_empty() {
            return Ok(());
        }
        self.replace(self.catalog.drop_tombstones(cleared.iter().copied())).await?;
        self.passed.retain(|id, _| !cleared.contains(id));
        Ok(())
    }

    /// Makes `next` durable, and then the catalog that every core goes by.
    async fn replace(&mut self, next: Catalog) -> Result<(), Refusal> {
        if let Some(reason) = &self.failed {
            let message = format!("the disk failed, nothing is changed until a restart: {reason}");
            return Err(Refusal { code: ErrorCode::STORAGE_FAILED, message });
        }
        self.writer.write(&next).await.map_err(|error| self.write_failed(error))?;
        self.catalog = Arc::new(next);
        self.tell_cores().await;
        Ok(())
    }

    fn write_failed(&mut self, error: WriteError) -> Refusal {
        match error {
            WriteError::NotWritten(error) if error.kind == ErrorKind::Full => Refusal {
                code: ErrorCode::STORAGE_FULL,
                message: format!("the disk is full, nothing was changed: {error}"),
            },
            WriteError::NotWritten(error) => Refusal {
                code: ErrorCode::STORAGE_FAILED,
                message: format!("the disk failed, nothing was changed: {error}"),
            },
            WriteError::Unknown(error) => {
                eprintln!("duramen: the catalog can't be changed until a restart: {error}");
                self.failed = Some(error.to_string());
                let message = format!("the disk failed; it may be done after a restart: {error}");
                Refusal { code: ErrorCode::PERHAPS_PERSISTED, message }
            }
        }
    }

    /// Returns once every core goes by the catalog of now.
    async fn tell_cores(&self) {
        let mut told = Vec::new();
        for core in 0..self.mailboxes.cores() {
            let (reply, done) = oneshot::channel();
            self.mailboxes.send(core, Mail::Catalog(self.catalog.clone(), reply)).await;
            told.push(done);
        }
        for done in told {
            // A core that has stopped goes by nothing any more.
            let _ = done.await;
        }
    }
}

/// Says that a topic keeps more than its configuration asks for.
fn note_compaction(topic: &Topic) {
    if topic.config.compact && !topic.is_internal() {
        let name = &topic.name;
        eprintln!("duramen: topic {name}: cleanup.policy=compact keeps every record for now");
    }
}

fn new_topic_id() -> Result<TopicId, Refusal> {
    let mut id = [0; 16];
    random_bytes(&mut id).map_err(|error| refusal(&error.to_string()))?;
    Ok(TopicId(id))
}

fn refusal(message: &str) -> Refusal {
    Refusal { code: ErrorCode::UNKNOWN_SERVER_ERROR, message: message.to_owned() }
}
