//! OffsetDelete, version 0: removes offsets of a group that no member goes on from.
//!
//! - Answered once durable, each partition on its own. A topic that a member reads keeps them:
//!   `GROUP_SUBSCRIBED_TO_TOPIC`.
//! - A group that is not there, or whose members are no consumers, is the whole answer's error.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::offset_delete::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use duramen_protocol::kafka::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use crate::shard::groups::{GroupAnswer, GroupAsk};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::ask;

pub async fn handle(call: &Call<'_>, request: OffsetDeleteRequest<'_>) -> Result<Reply, Ending> {
    let mut partitions = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            // A number below 0 is of no partition, as is this one.
            let number = u32::try_from(partition.partition_index).unwrap_or(u32::MAX);
            partitions.push((topic.name.to_owned(), number));
        }
    }
    let delete = GroupAsk::DeleteOffsets { group: request.group_id.to_owned(), partitions };
    let deleted = match ask(call, request.group_id, delete).await {
        Ok(GroupAnswer::OffsetsDeleted(deleted)) => deleted,
        Ok(other) => unreachable!("offsets were to be deleted, and {other:?} came"),
        Err((error_code, _)) => {
            return call.reply(&OffsetDeleteResponse { error_code, ..Default::default() });
        }
    };
    let mut codes = deleted.into_iter().map(|deleted| deleted.err().unwrap_or(ErrorCode::NONE));
    let topics = request.topics.iter().map(|topic| OffsetDeleteResponseTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetDeleteResponsePartition {
                partition_index: partition.partition_index,
                error_code: codes.next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR),
            })
            .collect(),
    });
    let topics = topics.collect();
    call.reply(&OffsetDeleteResponse { topics, ..Default::default() })
}
