//! Fetch sessions over the wire.

use duramen_protocol::batch::Codec;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::fetch::ForgottenTopic;
use duramen_protocol::kafka::messages::{FetchRequest, FetchResponse};
use tempfile::TempDir;

use crate::fetch::request;
use crate::support::kafka_wire::KafkaWire;
use crate::support::server::Server;
use crate::{batch, connect};

/// An answer: what is wrong, the session, and partition, high watermark and bytes of each partition.
type Answer = (ErrorCode, i32, Vec<(i32, i64, usize)>);

/// A fetch in a session, of partitions from offsets on.
fn fetch(wire: &mut KafkaWire, session: (i32, i32), partitions: &[(i32, i64)]) -> Answer {
    let request = request(partitions, 1 << 20);
    ask(wire, 12, &FetchRequest { session_id: session.0, session_epoch: session.1, ..request })
}

fn ask(wire: &mut KafkaWire, version: i16, request: &FetchRequest<'_>) -> Answer {
    wire.call(version, request, |answer: FetchResponse<'_>| {
        let mut partitions = Vec::new();
        for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            assert!(partition.error_code.is_ok(), "{partition:?}");
            let bytes = partition.records.bytes().expect("never null").len();
            partitions.push((partition.partition_index, partition.high_watermark, bytes));
        }
        (answer.error_code, answer.session_id, partitions)
    })
}

/// A connection to a server with a topic, and a session over its partitions, all of them empty.
fn begin() -> (KafkaWire, i32, (TempDir, Server)) {
    let (mut wire, server) = connect();
    wire.create("events", 4, &[]);
    let all = [(0, 0), (1, 0), (2, 0), (3, 0)];
    let (code, id, partitions) = fetch(&mut wire, (0, 0), &all);
    assert!(code.is_ok() && id > 0, "{code} {id}");
    assert_eq!(partitions, [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0)]);
    (wire, id, server)
}

#[test]
fn a_session_is_told_what_is_new() {
    let (mut wire, id, _server) = begin();
    let one = batch(Codec::None, &["a"]);
    assert_eq!(fetch(&mut wire, (id, 1), &[]), (ErrorCode::NONE, id, vec![]));
    wire.produce("events", 2, &one);
    let news = vec![(2, 1, one.len())];
    assert_eq!(fetch(&mut wire, (id, 2), &[]), (ErrorCode::NONE, id, news.clone()));
    assert_eq!(fetch(&mut wire, (id, 3), &[]), (ErrorCode::NONE, id, news), "not read on yet");
    assert_eq!(fetch(&mut wire, (id, 4), &[(2, 1)]), (ErrorCode::NONE, id, vec![]));
    for partition in [0, 2] {
        wire.produce("events", partition, &one);
    }
    let (code, _, mut news) = fetch(&mut wire, (id, 5), &[]);
    news.sort_unstable();
    assert_eq!((code, news), (ErrorCode::NONE, vec![(0, 1, one.len()), (2, 2, one.len())]));
}

/// It waits for what is new anywhere in the session.
#[test]
fn a_session_waits_for_all_of_its_partitions() {
    let (mut wire, id, (_dir, server)) = begin();
    let mut producer = KafkaWire::connect(server.kafka[1]);
    let one = batch(Codec::None, &["a"]);
    let named: [&[(i32, i64)]; 2] = [&[], &[(3, 1)]];
    for ((epoch, partition), named) in [(1, 3), (2, 0)].into_iter().zip(named) {
        let waiting = FetchRequest {
            max_wait_ms: 50_000,
            session_id: id,
            session_epoch: epoch,
            ..request(named, 1 << 20)
        };
        let number = wire.send(12, &waiting);
        producer.produce("events", partition, &one);
        let frame = wire.receive().unwrap();
        let answer: FetchResponse<'_> = KafkaWire::answer(&frame, number, 12);
        let told = answer.responses.iter().flat_map(|topic| &topic.partitions);
        assert_eq!(told.map(|told| told.partition_index).collect::<Vec<_>>(), [partition]);
    }
}

#[test]
fn partitions_leave_a_session_and_a_session_ends() {
    let (mut wire, id, _server) = begin();
    let one = batch(Codec::None, &["a"]);
    for partition in 0..4 {
        wire.produce("events", partition, &one);
    }
    let forgotten =
        vec![ForgottenTopic { topic: "events", partitions: vec![0, 1, 2], ..Default::default() }];
    let forget = FetchRequest {
        session_id: id,
        session_epoch: 1,
        topics: Vec::new(),
        forgotten_topics_data: forgotten,
        ..request(&[], 1 << 20)
    };
    let left = (ErrorCode::NONE, id, vec![(3, 1, one.len())]);
    assert_eq!(ask(&mut wire, 12, &forget), left);
    let (code, none, all) = fetch(&mut wire, (id, -1), &[(1, 0)]);
    assert_eq!((code, none, all), (ErrorCode::NONE, 0, vec![(1, 1, one.len())]));
    let gone = (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0, vec![]);
    assert_eq!(fetch(&mut wire, (id, 2), &[]), gone);
}

#[test]
fn a_session_that_is_out_of_step_begins_anew() {
    let (mut wire, id, _server) = begin();
    let out_of_step = (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 0, vec![]);
    assert_eq!(fetch(&mut wire, (id, 2), &[]), out_of_step);
    let unknown = (ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0, vec![]);
    assert_eq!(fetch(&mut wire, (id ^ 1, 1), &[]), unknown);
    let by_id = FetchRequest { session_id: id, session_epoch: 1, ..FetchRequest::default() };
    let mixed = (ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR, 0, vec![]);
    assert_eq!(ask(&mut wire, 13, &by_id), mixed);
    let (code, again, all) = fetch(&mut wire, (id, 0), &[(0, 0)]);
    assert!(code.is_ok() && again > 0 && again != id && all.len() == 1, "{code} {again}");
    assert_eq!(fetch(&mut wire, (0, -1), &[(0, 0)]).1, 0, "whoever wants none gets none");
}
