//! DescribeTopicPartitions, version 0: topics and their partitions, a page at a time.
//!
//! - Topics by name, in that order; an empty list asks for all of them.
//! - A page holds the partitions that were asked for, 2,000 at most; `next_cursor` says where the
//!   next one begins.
//! - A name that is not there is UNKNOWN_TOPIC_OR_PARTITION; nothing is made.
//! - There are no replicas that could lead instead, and lists say so: they may be null, but the
//!   Java client reads such an answer as a null pointer.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use duramen_protocol::kafka::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
};

use crate::broker::catalog::Topic;

use super::Ending;
use super::call::{Call, Reply};
use super::metadata::TOPIC_OPERATIONS;

/// Partitions of one page.
const PAGE: u32 = 2000;

pub async fn handle(
    call: &Call<'_>,
    request: DescribeTopicPartitionsRequest<'_>,
) -> Result<Reply, Ending> {
    let catalog = call.local.catalog();
    let mut names: Vec<&str> = match request.topics.is_empty() {
        true => catalog.topics().map(|topic| topic.name.as_str()).collect(),
        false => request.topics.iter().map(|topic| topic.name).collect(),
    };
    names.sort_unstable();
    names.dedup();
    let (mut first_partition, mut from) = (0, "");
    if let Some(cursor) = &request.cursor {
        first_partition = u32::try_from(cursor.partition_index).unwrap_or_default();
        from = cursor.topic_name;
    }
    let mut left = request.response_partition_limit.clamp(1, PAGE as i32) as u32;
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.into_iter().filter(|name| *name >= from) {
        if left == 0 {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: 0 });
            break;
        }
        let first = if name == from { first_partition } else { 0 };
        let Some(topic) = catalog.topic(name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let end = topic.partitions.min(first.saturating_add(left));
        left -= end.saturating_sub(first);
        response.topics.push(describe(call, topic, first..end));
        if end < topic.partitions {
            let cursor = Cursor { topic_name: name, partition_index: end as i32 };
            response.next_cursor = Some(cursor);
            break;
        }
    }
    call.reply(&response)
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic<'_> {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        name: Some(name),
        ..Default::default()
    }
}

fn describe<'r>(
    call: &Call<'_>,
    topic: &'r Topic,
    partitions: std::ops::Range<u32>,
) -> DescribeTopicPartitionsResponseTopic<'r> {
    let partition = |number| {
        let leader_id = call.leader(topic.id, number);
        DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::NONE,
            partition_index: number as i32,
            leader_id,
            leader_epoch: call.leader_epoch(),
            replica_nodes: vec![leader_id],
            isr_nodes: vec![leader_id],
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            offline_replicas: Vec::new(),
        }
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::NONE,
        name: Some(&topic.name),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions: partitions.map(partition).collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
    }
}
