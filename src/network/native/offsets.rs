//! `COMMIT_OFFSETS` and `FETCH_OFFSETS`: the positions of named consumers.
//!
//! Any core takes them and forwards them to the one that owns the consumer's partition of
//! `__consumer_offsets`. That topic is made with the first commit.

use std::rc::Rc;

use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::native::messages::{
    CommitOffsets, CommittedOffset, Empty, FetchOffsets, FetchOffsetsAnswer,
};
use duramen_protocol::native::{ErrorAnswer, ErrorCode, FrameHeader, Opcode};

use crate::broker::catalog::{CONSUMER_OFFSETS, Topic};
use crate::broker::offsets::{CommitOffset, check_group};
use crate::broker::placement::{owner, partition_for_group};
use crate::network::local::Local;
use crate::network::mailbox::Change;
use crate::shard::request::{Answer, Ask, Position};

use super::connection::Connection;
use super::errors::{of_broker, of_shard};

/// No leader epoch is known: the native protocol has none.
const NO_EPOCH: i32 = -1;

impl Connection {
    pub(super) fn commit_offsets(self: &Rc<Self>, header: &FrameHeader, commit: CommitOffsets) {
        let local = self.local.clone();
        self.task(header, Opcode::CommitOffsets, async move {
            let CommitOffsets { group, offsets } = commit;
            check_group(&group).map_err(of_broker)?;
            let offsets = offsets.into_iter().map(wanted).collect();
            let key = key(&*offsets_topic(&local).await?, &group);
            ask(&local, key, Ask::CommitOffsets { key, group, offsets }).await.map(|_| Empty {})
        });
    }

    pub(super) fn fetch_offsets(self: &Rc<Self>, header: &FrameHeader, fetch: FetchOffsets) {
        let local = self.local.clone();
        self.task(header, Opcode::FetchOffsets, async move {
            let FetchOffsets { group, partitions } = fetch;
            check_group(&group).map_err(of_broker)?;
            let Some(topic) = local.catalog().topic(CONSUMER_OFFSETS).cloned() else {
                // Nobody has ever committed anything.
                return Ok(FetchOffsetsAnswer { offsets: Vec::new() });
            };
            let named =
                |p: duramen_protocol::native::messages::TopicPartition| (p.topic, p.partition);
            let partitions = partitions.map(|all| all.into_iter().map(named).collect());
            let key = key(&topic, &group);
            match ask(&local, key, Ask::FetchOffsets { key, group, partitions }).await? {
                Answer::Positions(positions) => {
                    let offsets = positions.into_iter().map(committed).collect();
                    Ok(FetchOffsetsAnswer { offsets })
                }
                other => Err(ErrorAnswer::new(
                    ErrorCode::UNKNOWN_SERVER_ERROR,
                    format!("positions were asked for, {other:?} came back"),
                )),
            }
        });
    }
}

/// The topic of consumers' offsets, made if it is not there.
async fn offsets_topic(local: &Local) -> Result<std::sync::Arc<Topic>, ErrorAnswer> {
    if let Some(topic) = local.catalog().topic(CONSUMER_OFFSETS) {
        return Ok(topic.clone());
    }
    local.mailboxes.change(Change::CreateConsumerOffsets).await.map_err(of_broker)?;
    local.catalog().known_topic(CONSUMER_OFFSETS).cloned().map_err(of_broker)
}

/// The partition that keeps a consumer's offsets.
fn key(topic: &Topic, group: &str) -> PartitionKey {
    PartitionKey { topic_id: topic.id, partition: partition_for_group(group, topic.partitions) }
}

async fn ask(local: &Local, key: PartitionKey, ask: Ask) -> Result<Answer, ErrorAnswer> {
    let core = owner(key.topic_id, key.partition, u32::from(local.cores())) as u16;
    local.ask(core, ask).await.map_err(|error| of_shard(&error))
}

fn wanted(offset: CommittedOffset) -> CommitOffset {
    let CommittedOffset { topic, partition, offset, metadata } = offset;
    CommitOffset { topic, partition, offset, leader_epoch: NO_EPOCH, metadata }
}

fn committed(position: Position) -> CommittedOffset {
    let Position { topic, partition, offset, metadata, .. } = position;
    CommittedOffset { topic, partition, offset, metadata }
}
