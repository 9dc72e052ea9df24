//! Metadata, versions 0 to 13: the brokers, the topics, and who leads their partitions.
//!
//! - All topics: null, in version 0 an empty list. From 12 on also by id: a name that stands beside
//!   one does not count, and the Java client puts an empty one there.
//! - A topic that is not there is made, where the server (`auto.create.topics.enable`) and from 4
//!   on the client allow it, and is in the answer at once, ready to be used.
//! - Each partition has one replica, which leads: the node of the core that owns it. The leader
//!   epoch rises with each start of the server.
//! - The controller is node 0, though every node takes administrative requests.
//! - 8+: whoever asks which operations he may do is told all: nobody is kept from anything yet.

use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::metadata::{
    MetadataRequestTopic, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use duramen_protocol::kafka::messages::{MetadataRequest, MetadataResponse};

use crate::broker::catalog::Topic;
use crate::config::topic_name::check_topic_name;

use super::Ending;
use super::call::{Call, Reply};

/// The node that is named as the controller.
pub const CONTROLLER: i32 = 0;
/// Bits of the operations on a topic: read, write, create, delete, alter, describe, and describe
/// and alter its configuration.
pub const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// Bits of the operations on the cluster: create, alter, describe, act as a broker, describe and
/// alter configurations, write idempotently.
pub const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// What is known of a topic that was asked about.
enum Found {
    Topic(Arc<Topic>),
    NoName(String, ErrorCode),
    NoId(TopicId),
}

pub async fn handle(call: &Call<'_>, request: MetadataRequest<'_>) -> Result<Reply, Ending> {
    let may_create = request.allow_auto_topic_creation;
    let found = match request.topics {
        None => all(call),
        Some(topics) if topics.is_empty() && call.version() == 0 => all(call),
        Some(topics) => {
            let mut found = Vec::with_capacity(topics.len());
            for topic in topics {
                found.push(find(call, &topic, may_create).await);
            }
            found
        }
    };
    let brokers = call.brokers();
    let cluster_id = call.cluster_id();
    let topic_operations = match request.include_topic_authorized_operations {
        true => TOPIC_OPERATIONS,
        false => i32::MIN,
    };
    let cluster_operations = match request.include_cluster_authorized_operations {
        true => CLUSTER_OPERATIONS,
        false => i32::MIN,
    };
    call.reply(&MetadataResponse {
        brokers: brokers
            .iter()
            .map(|broker| MetadataResponseBroker {
                node_id: broker.node_id,
                host: &broker.host,
                port: i32::from(broker.port),
                rack: None,
            })
            .collect(),
        cluster_id: Some(&cluster_id),
        controller_id: CONTROLLER,
        topics: found.iter().map(|found| describe(call, found, topic_operations)).collect(),
        cluster_authorized_operations: cluster_operations,
        ..Default::default()
    })
}

fn all(call: &Call<'_>) -> Vec<Found> {
    call.local.catalog().topics().cloned().map(Found::Topic).collect()
}

async fn find(call: &Call<'_>, asked: &MetadataRequestTopic<'_>, may_create: bool) -> Found {
    let catalog = call.local.catalog();
    let Some(name) = asked.name.filter(|_| asked.topic_id.is_zero()) else {
        let topic = catalog.topic_by_id(asked.topic_id).cloned();
        return topic.map_or(Found::NoId(asked.topic_id), Found::Topic);
    };
    if let Some(topic) = catalog.topic(name) {
        return Found::Topic(topic.clone());
    }
    if check_topic_name(name).is_err() {
        return Found::NoName(name.to_owned(), ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    if !may_create {
        return Found::NoName(name.to_owned(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    match call.create_on_demand(name).await {
        Ok(topic) => Found::Topic(topic),
        Err(refusal) => Found::NoName(name.to_owned(), refusal.code.for_kafka()),
    }
}

fn describe<'f>(call: &Call<'_>, found: &'f Found, operations: i32) -> MetadataResponseTopic<'f> {
    let unknown = MetadataResponseTopic { name: Some(""), ..Default::default() };
    match found {
        Found::NoName(name, error_code) => {
            MetadataResponseTopic { error_code: *error_code, name: Some(name), ..unknown }
        }
        Found::NoId(topic_id) => MetadataResponseTopic {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            topic_id: *topic_id,
            name: (call.version() < 12).then_some(""),
            ..unknown
        },
        Found::Topic(topic) => MetadataResponseTopic {
            error_code: ErrorCode::NONE,
            name: Some(&topic.name),
            topic_id: topic.id,
            is_internal: topic.is_internal(),
            partitions: (0..topic.partitions)
                .map(|number| partition(call, topic, number))
                .collect(),
            topic_authorized_operations: operations,
        },
    }
}

fn partition(call: &Call<'_>, topic: &Topic, number: u32) -> MetadataResponsePartition {
    let leader_id = call.leader(topic.id, number);
    MetadataResponsePartition {
        error_code: ErrorCode::NONE,
        partition_index: number as i32,
        leader_id,
        leader_epoch: call.leader_epoch(),
        replica_nodes: vec![leader_id],
        isr_nodes: vec![leader_id],
        offline_replicas: Vec::new(),
    }
}
