//! A cluster of two brokers in memory, for tests: as strict as Kafka where it matters, and with
//! [`Manners`] that a load has to notice.
//!
//! Partition p is led by node p mod 2, which alone serves it; node 1 is the controller, which alone
//! makes and removes topics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchHeader, stamp};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::{api_versions::*, create_topics::*, delete_topics::*};
use duramen_protocol::kafka::messages::{fetch::*, list_offsets::*, metadata::*, produce::*};
use duramen_protocol::kafka::{ApiKey, Frames, Message, Records, RequestHeader};
use duramen_protocol::wire::Reader;

/// What the brokers do besides their duty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manners {
    /// They know no more than Kafka 2.0.
    pub(super) are_old: bool,
    /// They know no Produce that we know.
    pub(super) are_foreign: bool,
    /// What every batch of this partition is answered with.
    pub(super) refuse: Option<(i32, ErrorCode)>,
    /// They acknowledge the batches of this partition but for the first, and forget them.
    pub(super) forget: Option<i32>,
    /// They leave out the second batch when they are asked for more than one.
    pub(super) skip: bool,
    /// So often they say that they do not know a topic that was just made.
    pub(super) learn_after: usize,
}

/// The versions of Kafka 2.0.
const OLD: &[(ApiKey, i16)] = &[
    (ApiKey::ApiVersions, 2),
    (ApiKey::Metadata, 6),
    (ApiKey::CreateTopics, 3),
    (ApiKey::DeleteTopics, 2),
    (ApiKey::ListOffsets, 3),
    (ApiKey::Produce, 6),
    (ApiKey::Fetch, 8),
];

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, Topic>,
    made: u8,
    asked_early: usize,
}

#[derive(Debug)]
struct Topic {
    id: TopicId,
    /// Batches as they lie in the log, and where each ends.
    partitions: Vec<Vec<(Vec<u8>, i64)>>,
}

/// The cluster. Its threads end with the process.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    nodes: [SocketAddr; 2],
    manners: Manners,
    state: Arc<Mutex<State>>,
}

