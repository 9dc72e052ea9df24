//! Topics: making, removing, listing, describing and altering them.
//!
//! Any core takes these requests; core 0 decides them, and the answer means that the change is
//! durable and known to every core.

use super::Empty;
use crate::TopicId;
use crate::native::field::{calls, empty_messages, message};

message! {
    /// Makes a topic.
    pub struct CreateTopic {
        /// At most 249 of Kafka's characters: letters, digits, `.`, `_` and `-`.
        pub name: String,
        /// How many partitions; 0 for the server's default.
        pub partitions: u32,
        /// Whether a topic of that name is fine as it is.
        pub if_not_exists: bool,
        /// What differs from the server's defaults.
        pub configs: Vec<Config>,
    }

    /// A configuration by Kafka's name, such as `retention.ms`.
    pub struct Config {
        /// Kafka's name.
        pub name: String,
        /// The value as text.
        pub value: String,
    }

    /// The topic that is there now.
    pub struct CreateTopicAnswer {
        /// Never used twice, not even for the same name.
        pub topic_id: TopicId,
        /// How many partitions it has.
        pub partitions: u32,
        /// Whether this request made it.
        pub created: bool,
    }

    /// Removes a topic and its records.
    pub struct DeleteTopic {
        /// The topic.
        pub name: String,
    }

    /// All topics, by name.
    pub struct ListTopicsAnswer {
        /// In the order of their names.
        pub topics: Vec<ListedTopic>,
    }

    /// One topic of a list.
    pub struct ListedTopic {
        /// Its name.
        pub name: String,
        /// Its id.
        pub topic_id: TopicId,
        /// How many partitions it has.
        pub partitions: u32,
        /// Whether it is the server's own.
        pub internal: bool,
    }

    /// Asks for one topic's partitions and configuration.
    pub struct DescribeTopic {
        /// The topic.
        pub name: String,
    }

    /// One topic.
    pub struct DescribeTopicAnswer {
        /// Its id.
        pub topic_id: TopicId,
        /// Its partitions, from 0 on without a gap.
        pub partitions: Vec<DescribedPartition>,
        /// Every configuration there is, also where the default holds.
        pub configs: Vec<DescribedConfig>,
    }

    /// One partition.
    pub struct DescribedPartition {
        /// The core that owns it.
        pub core: u16,
        /// The first offset there is.
        pub log_start: i64,
        /// The offset after the last durable one.
        pub durable_end: i64,
        /// Bytes of its log.
        pub size_bytes: u64,
        /// How many segments it has.
        pub segments: u32,
    }

    /// One configuration.
    pub struct DescribedConfig {
        /// Kafka's name.
        pub name: String,
        /// The value that holds, as text.
        pub value: String,
        /// Whether the value is the server's default.
        pub is_default: bool,
    }

    /// Changes a topic: all that is asked, or nothing.
    pub struct AlterTopic {
        /// The topic.
        pub name: String,
        /// Configurations to set or to put back.
        pub set: Vec<ConfigChange>,
        /// How many partitions it shall have; 0 to leave them as they are.
        pub partitions: u32,
    }

    /// A change of one configuration.
    pub struct ConfigChange {
        /// Kafka's name.
        pub name: String,
        /// The value as text; none goes back to the default.
        pub value: Option<String>,
    }
}

empty_messages! {
    /// Names all topics.
    ListTopics;
}

calls! {
    CreateTopic => CreateTopicAnswer;
    DeleteTopic => Empty;
    ListTopics => ListTopicsAnswer;
    DescribeTopic => DescribeTopicAnswer;
    AlterTopic => Empty;
}
