//! Which core a client's requests reach.

use duramen_protocol::batch::Codec;
use duramen_protocol::native::messages::{MetricValue, Stats};
use rdkafka::Offset;
use rdkafka::producer::{BaseRecord, Producer};

use super::{MINUTE, producer, read};
use crate::support::kafka_wire::KafkaWire;
use crate::support::server::Server;
use crate::support::wire::Wire;
use crate::{batch, kafka_server};

/// A client that goes by the metadata reaches the core that owns a partition directly.
#[test]
fn requests_reach_the_core_that_owns_the_partition() {
    let (_dir, server) = kafka_server(&[]);
    let address = server.kafka[0];
    KafkaWire::connect(address).create("spread", 8, &[]);
    let producer = producer(address, &[("linger.ms", "0")]);
    for n in 0..80 {
        let value = n.to_string();
        let record = BaseRecord::<(), str>::to("spread").partition(n % 8).payload(&value);
        producer.send(record).unwrap();
    }
    producer.flush(MINUTE).unwrap();
    let records = read(address, "spread", 8, Offset::Beginning, 80);
    assert!(records.len() == 8 && records.values().all(|records| records.len() == 10));
    assert_eq!(forwarded(&server), 0);
    println!("80 records were appended and read, and no request reached the other core first");
    let mut other = KafkaWire::connect(address);
    for partition in 0..8 {
        other.produce("spread", partition, &batch(Codec::None, &["astray"]));
    }
    assert_eq!(forwarded(&server), 4, "half of them are the other core's");
}

/// A client that knows one port alone gets everything all the same: half of it is sent on.
#[test]
fn one_port_gives_everything() {
    let (_dir, server) = kafka_server(&["--kafka-ports", "single"]);
    let address = server.kafka[0];
    KafkaWire::connect(address).create("spread", 8, &[]);
    let producer = producer(address, &[("linger.ms", "0")]);
    for n in 0..80 {
        let value = n.to_string();
        let record = BaseRecord::<(), str>::to("spread").partition(n % 8).payload(&value);
        producer.send(record).unwrap();
        producer.flush(MINUTE).unwrap();
    }
    let appends = forwarded(&server);
    assert_eq!(appends, 40, "half of the partitions are the other core's");
    let records = read(address, "spread", 8, Offset::Beginning, 80);
    assert!(records.len() == 8 && records.values().all(|records| records.len() == 10));
    let reads = forwarded(&server) - appends;
    assert!(reads > 0);
    println!("{appends} appends of 80 and {reads} reads reached the other core first");
}

/// How many appends and reads have reached another core than their partition's.
fn forwarded(server: &Server) -> u64 {
    let stats = Wire::connect(server.address).call(0, &Stats {}).unwrap();
    let counts =
        stats.metrics.iter().filter(|metric| metric.name == "duramen_forwarded_requests_total");
    counts
        .map(|metric| match metric.value {
            MetricValue::Count(count) => count,
            ref other => panic!("{other:?}"),
        })
        .sum()
}
