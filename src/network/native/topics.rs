//! Topics: making, removing, altering, listing and describing them; and the server's figures.
//!
//! Any core takes these; the keeper of the catalog decides the changes.

use std::rc::Rc;

use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::native::messages::{
    AlterTopic, CreateTopic, CreateTopicAnswer, DeleteTopic, DescribeTopic, DescribeTopicAnswer,
    DescribedConfig, DescribedPartition, Empty, ListTopicsAnswer, ListedTopic, StatsAnswer,
};
use duramen_protocol::native::{ErrorAnswer, ErrorCode, FrameHeader, Opcode};

use crate::broker::catalog::Topic;
use crate::broker::placement::owner;
use crate::network::local::Local;
use crate::network::mailbox::{Change, Changed};
use crate::shard::request::{Answer, Ask};

use super::connection::Connection;
use super::errors::{of_broker, of_shard, wire_offset};

impl Connection {
    /// `CREATE_TOPIC`.
    pub(super) fn create_topic(self: &Rc<Self>, header: &FrameHeader, create: CreateTopic) {
        let local = self.local.clone();
        self.task(header, Opcode::CreateTopic, async move {
            let CreateTopic { name, partitions, if_not_exists, configs } = create;
            let configs = configs.into_iter().map(|config| (config.name, config.value)).collect();
            let change = Change::CreateTopic { name, partitions, configs, if_not_exists };
            match local.mailboxes.change(change).await.map_err(of_broker)? {
                Changed::Topic(topic, created) => {
                    let (topic_id, partitions) = (topic.id, topic.partitions);
                    Ok(CreateTopicAnswer { topic_id, partitions, created })
                }
                other => Err(unexpected(&other)),
            }
        });
    }

    /// `DELETE_TOPIC`.
    pub(super) fn delete_topic(self: &Rc<Self>, header: &FrameHeader, delete: DeleteTopic) {
        self.change(header, Opcode::DeleteTopic, Change::DeleteTopic(delete.name));
    }

    /// `ALTER_TOPIC`.
    pub(super) fn alter_topic(self: &Rc<Self>, header: &FrameHeader, alter: AlterTopic) {
        let AlterTopic { name, set, partitions } = alter;
        let configs = set.into_iter().map(|change| (change.name, change.value)).collect();
        let change = Change::AlterTopic { name, configs, partitions };
        self.change(header, Opcode::AlterTopic, change);
    }

    fn change(self: &Rc<Self>, header: &FrameHeader, opcode: Opcode, change: Change) {
        let local = self.local.clone();
        self.task(header, opcode, async move {
            local.mailboxes.change(change).await.map(|_| Empty {}).map_err(of_broker)
        });
    }

    /// `LIST_TOPICS`.
    pub(super) fn list_topics(&self, header: &FrameHeader) {
        let catalog = self.local.catalog();
        let topics = catalog.topics().map(|topic| ListedTopic {
            name: topic.name.clone(),
            topic_id: topic.id,
            partitions: topic.partitions,
            internal: topic.is_internal(),
        });
        let answer = ListTopicsAnswer { topics: topics.collect() };
        self.settle(header, Opcode::ListTopics, &Ok(answer));
    }

    /// `DESCRIBE_TOPIC`: asks each partition's core.
    pub(super) fn describe_topic(self: &Rc<Self>, header: &FrameHeader, describe: &DescribeTopic) {
        let local = self.local.clone();
        let topic = local.catalog().known_topic(&describe.name).cloned();
        self.task(header, Opcode::DescribeTopic, async move {
            let topic = topic.map_err(of_broker)?;
            let mut partitions = Vec::new();
            for partition in 0..topic.partitions {
                partitions.push(describe_partition(&local, &topic, partition).await?);
            }
            let config = |row: crate::broker::catalog::ConfigRow| DescribedConfig {
                name: row.name.to_owned(),
                value: row.value,
                is_default: row.is_default,
            };
            let configs = topic.describe().into_iter().map(config).collect();
            Ok(DescribeTopicAnswer { topic_id: topic.id, partitions, configs })
        });
    }

    /// `STATS`.
    pub(super) fn stats(self: &Rc<Self>, header: &FrameHeader) {
        let local = self.local.clone();
        self.task(header, Opcode::Stats, async move {
            match local.mailboxes.change(Change::Stats).await.map_err(of_broker)? {
                Changed::Stats(answer) => Ok::<StatsAnswer, _>(*answer),
                other => Err(unexpected(&other)),
            }
        });
    }
}

async fn describe_partition(
    local: &Local,
    topic: &Topic,
    partition: u32,
) -> Result<DescribedPartition, ErrorAnswer> {
    let core = owner(topic.id, partition, u32::from(local.cores())) as u16;
    let key = PartitionKey { topic_id: topic.id, partition };
    let answer = local.ask(core, Ask::Status { key }).await.map_err(|error| of_shard(&error))?;
    let Answer::Status(status) = answer else {
        return Err(ErrorAnswer::new(ErrorCode::UNKNOWN_SERVER_ERROR, "no status came back"));
    };
    Ok(DescribedPartition {
        core,
        log_start: wire_offset(status.log_start),
        durable_end: wire_offset(status.durable),
        size_bytes: status.bytes,
        segments: status.segments as u32,
    })
}

fn unexpected(changed: &Changed) -> ErrorAnswer {
    let message = format!("the keeper of the catalog answered something else: {changed:?}");
    ErrorAnswer::new(ErrorCode::UNKNOWN_SERVER_ERROR, message)
}