impl Cluster {
    pub(super) fn start(manners: Manners) -> Cluster {
        let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let nodes = [0, 1].map(|node: usize| listeners[node].local_addr().unwrap());
        let cluster = Cluster { nodes, manners, state: Arc::default() };
        for (node, listener) in (0..).zip(listeners) {
            let cluster = cluster.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let cluster = cluster.clone();
                    std::thread::spawn(move || cluster.serve(node, &mut stream.unwrap()));
                }
            });
        }
        cluster
    }

    /// Where node 0 is.
    pub(super) fn address(&self) -> SocketAddr {
        self.nodes[0]
    }

    pub(super) fn topics(&self) -> Vec<String> {
        self.state().topics.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, node: i32, stream: &mut TcpStream) {
        let mut length = [0; 4];
        while stream.read_exact(&mut length).is_ok() {
            let mut request = vec![0; i32::from_be_bytes(length) as usize];
            stream.read_exact(&mut request).unwrap();
            let mut from = Reader::new(&request);
            let header = RequestHeader::decode(&mut from).unwrap();
            let api = ApiKey::from_number(header.api_key).unwrap();
            assert!(header.api_version <= self.newest(api), "{header:?}");
            let mut frames = Frames::default();
            self.answer(node, &header, from, api, &mut frames);
            stream.write_all(frames.bytes()).unwrap();
        }
    }

    fn newest(&self, api: ApiKey) -> i16 {
        let old = OLD.iter().find(|row| row.0 == api).unwrap().1;
        if self.manners.are_old { old } else { *api.versions().end() }
    }

    fn answer(
        &self,
        node: i32,
        header: &RequestHeader<'_>,
        mut from: Reader<'_>,
        api: ApiKey,
        out: &mut Frames,
    ) {
        let RequestHeader { api_version: version, correlation_id: id, .. } = *header;
        macro_rules! handle {
            ($request:ident, $handle:expr) => {{
                let request = $request::decode(&mut from, version).unwrap();
                assert!(from.is_empty(), "{} bytes behind {request:?}", from.remaining());
                let mut state = self.state();
                let answer = $handle(&mut *state, &request);
                out.push_response(id, version, &answer).unwrap();
            }};
        }
        match api {
            ApiKey::ApiVersions => handle!(ApiVersionsRequest, |_: &mut _, _: &_| self.versions()),
            ApiKey::Metadata => {
                handle!(MetadataRequest, |state, asked| self.metadata(state, asked))
            }
            ApiKey::CreateTopics => {
                handle!(CreateTopicsRequest, |state, asked| create(state, node, version, asked))
            }
            ApiKey::DeleteTopics => {
                handle!(DeleteTopicsRequest, |state, asked| delete(state, node, version, asked))
            }
            ApiKey::ListOffsets => {
                handle!(ListOffsetsRequest, |state, asked| self.ends(state, node, asked))
            }
            ApiKey::Fetch => {
                handle!(FetchRequest, |state, asked| self.fetch(state, node, version, asked))
            }
            ApiKey::Produce => {
                let request = ProduceRequest::decode(&mut from, version).unwrap();
                let answer = self.produce(&mut self.state(), node, version, &request);
                if request.acks != 0 {
                    out.push_response(id, version, &answer).unwrap();
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn versions(&self) -> ApiVersionsResponse<'static> {
        let row = |&(api, _): &(ApiKey, i16)| ApiVersion {
            api_key: api.number(),
            min_version: if self.manners.are_foreign && api == ApiKey::Produce { 99 } else { 0 },
            max_version: self.newest(api) + if self.manners.are_old { 0 } else { 99 },
        };
        ApiVersionsResponse { api_keys: OLD.iter().map(row).collect(), ..Default::default() }
    }

    fn metadata<'s>(&self, state: &'s State, asked: &MetadataRequest<'_>) -> MetadataResponse<'s> {
        let broker = |(node_id, address): (i32, &SocketAddr)| MetadataResponseBroker {
            node_id,
            host: "localhost",
            port: address.port().into(),
            rack: None,
        };
        let asked = asked.topics.iter().flatten().filter_map(|topic| topic.name);
        let known = asked.filter_map(|name| state.topics.get_key_value(name));
        let topic = |(name, topic): (&'s String, &Topic)| MetadataResponseTopic {
            name: Some(name),
            topic_id: topic.id,
            // The last one first: nobody promises an order.
            partitions: (0..topic.partitions.len() as i32).rev().map(led).collect(),
            ..Default::default()
        };
        MetadataResponse {
            brokers: (0..).zip(&self.nodes).map(broker).collect(),
            controller_id: 1,
            topics: known.map(topic).collect(),
            ..Default::default()
        }
    }

    fn ends<'q>(
        &self,
        state: &mut State,
        node: i32,
        asked: &ListOffsetsRequest<'q>,
    ) -> ListOffsetsResponse<'q> {
        state.asked_early += 1;
        let is_early = state.asked_early <= self.manners.learn_after;
        let topic = &asked.topics[0];
        let end = |asked: &ListOffsetsPartition| ListOffsetsPartitionResponse {
            partition_index: asked.partition_index,
            error_code: match is_early {
                true => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                false => leads(node, asked.partition_index),
            },
            offset: end(&state.topics[topic.name].partitions[asked.partition_index as usize]),
            ..Default::default()
        };
        let partitions = topic.partitions.iter().map(end).collect();
        let topics = vec![ListOffsetsTopicResponse { name: topic.name, partitions }];
        ListOffsetsResponse { topics, ..Default::default() }
    }

    fn produce<'q>(
        &self,
        state: &mut State,
        node: i32,
        version: i16,
        asked: &ProduceRequest<'q>,
    ) -> ProduceResponse<'q> {
        let [TopicProduceData { name, topic_id, partition_data }] = &asked.topic_data[..] else {
            panic!("{asked:?}")
        };
        let topic = find(state, version >= 13, name, *topic_id);
        let [PartitionProduceData { index, records }] = partition_data[..] else {
            panic!("{partition_data:?}")
        };
        let log = &mut topic.partitions[index as usize];
        let refused = self.manners.refuse.filter(|(refused, _)| *refused == index);
        let base_offset = end(log);
        let mut batch = records.bytes().unwrap().to_vec();
        stamp(&mut batch, base_offset, 0);
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!(header.length as usize + 12, batch.len(), "one whole batch");
        let error_code = refused.map_or(leads(node, index), |(_, code)| code);
        let forgets = self.manners.forget == Some(index) && !log.is_empty();
        if error_code.is_ok() && !forgets {
            log.push((batch, base_offset + i64::from(header.last_offset_delta) + 1));
        }
        let answer = PartitionProduceResponse {
            index,
            error_code,
            base_offset,
            error_message: refused.map(|_| "says the fake"),
            ..Default::default()
        };
        let responses = vec![TopicProduceResponse {
            name,
            topic_id: *topic_id,
            partition_responses: vec![answer],
        }];
        ProduceResponse { responses, ..Default::default() }
    }

    fn fetch<'s>(
        &self,
        state: &'s mut State,
        node: i32,
        version: i16,
        asked: &FetchRequest<'s>,
    ) -> FetchResponse<'s> {
        let FetchTopic { topic: name, topic_id, partitions } = &asked.topics[0];
        let topic: &'s Topic = find(state, version >= 13, name, *topic_id);
        let partition = |asked: &FetchPartition| {
            let log = &topic.partitions[asked.partition as usize];
            let from = log.iter().position(|(_, end)| *end > asked.fetch_offset);
            let batches = from.map_or(&[][..], |from| &log[from..]);
            let skipped = |i: &usize| self.manners.skip && batches.len() > 1 && *i == 1;
            let batches = batches.iter().enumerate().filter(|(i, _)| !skipped(i));
            let mut bytes: Vec<u8> = Vec::new();
            for (i, (_, (batch, _))) in batches.enumerate() {
                let room = (asked.partition_max_bytes as usize).saturating_sub(bytes.len());
                let room = if i == 0 { batch.len() } else { room.min(batch.len()) };
                bytes.extend_from_slice(&batch[..room]);
            }
            PartitionData {
                partition_index: asked.partition,
                error_code: leads(node, asked.partition),
                high_watermark: end(log),
                // A test's brokers may leak what they say.
                records: Records::Bytes(bytes.leak()),
                ..Default::default()
            }
        };
        let partitions = partitions.iter().map(partition).collect();
        let responses =
            vec![FetchableTopicResponse { topic: name, topic_id: *topic_id, partitions }];
        FetchResponse { responses, ..Default::default() }
    }
}

