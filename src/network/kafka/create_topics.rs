//! CreateTopics, versions 2 to 7: makes topics.
//!
//! - Partitions -1: the server's `num.partitions`. Replication factor -1 or 1: there is one
//!   machine, so anything else is INVALID_REPLICATION_FACTOR, with that reason.
//! - An assignment of replicas can't be followed, since a hash places partitions: it is
//!   INVALID_REPLICA_ASSIGNMENT unless it names one existing broker a partition, numbered from 0;
//!   then its count is the topic's and its places are passed over.
//! - Topics are made one after the other, each durable and known to all cores before the answer;
//!   one that is refused does not keep the others. A name that stands in the request twice is
//!   INVALID_REQUEST.
//! - `validate_only`: the same checks, and nothing is made.
//! - 5+: the answer has the topic's configurations. 7+: its id.

use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult,
};
use duramen_protocol::kafka::messages::{CreateTopicsRequest, CreateTopicsResponse};

use crate::broker::Refusal;
use crate::broker::catalog::{Created, NewTopic, Topic};
use crate::network::mailbox::{Change, Changed};

use super::Ending;
use super::call::{Call, Reply};
use super::configs::{self, Row};

/// The server's default, of partitions and replicas.
const DEFAULT: i32 = -1;
/// An id for a topic that is only checked.
const CHECKED_ONLY: TopicId = TopicId([0xff; 16]);

pub async fn handle(call: &Call<'_>, request: CreateTopicsRequest<'_>) -> Result<Reply, Ending> {
    let mut made = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let times = request.topics.iter().filter(|other| other.name == topic.name).count();
        made.push(match times {
            1 => create(call, topic, request.validate_only).await,
            _ => Err(Refusal {
                code: ErrorCode::INVALID_REQUEST,
                message: format!("the topic {:?} stands in the request twice", topic.name),
            }),
        });
    }
    let rows: Vec<Vec<Row>> = made
        .iter()
        .map(|made| made.as_ref().map(|topic| configs::of_topic(topic)).unwrap_or_default())
        .collect();
    let mut results = Vec::with_capacity(made.len());
    for ((topic, made), rows) in request.topics.iter().zip(&made).zip(&rows) {
        results.push(match made {
            Ok(made) => describe(topic.name, made, rows, request.validate_only),
            Err(refusal) => CreatableTopicResult {
                name: topic.name,
                error_code: refusal.code.for_kafka(),
                error_message: Some(&refusal.message),
                configs: Some(Vec::new()),
                ..Default::default()
            },
        });
    }
    call.reply(&CreateTopicsResponse { topics: results, ..Default::default() })
}

fn describe<'r>(
    name: &'r str,
    topic: &Topic,
    rows: &'r [Row],
    only_checked: bool,
) -> CreatableTopicResult<'r> {
    let config = |row: &'r Row| CreatableTopicConfigs {
        name: row.name,
        value: row.value.as_deref(),
        read_only: row.read_only,
        config_source: row.source,
        is_sensitive: false,
    };
    CreatableTopicResult {
        name,
        topic_id: if only_checked { TopicId([0; 16]) } else { topic.id },
        num_partitions: topic.partitions as i32,
        replication_factor: 1,
        configs: Some(rows.iter().map(config).collect()),
        ..Default::default()
    }
}

async fn create(
    call: &Call<'_>,
    asked: &CreatableTopic<'_>,
    only_check: bool,
) -> Result<Arc<Topic>, Refusal> {
    let partitions = partitions(call, asked)?;
    check_replication(asked)?;
    let configs = asked.configs.iter().filter_map(|config| {
        // As in Kafka, a configuration without a value is at its default.
        Some((config.name.to_owned(), config.value?.to_owned()))
    });
    let configs = configs::effective(configs)?;
    let name = asked.name.to_owned();
    if only_check {
        let new = NewTopic { name: &name, partitions, configs: &configs, if_not_exists: false };
        let limits = &call.settings.topic_limits;
        return match call.local.catalog().create_topic(&new, CHECKED_ONLY, limits)? {
            Created::Existing(topic) => Ok(topic),
            Created::New(catalog) => catalog.known_topic(&name).cloned(),
        };
    }
    let change = Change::CreateTopic { name, partitions, configs, if_not_exists: false };
    match call.local.mailboxes.change(change).await? {
        Changed::Topic(topic, _) => Ok(topic),
        other => unreachable!("the keeper of the catalog answered {other:?}"),
    }
}

fn partitions(call: &Call<'_>, asked: &CreatableTopic<'_>) -> Result<u32, Refusal> {
    let invalid = |code, message: &str| Refusal { code, message: message.to_owned() };
    if !asked.assignments.is_empty() {
        let brokers = call.settings.listeners.len() as i32;
        let is_known = |id: &i32| (0..brokers).contains(id);
        let mut numbers: Vec<i32> = asked.assignments.iter().map(|a| a.partition_index).collect();
        numbers.sort_unstable();
        let is_whole = numbers.into_iter().eq(0..asked.assignments.len() as i32);
        let one_each = |ids: &[i32]| ids.len() == 1 && ids.iter().all(is_known);
        if is_whole && asked.assignments.iter().all(|a| one_each(&a.broker_ids)) {
            return Ok(asked.assignments.len() as u32);
        }
        return Err(invalid(
            ErrorCode::INVALID_REPLICA_ASSIGNMENT,
            "a partition has one replica, on a broker that there is, and partitions are numbered \
             from 0 on",
        ));
    }
    match asked.num_partitions {
        DEFAULT => Ok(call.settings.default_partitions),
        partitions => u32::try_from(partitions).ok().filter(|&n| n > 0).ok_or_else(|| {
            invalid(ErrorCode::INVALID_PARTITIONS, "a topic has one partition at least")
        }),
    }
}

fn check_replication(asked: &CreatableTopic<'_>) -> Result<(), Refusal> {
    match asked.replication_factor {
        -1 | 1 => Ok(()),
        factor => Err(Refusal {
            code: ErrorCode::INVALID_REPLICATION_FACTOR,
            message: format!(
                "a replication factor of {factor}: the server is one machine, all of whose brokers \
                 share its disk, so it is 1, or -1 for the default"
            ),
        }),
    }
}
