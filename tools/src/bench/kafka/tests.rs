//! The load against brokers that do as they should, and against some that don't.

use std::time::Duration;

use duramen_protocol::codes::ErrorCode;

use super::fake::{Cluster, Manners};
use crate::bench::cpus::Cpus;
use crate::bench::error::Result;
use crate::bench::fill::Fill;
use crate::bench::load::dialect::Acks;
use crate::bench::load::reader::Reader;
use crate::bench::load::{self, Plan};
use crate::bench::lone::{self, Alone};
use crate::bench::payload::Payload;
use crate::bench::server::Server;
use crate::bench::session::Topic;
use crate::bench::target::Protocol;

/// Room for two batches of a consumer's test, and for the header of a third.
const KAFKA: Protocol = Protocol::Kafka { fetch_bytes: 550 };

fn cluster(manners: Manners) -> (Cluster, Server) {
    let cluster = Cluster::start(manners);
    let server = Server::remote(&cluster.address().to_string()).unwrap();
    (cluster, server)
}

/// Short loads until one of them sends something, however busy the machine is.
const RUNS: usize = 50;

/// Gives the records that were acknowledged.
fn produce(server: &mut Server, acks: Acks) -> u64 {
    let run = |_| run(server, acks).unwrap();
    (0..RUNS).map(run).find(|records| *records > 0).expect("a load that sends something")
}

/// Gives what a load said that noticed something.
fn failure(server: &mut Server) -> String {
    let run = |_| run(server, Acks::All).err();
    (0..RUNS).find_map(run).expect("a load that fails").to_string()
}

/// Runs a short load on a topic of three partitions.
fn run(server: &mut Server, acks: Acks) -> Result<u64> {
    let topic = Topic::new(server, KAFKA, 3, &[("segment.bytes", "1048576")])?;
    let payload = Payload::fixed(10, 3)?;
    let plan = Plan {
        protocol: KAFKA,
        topic: topic.name(),
        payload: &payload,
        producers: 4,
        in_flight: 3,
        acks,
        rate: None,
        warm_up: Duration::ZERO,
        lasting: Duration::from_millis(50),
        cpus: &Cpus::load_default(),
    };
    Ok(load::run(&plan, server)?.tally.all_records)
}

#[test]
fn a_load_goes_to_the_leaders_of_new_brokers_and_old_ones() {
    for are_old in [false, true] {
        for acks in [Acks::All, Acks::Leader, Acks::None] {
            let (cluster, mut server) = cluster(Manners { are_old, ..Default::default() });
            produce(&mut server, acks);
            assert_eq!(cluster.topics(), [""; 0], "the topic is removed");
        }
    }
}

#[test]
fn a_topic_that_brokers_learn_of_late_is_waited_for() {
    let (_, mut server) = cluster(Manners { learn_after: 3, ..Default::default() });
    produce(&mut server, Acks::All);
}

#[test]
fn a_record_that_is_acknowledged_and_not_there_fails_the_run() {
    let (_, mut server) = cluster(Manners { forget: Some(2), ..Default::default() });
    let said = failure(&mut server);
    assert!(said.starts_with("records are missing: "), "{said}");
    assert!(said.contains("were acknowledged in duramen-bench-"), "{said}");
}

#[test]
fn an_error_names_partition_and_code_and_fails_the_run() {
    let refuse = Some((1, ErrorCode::MESSAGE_TOO_LARGE));
    for are_old in [false, true] {
        let (_, mut server) = cluster(Manners { refuse, are_old, ..Default::default() });
        let said = failure(&mut server);
        assert!(said.contains("-1 was answered with MESSAGE_TOO_LARGE (10)"), "{said}");
        // The message came with version 8.
        assert_eq!(said.ends_with("(10): says the fake"), !are_old, "{said}");
    }
}

#[test]
fn a_broker_without_a_version_that_both_know_is_told_by_its_versions() {
    let (_, mut server) = cluster(Manners { are_foreign: true, ..Default::default() });
    let said = failure(&mut server);
    assert!(said.contains("the broker has Produce in versions 99 to"), "{said}");
}

/// Reads all of two partitions of one node, each of which has fifty records in five batches.
fn consume(server: &Server) -> Result<u64> {
    let topic = Topic::new(server, KAFKA, 3, &[])?;
    let target = server.target(KAFKA)?;
    let payload = Payload::fixed(10, 10)?;
    let batch_bytes = payload.batch(0).bytes.len() as u64;
    Fill::open(target, topic.name(), &payload)?.up_to(15 * batch_bytes)?;
    let home = target.home(topic.name(), 2)?;
    let mut reader = Reader::open(KAFKA, home, topic.name(), &[(2, 0), (0, 5)])?;
    reader.read_to(&[50, 50])?;
    assert_eq!(reader.bytes(), 10 * batch_bytes, "what is cut is counted once it is whole");
    Ok(reader.records())
}

#[test]
fn a_consumer_gets_every_record_however_batches_are_cut() {
    for are_old in [false, true] {
        let (_, server) = cluster(Manners { are_old, ..Default::default() });
        assert_eq!(consume(&server).unwrap(), 95);
    }
}

#[test]
fn a_record_that_a_consumer_misses_fails_the_run() {
    let (_, server) = cluster(Manners { skip: true, ..Default::default() });
    let said = consume(&server).unwrap_err().to_string();
    assert_eq!(said, "records are missing: offset 20 came where 10 was due");
}

#[test]
fn lone_records_are_acknowledged_and_read_one_by_one() {
    let (_, mut server) = cluster(Manners::default());
    let cpus = Cpus::load_default();
    let topic = Topic::new(&server, KAFKA, 1, &[]).unwrap();
    let alone = Alone {
        protocol: KAFKA,
        topic: topic.name(),
        cpus: &cpus,
        record_bytes: 10,
        warm_up: Duration::ZERO,
        lasting: Duration::from_millis(200),
    };
    assert!(lone::appends(&mut server, &alone).unwrap().count() > 0);
    let again = lone::appends(&mut server, &alone).unwrap_err().to_string();
    assert!(again.ends_with("was given where 0 was due"), "{again}");
    let other = Topic::new(&server, KAFKA, 1, &[]).unwrap();
    let alone = Alone { topic: other.name(), ..alone };
    assert!(lone::pushes(&mut server, &alone).unwrap().count() > 0);
}
