//! Which topics there are: an immutable snapshot, and every change that makes the next one.
//!
//! Core 0 alone changes the catalog. It works out the next snapshot, writes it to disk
//! ([`Catalog::to_file`]), and hands it to the cores as an `Arc` once it is durable; so a core
//! never sees what a crash could take back. A change that is not allowed is a [`Refusal`] and
//! leaves no trace. Changes chain: what is asked in one request is done to one snapshot after
//! another, and the last one counts, or none.
//!
//! Invariants:
//! - A topic's name is in use once, its id once and never again.
//! - A deleted topic stays as a tombstone until no journal names it any more.
//! - What is set on a topic parses: [`Topic::config`] and [`Topic::configs`] say the same.
//! - The names in [`INTERNAL_TOPICS`] are the server's own; clients read such topics, no more.
//!
//! The changes stand in `changes`, the way to and from the file in `file`.

mod changes;
mod file;

use std::collections::BTreeMap;
use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::files::catalog::Tombstone;

use super::Refusal;
use crate::config::topic::{KNOBS, TopicConfig};
use crate::limits;

pub use changes::{ConfigChange, Created, NewTopic};
pub use file::InvalidCatalog;

/// The topic that holds named consumers' offsets.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// How many partitions it has. Fixed: a group's partition follows from the number.
pub const CONSUMER_OFFSETS_PARTITIONS: u32 = 16;

/// The topics of Kafka's own state. No client makes or changes one, whether this server keeps that
/// state or not: Kafka's clients and tools take what has such a name for what Kafka writes there.
pub const INTERNAL_TOPICS: [&str; 4] =
    [CONSUMER_OFFSETS, "__transaction_state", "__share_group_state", "__cluster_metadata"];

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub id: TopicId,
    pub name: String,
    pub partitions: u32,
    /// What holds, defaults included.
    pub config: Arc<TopicConfig>,
    /// What was set, by name; the rest is at its default.
    pub configs: BTreeMap<String, String>,
}

/// One configuration of a topic, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRow {
    /// Kafka's name.
    pub name: &'static str,
    /// What holds.
    pub value: String,
    /// Whether it was not set on the topic.
    pub is_default: bool,
    /// What it means, in a line.
    pub help: &'static str,
}

impl Topic {
    /// Whether the topic is the server's own.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    /// Every configuration there is, by name.
    pub fn describe(&self) -> Vec<ConfigRow> {
        let row = |knob: &'static crate::config::topic::TopicKnob| {
            let set = self.configs.get(knob.name);
            ConfigRow {
                name: knob.name,
                value: set.map_or(knob.default, String::as_str).to_owned(),
                is_default: set.is_none(),
                help: knob.help,
            }
        };
        KNOBS.iter().map(row).collect()
    }
}

/// Whether a topic of this name is the server's own.
pub fn is_internal(name: &str) -> bool {
    INTERNAL_TOPICS.contains(&name)
}

/// What bounds topics. The sizes are the running server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicLimits {
    /// Memory for staged batches, a core.
    pub arena_bytes: usize,
    /// Length of a journal file.
    pub journal_file_bytes: u64,
    /// Partitions of one topic.
    pub topic_partitions_max: u32,
    /// Partitions in all, the server's own among them.
    pub partitions_max: u32,
}

impl Default for TopicLimits {
    fn default() -> TopicLimits {
        TopicLimits {
            arena_bytes: limits::ARENA_BYTES,
            journal_file_bytes: limits::JOURNAL_FILE_BYTES,
            topic_partitions_max: limits::TOPIC_PARTITIONS_MAX,
            partitions_max: limits::PARTITIONS_MAX,
        }
    }
}

/// The topics and what else the catalog's file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    cluster_id: [u8; 16],
    start_epoch: u32,
    next_producer_id: i64,
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: BTreeMap<TopicId, Arc<Topic>>,
    tombstones: BTreeMap<TopicId, Tombstone>,
}

impl Catalog {
    /// The catalog of a new data directory, before its first session.
    pub fn new(cluster_id: [u8; 16]) -> Catalog {
        Catalog {
            cluster_id,
            start_epoch: 0,
            next_producer_id: 0,
            by_name: BTreeMap::new(),
            by_id: BTreeMap::new(),
            tombstones: BTreeMap::new(),
        }
    }

    /// Which data directory this is, for good.
    pub fn cluster_id(&self) -> [u8; 16] {
        self.cluster_id
    }

    /// The session whose journals count.
    pub fn start_epoch(&self) -> u32 {
        self.start_epoch
    }

    /// Producer ids below may have been handed out.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl ExactSizeIterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// The topic of a name.
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// The topic of an id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// The topic of a name, or the refusal that a client gets.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn known_topic(&self, name: &str) -> Result<&Arc<Topic>, Refusal> {
        self.topic(name).ok_or_else(|| {
            let shown: String = name.chars().take(NAME_SHOWN_MAX).collect();
            let message = format!("there is no topic {shown:?}: `duramen topic list` names them");
            Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message)
        })
    }

    /// The deleted topics that a journal may still name, by id.
    pub fn tombstones(&self) -> impl ExactSizeIterator<Item = &Tombstone> {
        self.tombstones.values()
    }

    /// Partitions of all topics.
    pub fn partitions(&self) -> u64 {
        self.by_name.values().map(|t| u64::from(t.partitions)).sum()
    }

    fn put(&mut self, topic: Topic) {
        let topic = Arc::new(topic);
        self.by_id.insert(topic.id, Arc::clone(&topic));
        self.by_name.insert(topic.name.clone(), topic);
    }
}

/// Characters of a name that a client sent which an error repeats.
const NAME_SHOWN_MAX: usize = crate::config::topic_name::TOPIC_NAME_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_shows_what_holds_and_what_was_set() {
        let new = NewTopic {
            name: "logs",
            partitions: 1,
            configs: &[("retention.ms".into(), " 5 ".into())],
            if_not_exists: false,
        };
        let empty = Catalog::new([1; 16]);
        let created = empty.create_topic(&new, TopicId([7; 16]), &TopicLimits::default());
        let Ok(Created::New(catalog)) = created else { panic!("{created:?}") };
        let rows = catalog.topic("logs").unwrap().describe();
        assert_eq!(rows.len(), KNOBS.len());
        let row = |name| rows.iter().find(|r| r.name == name).unwrap();
        assert_eq!(
            (row("retention.ms").value.as_str(), row("retention.ms").is_default),
            ("5", false)
        );
        assert_eq!(
            (row("segment.ms").value.as_str(), row("segment.ms").is_default),
            ("604800000", true)
        );
        assert!(catalog.known_topic("other").unwrap_err().to_string().contains("\"other\""));
    }
}
