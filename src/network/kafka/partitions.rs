//! From what clients name to partitions and the cores that own them.

use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::files::journal::PartitionKey;
use tokio::sync::oneshot;

use crate::broker::Refusal;
use crate::broker::catalog::{Catalog, Topic};
use crate::network::mailbox::{Change, Changed};
use crate::shard::error::AskError;
use crate::shard::request::{Answer, Ask};

use super::call::Call;
use super::errors::code_of;

/// A topic as a client names it: by its id where the version has that, else by its name.
#[derive(Clone, Copy, Debug)]
pub enum TopicRef<'a> {
    Name(&'a str),
    Id(TopicId),
}

impl<'a> TopicRef<'a> {
    /// The id from `since` on, else the name.
    pub fn by_version(version: i16, since: i16, name: &'a str, id: TopicId) -> TopicRef<'a> {
        if version >= since { TopicRef::Id(id) } else { TopicRef::Name(name) }
    }

    /// Looks the topic up.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID.
    pub fn find(self, catalog: &Catalog) -> Result<&Arc<Topic>, ErrorCode> {
        match self {
            TopicRef::Name(name) => {
                catalog.topic(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            TopicRef::Id(id) => catalog.topic_by_id(id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
        }
    }
}

/// A partition and the core that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub core: u16,
    pub key: PartitionKey,
}

/// A question about one partition, on its way to the core that owns it. Several are asked before the
/// first is waited for.
pub enum Question {
    /// Nobody had to be asked.
    Settled(Result<Answer, ErrorCode>),
    /// A core was asked.
    Waiting(oneshot::Receiver<Result<Answer, AskError>>),
}

impl Question {
    /// Waits for the answer.
    ///
    /// # Errors
    /// What the shard answered, as Kafka's code.
    pub async fn answer(self) -> Result<Answer, ErrorCode> {
        match self {
            Question::Settled(answer) => answer,
            Question::Waiting(answer) => {
                let answer = answer.await.unwrap_or(Err(AskError::ShuttingDown));
                answer.map_err(|error| code_of(&error))
            }
        }
    }
}

impl Call<'_> {
    /// Asks the owner of a partition.
    pub async fn ask_partition(
        &self,
        topic: TopicRef<'_>,
        partition: i32,
        ask: impl FnOnce(PartitionKey) -> Ask,
    ) -> Question {
        let catalog = self.local.catalog();
        match topic.find(&catalog).and_then(|topic| self.target(topic, partition)) {
            Ok(target) => self.ask_target(target, ask(target.key)).await,
            Err(code) => Question::Settled(Err(code)),
        }
    }

    /// Asks the core of a partition that was found.
    pub async fn ask_target(&self, target: Target, ask: Ask) -> Question {
        Question::Waiting(self.local.submit(target.core, ask).await)
    }

    /// Finds a partition of a topic.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION when there is none of that number.
    pub fn target(&self, topic: &Topic, partition: i32) -> Result<Target, ErrorCode> {
        let partition = u32::try_from(partition).ok().filter(|&number| number < topic.partitions);
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let key = PartitionKey { topic_id: topic.id, partition };
        Ok(Target { core: self.owner(topic.id, partition), key })
    }

    /// Whether the leader epoch that a client goes by, -1 for none, is that of now.
    ///
    /// # Errors
    /// FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH.
    pub fn check_leader_epoch(&self, epoch: i32) -> Result<(), ErrorCode> {
        match epoch.cmp(&self.leader_epoch()) {
            _ if epoch < 0 => Ok(()),
            std::cmp::Ordering::Less => Err(ErrorCode::FENCED_LEADER_EPOCH),
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
        }
    }

    /// Makes a topic that a client asked about and that is not there, with as many partitions as
    /// the server's default, where the configuration allows it.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_OR_PARTITION where it does not; otherwise what is wrong with the name, or why
    /// there can be no more topics.
    pub async fn create_on_demand(&self, name: &str) -> Result<Arc<Topic>, Refusal> {
        if !self.settings.auto_create_topics || crate::broker::catalog::is_internal(name) {
            return self.local.catalog().known_topic(name).cloned();
        }
        let name = name.to_owned();
        let change =
            Change::CreateTopic { name, partitions: 0, configs: Vec::new(), if_not_exists: true };
        match self.local.mailboxes.change(change).await? {
            Changed::Topic(topic, _) => Ok(topic),
            other => unreachable!("the keeper of the catalog answered {other:?}"),
        }
    }
}
