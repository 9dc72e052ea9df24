//! Topics: made, removed, and where their partitions are and end.
//!
//! Brokers learn of a topic one after the other: who makes one waits until each partition has a
//! leader that serves it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::ApiKey;
use duramen_protocol::kafka::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use duramen_protocol::kafka::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use duramen_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use duramen_protocol::kafka::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse,
};

use super::connection::{Connection, expect_ok};
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::wire::PATIENCE;

/// How long the broker may take to make or remove a topic.
const TIMEOUT_MS: i32 = 30_000;
/// Between two looks whether a topic is served.
const LOOK: Duration = Duration::from_millis(20);
/// Asks for the offset after the last record that can be read.
const END: i64 = -1;
/// Of this version on -1 stands for the broker's default of replicas.
const DEFAULT_REPLICAS_SINCE: i16 = 4;
/// Of this version on topics to remove are structs and no names.
const DELETE_BY_STRUCT_SINCE: i16 = 6;

/// A topic as a broker describes it.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// Zeros where the broker has no ids.
    pub(crate) id: TopicId,
    /// Where each partition's leader is.
    pub(crate) leaders: Vec<SocketAddr>,
}

/// Makes a topic, and waits until all of it is served.
///
/// # Errors
/// When there is one of that name, or the broker refuses.
pub(crate) fn create(
    address: SocketAddr,
    topic: &str,
    partitions: u32,
    configs: &[(&str, &str)],
) -> Result<()> {
    let mut controller = connect_to_controller(address)?;
    let version = controller.versions().common(ApiKey::CreateTopics)?;
    let config = |&(name, value)| CreatableTopicConfig { name, value: Some(value) };
    let asked = CreatableTopic {
        name: topic,
        num_partitions: partitions as i32,
        replication_factor: if version >= DEFAULT_REPLICAS_SINCE { -1 } else { 1 },
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![asked], timeout_ms: TIMEOUT_MS, validate_only: false };
    let answer = controller.call(&request)?;
    let Some(made) = answer.topics.first() else {
        return Err(BenchError::Connection("CreateTopics was answered with no topic".into()));
    };
    let what = || format!("CreateTopics of {topic}");
    expect(made.error_code, made.error_message, what)?;
    wait_until_served(address, topic, partitions)
}

/// Removes a topic.
///
/// # Errors
/// When there is none, or the broker refuses.
pub(crate) fn delete(address: SocketAddr, topic: &str) -> Result<()> {
    let mut controller = connect_to_controller(address)?;
    let version = controller.versions().common(ApiKey::DeleteTopics)?;
    let state = DeleteTopicState { name: Some(topic), ..Default::default() };
    let request = match version >= DELETE_BY_STRUCT_SINCE {
        true => DeleteTopicsRequest { topics: vec![state], ..Default::default() },
        false => DeleteTopicsRequest { topic_names: vec![topic], ..Default::default() },
    };
    let answer = controller.call(&DeleteTopicsRequest { timeout_ms: TIMEOUT_MS, ..request })?;
    let what = || format!("DeleteTopics of {topic}");
    let removed = answer.responses.first();
    removed.map_or(Ok(()), |removed| expect(removed.error_code, removed.error_message, what))
}

/// A topic's id, and where its leaders are.
///
/// # Errors
/// When there is no such topic, or a partition without a leader.
pub(crate) fn describe(address: SocketAddr, topic: &str) -> Result<Described> {
    describe_on(&mut Connection::connect(address)?, topic)
}

/// The same over a connection that stands.
///
/// # Errors
/// As for [`describe`].
pub(super) fn describe_on(connection: &mut Connection, topic: &str) -> Result<Described> {
    let metadata = metadata(connection, Some(topic))?;
    let Some(found) = metadata.topics.iter().find(|found| found.name == Some(topic)) else {
        return Err(BenchError::Connection(format!("Metadata says nothing of {topic}")));
    };
    expect_ok(found.error_code, || format!("Metadata of {topic}"))?;
    let mut addresses = BTreeMap::new();
    let mut partitions: Vec<_> = found.partitions.iter().collect();
    partitions.sort_by_key(|partition| partition.partition_index);
    let mut leaders = Vec::with_capacity(partitions.len());
    for (due, partition) in (0..).zip(partitions) {
        let index = partition.partition_index;
        if index != due {
            let what = format!("Metadata of {topic} has partition {index}, and not {due}");
            return Err(BenchError::Connection(what));
        }
        expect_ok(partition.error_code, || format!("Metadata of {topic}-{index}"))?;
        let leader = match addresses.get(&partition.leader_id) {
            Some(&known) => known,
            None => broker_address(&metadata, partition.leader_id)?,
        };
        addresses.insert(partition.leader_id, leader);
        leaders.push(leader);
    }
    Ok(Described { id: found.topic_id, leaders })
}

