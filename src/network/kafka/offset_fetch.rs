//! OffsetFetch, versions 1 to 10: how far groups have read.
//!
//! - Up to 7 one group, from 8 on several. From 2 on without topics: all that have offsets.
//! - A partition without an offset, and a group that is not there, answer -1 and no error.
//! - An error of the group is each partition's in version 1, the answer's up to 7, then the group's.
//! - 7+: `require_stable` changes nothing: there are no transactions whose offsets could be open.
//! - 10: topics by id.

use std::collections::BTreeMap;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use duramen_protocol::kafka::messages::{OffsetFetchRequest, OffsetFetchResponse};

use crate::broker::catalog::Catalog;
use crate::shard::request::{Answer, Ask, Position};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::ask_offsets;
use super::partitions::TopicRef;

/// Where there is no offset.
const NONE: i64 = -1;

/// What was found of a group.
struct Found<'f> {
    group: &'f str,
    topics: Vec<FoundTopic>,
    error: ErrorCode,
}

/// A topic, and each partition with its offset or error.
struct FoundTopic {
    name: String,
    id: TopicId,
    partitions: Vec<(i32, Result<Option<Position>, ErrorCode>)>,
}

pub async fn handle(call: &Call<'_>, request: OffsetFetchRequest<'_>) -> Result<Reply, Ending> {
    let is_many = call.version() >= 8;
    let groups = if is_many { request.groups } else { vec![one_group(&request)] };
    let mut found = Vec::with_capacity(groups.len());
    for group in groups {
        found.push(find(call, group).await);
    }
    if is_many {
        let groups = found.iter().map(group_response).collect();
        return call.reply(&OffsetFetchResponse { groups, ..Default::default() });
    }
    let error_code = found.first().map_or(ErrorCode::NONE, |found| found.error);
    let topics = found.iter().flat_map(|found| &found.topics).map(topic_response).collect();
    call.reply(&OffsetFetchResponse { topics, error_code, ..Default::default() })
}

/// The request of a version that has only one, as one of several.
fn one_group<'f>(request: &OffsetFetchRequest<'f>) -> OffsetFetchRequestGroup<'f> {
    let topics = request.topics.as_ref().map(|topics| {
        let topic = |topic: &OffsetFetchRequestTopic<'f>| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes.clone(),
            ..Default::default()
        };
        topics.iter().map(topic).collect()
    });
    OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() }
}

async fn find<'f>(call: &Call<'_>, request: OffsetFetchRequestGroup<'f>) -> Found<'f> {
    let group = request.group_id;
    let catalog = call.local.catalog();
    let wanted = request.topics.map(|topics| {
        let found = |topic| found_topic(call.version(), &catalog, topic);
        topics.into_iter().map(found).collect::<Vec<FoundTopic>>()
    });
    let fetch = |key| Ask::FetchOffsets { key, group: group.to_owned(), partitions: None };
    let (positions, error) = match ask_offsets(call, group, fetch).await {
        Ok(Answer::Positions(positions)) => (positions, ErrorCode::NONE),
        Ok(other) => unreachable!("offsets were asked for, and {other:?} came"),
        Err((code, _)) => (Vec::new(), code),
    };
    let topics = match wanted {
        None => all_topics(&catalog, positions),
        Some(mut topics) => {
            fill_in(&mut topics, positions, error);
            topics
        }
    };
    Found { group, topics, error }
}

fn found_topic(version: i16, catalog: &Catalog, topic: OffsetFetchRequestTopics<'_>) -> FoundTopic {
    let known = TopicRef::by_version(version, 10, topic.name, topic.topic_id).find(catalog);
    let partition = |&number: &i32| match known {
        // A name that is not there has no offsets, an id must be one.
        Err(ErrorCode::UNKNOWN_TOPIC_ID) => (number, Err(ErrorCode::UNKNOWN_TOPIC_ID)),
        _ => (number, Ok(None)),
    };
    FoundTopic {
        name: known.map_or(topic.name, |topic| &topic.name).to_owned(),
        id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(partition).collect(),
    }
}

/// The offsets of what was asked for.
fn fill_in(topics: &mut [FoundTopic], positions: Vec<Position>, error: ErrorCode) {
    let by_place: BTreeMap<(String, u32), Position> = positions
        .into_iter()
        .map(|position| ((position.topic.clone(), position.partition), position))
        .collect();
    for FoundTopic { name, partitions, .. } in topics {
        for (number, found) in partitions.iter_mut().filter(|(_, found)| found.is_ok()) {
            let place = u32::try_from(*number).map(|number| (name.clone(), number));
            let position = place.ok().and_then(|place| by_place.get(&place).cloned());
            *found = if error.is_ok() { Ok(position) } else { Err(error) };
        }
    }
}

fn all_topics(catalog: &Catalog, positions: Vec<Position>) -> Vec<FoundTopic> {
    let mut topics: Vec<FoundTopic> = Vec::new();
    for position in positions {
        let (name, number) = (position.topic.clone(), position.partition as i32);
        let entry = (number, Ok(Some(position)));
        match topics.last_mut().filter(|topic| topic.name == name) {
            Some(topic) => topic.partitions.push(entry),
            None => {
                let id = catalog.topic(&name).map_or(TopicId::ZERO, |topic| topic.id);
                topics.push(FoundTopic { name, id, partitions: vec![entry] });
            }
        }
    }
    topics
}

fn topic_response(topic: &FoundTopic) -> OffsetFetchResponseTopic<'_> {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for (number, found) in &topic.partitions {
        let (committed_offset, committed_leader_epoch, error_code) = told(found);
        partitions.push(OffsetFetchResponsePartition {
            partition_index: *number,
            committed_offset,
            committed_leader_epoch,
            metadata: Some(metadata(found)),
            error_code,
        });
    }
    OffsetFetchResponseTopic { name: &topic.name, partitions }
}

fn group_response<'f>(found: &'f Found<'_>) -> OffsetFetchResponseGroup<'f> {
    let partition = |(number, found): &'f (i32, Result<Option<Position>, ErrorCode>)| {
        let (committed_offset, committed_leader_epoch, error_code) = told(found);
        OffsetFetchResponsePartitions {
            partition_index: *number,
            committed_offset,
            committed_leader_epoch,
            metadata: Some(metadata(found)),
            error_code,
        }
    };
    let topic = |topic: &'f FoundTopic| OffsetFetchResponseTopics {
        name: &topic.name,
        topic_id: topic.id,
        partitions: topic.partitions.iter().map(partition).collect(),
    };
    // Where the group has an error there is nothing else to say.
    let topics = found.topics.iter().filter(|_| found.error.is_ok()).map(topic).collect();
    OffsetFetchResponseGroup { group_id: found.group, topics, error_code: found.error }
}

/// Offset, leader epoch and error of a partition.
fn told(found: &Result<Option<Position>, ErrorCode>) -> (i64, i32, ErrorCode) {
    match found {
        Ok(Some(position)) => (position.offset, position.leader_epoch, ErrorCode::NONE),
        Ok(None) => (NONE, -1, ErrorCode::NONE),
        Err(code) => (NONE, -1, *code),
    }
}

fn metadata(found: &Result<Option<Position>, ErrorCode>) -> &str {
    match found {
        Ok(Some(position)) => &position.metadata,
        _ => "",
    }
}
