//! What a produce is answered with: each as Kafka's own broker answers it.

use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
};

use crate::support::kafka_wire::{KafkaWire, produce_request};
use crate::support::server::{Server, serve};
use crate::{batch, connect, kafka_server};

fn of_producer(producer_id: i64, epoch: i16, sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.set_producer(producer_id, epoch, sequence);
    builder.append(1_700_000_000_000, None, Some(b"once"), &[]).unwrap();
    builder.finish().unwrap()
}

#[test]
fn batches_that_are_wrong_get_kafkas_codes() {
    let (mut wire, _server) = connect();
    let good = batch(Codec::None, &["a", "b"]);
    assert_eq!(wire.produce("events", 0, &good), (ErrorCode::NONE, 0), "the topic is made");
    let mut old = good.clone();
    old[16] = 1;
    let mut torn = good.clone();
    *torn.last_mut().unwrap() ^= 1;
    for (wrong, code) in [
        (Vec::new(), ErrorCode::INVALID_RECORD),
        ([&good[..], &good[..]].concat(), ErrorCode::INVALID_RECORD),
        (old, ErrorCode::INVALID_RECORD),
        (torn, ErrorCode::CORRUPT_MESSAGE),
        (batch(Codec::None, &[&"x".repeat(1_200_000)]), ErrorCode::MESSAGE_TOO_LARGE),
    ] {
        assert_eq!(wire.produce("events", 0, &wrong), (code, -1));
    }
    for (topic, partition) in [("events", 1), ("events", -1), ("a b", 0), ("__cluster_metadata", 0)]
    {
        let unknown = (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1);
        assert_eq!(wire.produce(topic, partition, &good), unknown, "{topic} {partition}");
    }
    assert_eq!(wire.produce("events", 0, &good), (ErrorCode::NONE, 2), "nothing was appended");
}

#[test]
fn requests_that_are_wrong_get_kafkas_codes() {
    let (mut wire, _server) = connect();
    let (good, zstd) = (batch(Codec::None, &["a"]), batch(Codec::Zstd, &["a"]));
    let request = produce_request("events", 0, &good);
    let mut by_id = request.clone();
    by_id.topic_data[0].topic_id = TopicId([9; 16]);
    let acks = ProduceRequest { acks: 7, ..request.clone() };
    let transactional = ProduceRequest { transactional_id: Some("t"), ..request.clone() };
    for (version, request, code) in [
        (3, &request, ErrorCode::NONE),
        (0, &request, ErrorCode::UNSUPPORTED_VERSION),
        (2, &request, ErrorCode::UNSUPPORTED_VERSION),
        (9, &acks, ErrorCode::INVALID_REQUIRED_ACKS),
        (6, &produce_request("events", 0, &zstd), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE),
        (7, &produce_request("events", 0, &zstd), ErrorCode::NONE),
        (9, &transactional, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        (13, &by_id, ErrorCode::UNKNOWN_TOPIC_ID),
    ] {
        let got = wire.call(version, request, |answer: ProduceResponse<'_>| {
            answer.responses[0].partition_responses[0].error_code
        });
        assert_eq!(got, code, "version {version}");
    }
}

#[test]
fn producers_are_idempotent_over_kafkas_protocol() {
    let (mut wire, _server) = connect();
    let allocate = |wire: &mut KafkaWire| {
        let request = InitProducerIdRequest::default();
        wire.call(4, &request, |answer: InitProducerIdResponse| {
            assert_eq!((answer.error_code, answer.producer_epoch), (ErrorCode::NONE, 0));
            answer.producer_id
        })
    };
    let id = allocate(&mut wire);
    assert_ne!(id, allocate(&mut wire));
    for (epoch, sequence, code, offset) in [
        (0, 0, ErrorCode::NONE, 0),
        (0, 1, ErrorCode::NONE, 1),
        (0, 0, ErrorCode::NONE, 0),
        (0, 1, ErrorCode::NONE, 1),
        (0, 3, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1),
        (1, 5, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, -1),
        (1, 0, ErrorCode::NONE, 2),
        (0, 2, ErrorCode::INVALID_PRODUCER_EPOCH, -1),
    ] {
        let got = wire.produce("events", 0, &of_producer(id, epoch, sequence));
        assert_eq!(got, (code, offset), "epoch {epoch}, sequence {sequence}");
    }
}

