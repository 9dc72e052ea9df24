//! Who coordinates a group: the partition of `__consumer_offsets` that keeps it, and its core.

use std::sync::Arc;

use duramen_protocol::files::journal::PartitionKey;

use crate::broker::Refusal;
use crate::broker::catalog::{CONSUMER_OFFSETS, Topic};
use crate::broker::placement::{owner, partition_for_group};
use crate::shard::error::AskError;
use crate::shard::groups::{GroupAnswer, GroupAsk, ListedGroup};
use crate::shard::request::{Answer, Ask};

use super::local::Local;
use super::mailbox::Change;

/// The topic of consumers' offsets, made if it is not there.
///
/// # Errors
/// What the keeper of the catalog refuses.
pub async fn offsets_topic(local: &Local) -> Result<Arc<Topic>, Refusal> {
    if let Some(topic) = local.catalog().topic(CONSUMER_OFFSETS) {
        return Ok(topic.clone());
    }
    local.mailboxes.change(Change::CreateConsumerOffsets).await?;
    local.catalog().known_topic(CONSUMER_OFFSETS).cloned()
}

/// The partition that keeps a group; none before any group was.
pub fn partition_of(local: &Local, group: &str) -> Option<PartitionKey> {
    local.catalog().topic(CONSUMER_OFFSETS).map(|topic| key(topic, group))
}

/// The partition of the topic of consumers' offsets that keeps a group.
pub fn key(topic: &Topic, group: &str) -> PartitionKey {
    PartitionKey { topic_id: topic.id, partition: partition_for_group(group, topic.partitions) }
}

/// The core that owns a partition.
pub fn core_of(local: &Local, key: PartitionKey) -> u16 {
    owner(key.topic_id, key.partition, u32::from(local.cores())) as u16
}

/// Asks the core that owns a partition of consumers' offsets.
///
/// # Errors
/// The shard's.
pub async fn ask(local: &Local, key: PartitionKey, ask: Ask) -> Result<Answer, AskError> {
    local.ask(core_of(local, key), ask).await
}

/// Asks the coordinator of a partition.
///
/// # Errors
/// The shard's.
pub async fn ask_group(
    local: &Local,
    key: PartitionKey,
    group: GroupAsk,
) -> Result<GroupAnswer, AskError> {
    match ask(local, key, Ask::Group { key, ask: Box::new(group) }).await? {
        Answer::Group(answer) => Ok(answer),
        other => unreachable!("a coordinator answered {other:?}"),
    }
}

/// All groups of the partitions that are on a core for which `wanted` holds, by name.
///
/// # Errors
/// The shard's.
pub async fn list(
    local: &Local,
    wanted: impl Fn(u16) -> bool,
) -> Result<Vec<ListedGroup>, AskError> {
    let Some(topic) = local.catalog().topic(CONSUMER_OFFSETS).cloned() else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for partition in 0..topic.partitions {
        let key = PartitionKey { topic_id: topic.id, partition };
        if wanted(core_of(local, key)) {
            match ask_group(local, key, GroupAsk::List).await? {
                GroupAnswer::Listed(groups) => all.extend(groups),
                other => unreachable!("a list of groups is {other:?}"),
            }
        }
    }
    all.sort_by(|a, b| a.group.cmp(&b.group));
    Ok(all)
}
