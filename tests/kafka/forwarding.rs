//! Brokers and cores: who is told what, and requests that reach a core that owns nothing of theirs.

use std::collections::BTreeSet;

use duramen_protocol::batch::Codec;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::metadata::MetadataRequestTopic;
use duramen_protocol::kafka::messages::{MetadataRequest, MetadataResponse};

use crate::fetch::{fetch, request};
use crate::support::kafka_wire::KafkaWire;
use crate::support::server::{Server, serve};
use crate::{batch, kafka_server};

/// The brokers as `id host:port`, and the leaders of the topic `events`.
fn metadata(wire: &mut KafkaWire) -> (Vec<String>, Vec<i32>) {
    let events = MetadataRequestTopic { name: Some("events"), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![events]), ..Default::default() };
    wire.call(12, &request, |answer: MetadataResponse<'_>| {
        assert_eq!((answer.controller_id, answer.cluster_id.unwrap().len()), (0, 22));
        let brokers = answer.brokers.iter().map(|b| format!("{} {}:{}", b.node_id, b.host, b.port));
        let leaders = answer.topics[0].partitions.iter().map(|p| p.leader_id);
        (brokers.collect(), leaders.collect())
    })
}

fn append_and_read_everywhere(server: &Server) {
    let one = batch(Codec::None, &["a"]);
    for (n, address) in (0..).zip(&server.kafka) {
        let mut wire = KafkaWire::connect(*address);
        for partition in 0..4 {
            assert_eq!(wire.produce("events", partition, &one), (ErrorCode::NONE, n));
        }
        let all = [(0, 0), (1, 0), (2, 0), (3, 0)];
        for (code, end, bytes) in fetch(&mut wire, &request(&all, 1 << 20)) {
            assert_eq!(
                (code, end, bytes.len()),
                (ErrorCode::NONE, n + 1, one.len() * (n as usize + 1))
            );
        }
    }
}

#[test]
fn each_core_is_a_broker_and_takes_everything() {
    let (_dir, server) = kafka_server(&[]);
    let mut wire = KafkaWire::connect(server.kafka[0]);
    wire.create("events", 4, &[]);
    let (brokers, leaders) = metadata(&mut wire);
    let wanted: Vec<String> =
        (0..).zip(&server.kafka).map(|(id, address): (i32, _)| format!("{id} {address}")).collect();
    assert_eq!(brokers, wanted);
    assert_eq!(BTreeSet::from_iter(leaders), BTreeSet::from([0, 1]));
    assert_eq!(metadata(&mut KafkaWire::connect(server.kafka[1])).0, wanted);
    append_and_read_everywhere(&server);
}

#[test]
fn one_port_can_stand_for_all_cores() {
    let (_dir, server) = kafka_server(&["--kafka-ports", "single"]);
    assert_eq!(server.kafka.len(), 1);
    let mut wire = KafkaWire::connect(server.kafka[0]);
    wire.create("events", 4, &[]);
    assert_eq!(metadata(&mut wire), (vec![format!("0 {}", server.kafka[0])], vec![0; 4]));
    append_and_read_everywhere(&server);
    // The next connection lives on the other core.
    assert_eq!(metadata(&mut KafkaWire::connect(server.kafka[0])).1, [0; 4]);
}

#[test]
fn clients_are_told_the_address_that_is_advertised() {
    let (_dir, server) = kafka_server(&["--advertise", "log.example:19000"]);
    let mut wire = KafkaWire::connect(server.kafka[0]);
    wire.create("events", 1, &[]);
    assert_eq!(metadata(&mut wire).0, ["0 log.example:19000", "1 log.example:19001"]);
}

/// A client that knows brokers of more cores finds the first one, and everything behind it.
#[test]
fn fewer_cores_at_the_next_start_strand_nobody() {
    let (dir, server) = kafka_server(&[]);
    let first = server.kafka[0];
    let mut wire = KafkaWire::connect(first);
    wire.create("events", 4, &[]);
    append_and_read_everywhere(&server);
    assert!(server.stop().success());
    let mut again = serve(dir.path());
    again.args(["--cores", "1", "--kafka", &first.to_string()]);
    let server = Server::spawn(&mut again).unwrap();
    let mut wire = KafkaWire::connect(first);
    assert_eq!(metadata(&mut wire), (vec![format!("0 {first}")], vec![0; 4]));
    let ends = fetch(&mut wire, &request(&[(0, 0), (1, 0), (2, 0), (3, 0)], 1 << 20));
    assert!(ends.iter().all(|(code, end, _)| (*code, *end) == (ErrorCode::NONE, 2)), "{ends:?}");
    assert!(server.stop().success());
}