/// Answers leave in the order of their requests, to whatever partitions of whatever cores.
#[test]
fn produces_may_be_sent_without_waiting_for_answers() {
    let (mut wire, _server) = connect();
    wire.create("events", 4, &[]);
    let good = batch(Codec::Lz4, &["a", "b", "c"]);
    let mut sent = Vec::new();
    for n in 0..40 {
        sent.push(wire.send(9, &produce_request("events", n % 4, &good)));
    }
    for (n, number) in sent.into_iter().enumerate() {
        let frame = wire.receive().unwrap();
        let answer: ProduceResponse<'_> = KafkaWire::answer(&frame, number, 9);
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!((partition.index, partition.base_offset), (n as i32 % 4, n as i64 / 4 * 3));
    }
}

#[test]
fn a_produce_that_wants_no_answer_gets_none_and_its_failure_ends_the_connection() {
    let (mut wire, (_dir, server)) = connect();
    let good = batch(Codec::None, &["a"]);
    wire.create("events", 1, &[]);
    wire.send(9, &ProduceRequest { acks: 0, ..produce_request("events", 0, &good) });
    assert_eq!(wire.produce("events", 0, &good), (ErrorCode::NONE, 1));
    wire.send(9, &ProduceRequest { acks: 0, ..produce_request("events", 7, &good) });
    assert_eq!(wire.receive(), None);
    server.says("a produce with acks=0", 1);
}

#[test]
fn a_topics_own_bounds_hold() {
    let (mut wire, _server) = connect();
    wire.create("compacted", 1, &[("cleanup.policy", "compact")]);
    wire.create("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let keyless = of_producer(-1, -1, -1);
    let request = produce_request("compacted", 0, &keyless);
    wire.call(8, &request, |answer: ProduceResponse<'_>| {
        let partition = &answer.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, ErrorCode::INVALID_RECORD);
        assert_eq!(partition.record_errors[0].batch_index, 0);
        assert!(partition.error_message.unwrap().contains("no key"), "{answer:?}");
    });
    let request = produce_request("stamped", 0, &keyless);
    wire.call(8, &request, |answer: ProduceResponse<'_>| {
        assert!(answer.responses[0].partition_responses[0].log_append_time_ms > 1_700_000_000_000);
    });
}

/// Offset and time of the answer to a duplicate are those of its original, over a restart too.
#[test]
fn a_duplicate_is_answered_like_its_original() {
    let (dir, server) = kafka_server(&[]);
    let mut wire = KafkaWire::connect(server.kafka[0]);
    wire.create("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    wire.create("created", 1, &[]);
    let once = of_producer(7, 0, 0);
    let produce = |wire: &mut KafkaWire, topic: &str| {
        wire.call(8, &produce_request(topic, 0, &once), |answer: ProduceResponse<'_>| {
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!((partition.error_code, partition.base_offset), (ErrorCode::NONE, 0));
            partition.log_append_time_ms
        })
    };
    let [stamped, created] = ["stamped", "created"].map(|topic| produce(&mut wire, topic));
    assert!(stamped > 1_700_000_000_000 && created == -1, "{stamped} {created}");
    assert_eq!(["stamped", "created"].map(|topic| produce(&mut wire, topic)), [stamped, created]);
    server.kill();
    let mut again = serve(dir.path());
    let server = Server::spawn(again.args(["--kafka", "127.0.0.1:0"])).unwrap();
    let mut wire = KafkaWire::connect(server.kafka[0]);
    assert_eq!(["stamped", "created"].map(|topic| produce(&mut wire, topic)), [stamped, created]);
}
