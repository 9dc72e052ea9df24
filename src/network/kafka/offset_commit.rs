//! OffsetCommit, versions 2 to 10: keeps how far a group has read.
//!
//! - Answered once durable. Each partition has an error of its own; those without one are kept all
//!   together, or, when the group refuses, none.
//! - By a member of the group's generation; or, with generation -1, by anybody while the group has
//!   no members, which also makes a group.
//! - A negative offset takes the committed one away. Kafka keeps such, and every client takes it for
//!   none; kafkajs resets groups by it.
//! - 2 to 4: the time to keep the offsets, -1 for `offsets.retention.minutes`. As in Kafka, it
//!   counts from the commit, and offsets in topics that a member reads stay whatever it is.
//! - Below 9 a generation of a group that is not there is illegal; from 9 on the group is not found.
//! - 10: topics by id.

use std::sync::Arc;

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::offset_commit::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use duramen_protocol::kafka::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::broker::catalog::{Catalog, Topic};
use crate::broker::offsets::{CommitOffset, check_commit};
use crate::shard::request::Ask;

use super::Ending;
use super::call::{Call, Reply};
use super::groups::{ask_offsets, membership};
use super::partitions::TopicRef;

pub async fn handle(call: &Call<'_>, request: OffsetCommitRequest<'_>) -> Result<Reply, Ending> {
    let catalog = call.local.catalog();
    let mut offsets = Vec::new();
    let mut topics: Vec<OffsetCommitResponseTopic<'_>> = Vec::new();
    for topic in &request.topics {
        topics.push(sort_out(call.version(), &catalog, topic, &mut offsets));
    }
    // Also without any: whether the member is known is to be said all the same.
    let OffsetCommitRequest { group_id, member_id, group_instance_id, .. } = request;
    let retention_ms = Some(request.retention_time_ms).filter(|&ms| ms != -1);
    offsets.iter_mut().for_each(|offset: &mut CommitOffset| offset.retention_ms = retention_ms);
    let generation = request.generation_id_or_member_epoch;
    let member = membership(group_id, generation, member_id, group_instance_id);
    let commit = |key| Ask::CommitOffsets { key, member, offsets };
    if let Err((code, _)) = ask_offsets(call, group_id, commit).await {
        let code = match code {
            ErrorCode::GROUP_ID_NOT_FOUND if call.version() < 9 => ErrorCode::ILLEGAL_GENERATION,
            code => code,
        };
        let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.filter(|p| p.error_code.is_ok()).for_each(|p| p.error_code = code);
    }
    call.reply(&OffsetCommitResponse { topics, ..Default::default() })
}

/// Answers a topic, and puts what can be kept of it with the other offsets.
fn sort_out<'f>(
    version: i16,
    catalog: &Catalog,
    topic: &OffsetCommitRequestTopic<'f>,
    offsets: &mut Vec<CommitOffset>,
) -> OffsetCommitResponseTopic<'f> {
    let known = TopicRef::by_version(version, 10, topic.name, topic.topic_id).find(catalog);
    let mut answer = |partition: &OffsetCommitRequestPartition<'_>| {
        let checked = known.and_then(|known| check(catalog, known, partition));
        OffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: match checked {
                Ok(offset) => {
                    offsets.push(offset);
                    ErrorCode::NONE
                }
                Err(code) => code,
            },
        }
    };
    OffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(&mut answer).collect(),
    }
}

fn check(
    catalog: &Catalog,
    topic: &Arc<Topic>,
    partition: &OffsetCommitRequestPartition<'_>,
) -> Result<CommitOffset, ErrorCode> {
    let number = u32::try_from(partition.partition_index);
    let offset = CommitOffset {
        topic: topic.name.clone(),
        partition: number.map_err(|_| ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.unwrap_or_default().to_owned(),
        retention_ms: None,
    };
    check_commit(catalog, &offset).map_err(|refusal| refusal.code.for_kafka())?;
    Ok(offset)
}