/// The offset after the last record of each partition that can be read.
///
/// # Errors
/// When there is no such topic, or a partition is not served.
pub(crate) fn ends(address: SocketAddr, topic: &str) -> Result<Vec<i64>> {
    let leaders = describe(address, topic)?.leaders;
    let mut ends = vec![0; leaders.len()];
    let mut led: BTreeMap<SocketAddr, Vec<usize>> = BTreeMap::new();
    for (partition, leader) in leaders.into_iter().enumerate() {
        led.entry(leader).or_default().push(partition);
    }
    for (leader, partitions) in led {
        let asked = |&partition: &usize| ListOffsetsPartition {
            partition_index: partition as i32,
            timestamp: END,
            ..Default::default()
        };
        let asked =
            ListOffsetsTopic { name: topic, partitions: partitions.iter().map(asked).collect() };
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..Default::default() };
        let mut connection = Connection::connect(leader)?;
        let answer = connection.call(&request)?;
        let found: Vec<_> = answer.topics.iter().flat_map(|topic| &topic.partitions).collect();
        if found.len() != partitions.len() {
            let (n, of) = (found.len(), partitions.len());
            let what = format!("ListOffsets of {of} partitions of {topic} was answered for {n}");
            return Err(BenchError::Connection(what));
        }
        for end in found {
            let index = end.partition_index;
            expect_ok(end.error_code, || format!("ListOffsets of {topic}-{index}"))?;
            if let Some(place) = ends.get_mut(index as usize) {
                *place = end.offset;
            }
        }
    }
    Ok(ends)
}

/// Topics are made where the controller is; brokers of today pass such requests on, older ones
/// refuse them.
fn connect_to_controller(address: SocketAddr) -> Result<Connection> {
    let mut connection = Connection::connect(address)?;
    let metadata = metadata(&mut connection, None)?;
    match metadata.controller_id {
        -1 => Connection::connect(address),
        id => Connection::connect(broker_address(&metadata, id)?),
    }
}

/// Metadata of one topic, or of none.
fn metadata<'c>(
    connection: &'c mut Connection,
    topic: Option<&str>,
) -> Result<MetadataResponse<'c>> {
    let asked = |name| MetadataRequestTopic { name: Some(name), ..Default::default() };
    let topics = topic.into_iter().map(asked).collect();
    // Versions below 4 can't decline the making of topics: there only topics that are there are
    // asked for.
    let version = connection.versions().common(ApiKey::Metadata)?;
    let request = MetadataRequest {
        topics: Some(topics),
        allow_auto_topic_creation: version < 4,
        ..Default::default()
    };
    connection.call(&request)
}

fn broker_address(metadata: &MetadataResponse<'_>, id: i32) -> Result<SocketAddr> {
    let broker = metadata.brokers.iter().find(|broker| broker.node_id == id);
    let Some(broker) = broker else {
        // As while a leader is elected.
        let (what, said) = (format!("the address of node {id}"), String::new());
        return Err(BenchError::Broker { what, code: ErrorCode::LEADER_NOT_AVAILABLE, said });
    };
    let (host, port) = (broker.host, broker.port);
    let mut found = (host, port as u16)
        .to_socket_addrs()
        .tried(|| format!("cannot find {host}:{port}, where node {id} says it is"))?;
    let none = || BenchError::Connection(format!("{host}, where node {id} is, has no address"));
    found.next().ok_or_else(none)
}

/// Waits while the brokers learn of a topic.
fn wait_until_served(address: SocketAddr, topic: &str, partitions: u32) -> Result<()> {
    let since = Instant::now();
    loop {
        let served = ends(address, topic).map(|ends| ends.len());
        let is_early = match &served {
            Ok(served) if *served == partitions as usize => return Ok(()),
            Ok(_) => true,
            Err(BenchError::Broker { code, .. }) => is_early(*code),
            Err(_) => false,
        };
        if !is_early || since.elapsed() > PATIENCE {
            let served = served?;
            let what = format!("{served} of {partitions} partitions of {topic} are served");
            return Err(BenchError::Connection(what));
        }
        std::thread::sleep(LOOK);
    }
}

/// What a broker says that does not know yet what another one does.
fn is_early(code: ErrorCode) -> bool {
    [
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::LEADER_NOT_AVAILABLE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::OFFSET_NOT_AVAILABLE,
    ]
    .contains(&code)
}

/// As [`expect_ok`], with the broker's message where there is one.
pub(super) fn expect(
    code: ErrorCode,
    message: Option<&str>,
    what: impl FnOnce() -> String,
) -> Result<()> {
    if code.is_ok() {
        return Ok(());
    }
    let said = message.map_or(String::new(), |message| format!(": {message}"));
    Err(BenchError::Broker { what: what(), code, said })
}