fn led(partition_index: i32) -> MetadataResponsePartition {
    MetadataResponsePartition {
        partition_index,
        leader_id: partition_index % 2,
        ..Default::default()
    }
}

fn leads(node: i32, partition: i32) -> ErrorCode {
    if partition % 2 == node { ErrorCode::NONE } else { ErrorCode::NOT_LEADER_OR_FOLLOWER }
}

fn controls(node: i32) -> ErrorCode {
    if node == 1 { ErrorCode::NONE } else { ErrorCode::NOT_CONTROLLER }
}

fn end(log: &[(Vec<u8>, i64)]) -> i64 {
    log.last().map_or(0, |(_, end)| *end)
}

/// By name or by id, as the version has it.
fn find<'s>(state: &'s mut State, by_id: bool, name: &str, id: TopicId) -> &'s mut Topic {
    let is_asked = |(known, topic): &(&String, &mut Topic)| match by_id {
        true => topic.id == id,
        false => *known == name,
    };
    state.topics.iter_mut().find(is_asked).expect("a topic that is there").1
}

fn create<'q>(
    state: &mut State,
    node: i32,
    version: i16,
    asked: &CreateTopicsRequest<'q>,
) -> CreateTopicsResponse<'q> {
    let topic = &asked.topics[0];
    assert_eq!(topic.replication_factor, if version >= 4 { -1 } else { 1 });
    let error_code = controls(node);
    if error_code.is_ok() {
        state.made += 1;
        let partitions = vec![Vec::new(); topic.num_partitions as usize];
        state.topics.insert(topic.name.into(), Topic { id: TopicId([state.made; 16]), partitions });
    }
    let made = CreatableTopicResult { name: topic.name, error_code, ..Default::default() };
    CreateTopicsResponse { topics: vec![made], ..Default::default() }
}

fn delete<'q>(
    state: &mut State,
    node: i32,
    version: i16,
    asked: &DeleteTopicsRequest<'q>,
) -> DeleteTopicsResponse<'q> {
    let name = match version >= 6 {
        true => asked.topics[0].name.unwrap(),
        false => asked.topic_names[0],
    };
    let error_code = controls(node);
    if error_code.is_ok() {
        state.topics.remove(name);
    }
    let removed = DeletableTopicResult { name: Some(name), error_code, ..Default::default() };
    DeleteTopicsResponse { responses: vec![removed], ..Default::default() }
}
