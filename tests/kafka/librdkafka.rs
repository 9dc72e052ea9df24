//! librdkafka, the client that most languages' clients are made of, against the real server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::native::messages::{MetricValue, Stats};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::support::kafka_wire::KafkaWire;
use crate::support::records::{block_on, consume_all};
use crate::support::server::{Server, serve};
use crate::support::wire::Wire;
use crate::{batch, kafka_server};

const MINUTE: Duration = Duration::from_secs(60);

/// Fails where a record was not appended.
struct AllDelivered;

impl ClientContext for AllDelivered {}

impl ProducerContext for AllDelivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            panic!("{error}: {:?}", message.payload().map(String::from_utf8_lossy));
        }
    }
}

fn config(address: SocketAddr) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address.to_string());
    config
}

fn producer(address: SocketAddr, settings: &[(&str, &str)]) -> ThreadedProducer<AllDelivered> {
    let mut config = config(address);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create_with_context(AllDelivered).unwrap()
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The records of partitions of a topic, from an offset on until so many are there.
fn read(
    address: SocketAddr,
    topic: &str,
    partitions: i32,
    from: Offset,
    count: usize,
) -> BTreeMap<i32, Vec<Read>> {
    let mut config = config(address);
    // Nothing is committed; a consumer wants a group's name all the same.
    config.set("group.id", "reader").set("enable.auto.commit", "false").set("check.crcs", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, from).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut read: BTreeMap<i32, Vec<Read>> = BTreeMap::new();
    for _ in 0..count {
        let message = consumer.poll(MINUTE).expect("a record within a minute").unwrap();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        let header =
            |header: Header<'_, &[u8]>| (header.key.to_owned(), header.value.map(<[u8]>::to_vec));
        read.entry(message.partition()).or_default().push(Read {
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(header).collect(),
        });
    }
    read
}

#[test]
fn every_codec_and_every_acks_comes_back_as_it_was_sent() {
    let (_dir, server) = kafka_server(&[]);
    let address = server.kafka[0];
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        for acks in ["all", "1", "0"] {
            let topic = format!("{codec}-{acks}");
            let settings = [("compression.type", codec), ("acks", acks), ("linger.ms", "5")];
            let producer = producer(address, &settings);
            let values: Vec<String> =
                (0..200).map(|n| format!("{n} {}", "value ".repeat(n % 30))).collect();
            for value in &values {
                let headers = Header { key: "codec", value: Some(codec) };
                let headers = OwnedHeaders::new().insert(headers);
                let record = BaseRecord::to(&topic).key("key").payload(value).headers(headers);
                producer.send(record.timestamp(1_700_000_000_123)).unwrap();
            }
            producer.flush(MINUTE).unwrap();
            let records = read(address, &topic, 1, Offset::Beginning, values.len());
            for ((offset, value), record) in (0..).zip(values).zip(&records[&0]) {
                let wanted = Read {
                    offset,
                    timestamp_ms: Some(1_700_000_000_123),
                    key: Some(b"key".to_vec()),
                    value: Some(value.into_bytes()),
                    headers: vec![("codec".to_owned(), Some(codec.into()))],
                };
                assert_eq!(*record, wanted, "{topic}");
            }
        }
    }
}

#[test]
fn records_are_found_by_time_and_the_ends_are_known() {
    let (_dir, server) = kafka_server(&[]);
    let address = server.kafka[0];
    let producer = producer(address, &[("linger.ms", "0")]);
    for n in 0..50 {
        let value = n.to_string();
        let record = BaseRecord::<(), str>::to("times").payload(&value);
        producer.send(record.timestamp(1_700_000_000_000 + n * 1000)).unwrap();
        producer.flush(MINUTE).unwrap();
    }
    let consumer: BaseConsumer = config(address).set("group.id", "reader").create().unwrap();
    assert_eq!(consumer.fetch_watermarks("times", 0, MINUTE).unwrap(), (0, 50));
    let mut times = TopicPartitionList::new();
    times.add_partition_offset("times", 0, Offset::Offset(1_700_000_030_500)).unwrap();
    let found = consumer.offsets_for_times(times, MINUTE).unwrap();
    assert_eq!(found.elements()[0].offset(), Offset::Offset(31));
    let records = read(address, "times", 1, Offset::Offset(31), 19);
    assert_eq!(records[&0][0].value.as_deref(), Some(&b"31"[..]));
}

/// What an idempotent producer sends while the server dies again and again is there once each, in
/// order.
#[test]
fn an_idempotent_producer_loses_and_doubles_nothing_when_the_server_is_killed() {
    let (dir, mut server) = kafka_server(&[]);
    let addresses = server.kafka.clone();
    let settings = [("enable.idempotence", "true"), ("linger.ms", "1"), ("retry.backoff.ms", "20")];
    let mut all = config(addresses[0]);
    all.set("reconnect.backoff.ms", "20").set("reconnect.backoff.max.ms", "100");
    for (name, value) in settings {
        all.set(name, value);
    }
    let producer: ThreadedProducer<AllDelivered> = all.create_with_context(AllDelivered).unwrap();
    let rounds = 4;
    for round in 0..rounds {
        for n in 0..500 {
            let value = (round * 500 + n).to_string();
            producer.send(BaseRecord::<str, str>::to("once").key("k").payload(&value)).unwrap();
        }
        server.kill();
        let mut again = serve(dir.path());
        server = Server::spawn(again.args(["--kafka", &addresses[0].to_string()])).unwrap();
    }
    producer.flush(MINUTE).unwrap();
    let count = rounds * 500;
    let records = read(addresses[0], "once", 1, Offset::Beginning, count);
    let consumer: BaseConsumer = config(addresses[0]).set("group.id", "r").create().unwrap();
    assert_eq!(consumer.fetch_watermarks("once", 0, MINUTE).unwrap(), (0, count as i64));
    for (n, record) in records[&0].iter().enumerate() {
        assert_eq!(record.value.as_deref(), Some(n.to_string().as_bytes()));
    }
}

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
    let mut other = KafkaWire::connect(address);
    for partition in 0..8 {
        other.produce("spread", partition, &batch(Codec::None, &["astray"]));
    }
    assert_eq!(forwarded(&server), 4, "half of them are the other core's");
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

#[test]
fn both_protocols_read_what_the_other_has_written() {
    let (_dir, server) = kafka_server(&["--cores", "1"]);
    let mut native = Wire::connect(server.address);
    native.create("both", 1);
    let handle = native.open("both", 0).handle;
    let mut builder = BatchBuilder::new(Codec::Lz4);
    let headers = [("trace", Some(&b"7"[..])), ("none", None)];
    builder.append(1_700_000_000_321, Some(b"k"), Some(b"native"), &headers).unwrap();
    native.append(handle, &builder.finish().unwrap()).unwrap();
    let producer = producer(server.kafka[0], &[("compression.type", "zstd")]);
    let record = BaseRecord::to("both").key("k").payload("kafka").timestamp(1_700_000_000_654);
    producer.send(record).unwrap();
    producer.flush(MINUTE).unwrap();

    let records = &read(server.kafka[0], "both", 1, Offset::Beginning, 2)[&0];
    let owned = |(name, value): (&str, Option<&[u8]>)| (name.to_owned(), value.map(<[u8]>::to_vec));
    let first = Read {
        offset: 0,
        timestamp_ms: Some(1_700_000_000_321),
        key: Some(b"k".to_vec()),
        value: Some(b"native".to_vec()),
        headers: headers.map(owned).into(),
    };
    assert_eq!(records[0], first);
    assert_eq!((records[1].offset, records[1].timestamp_ms), (1, Some(1_700_000_000_654)));
    let consumed = consume_all(server.address, "both");
    assert_eq!(consumed[&0], [(0, "native".to_owned()), (1, "kafka".to_owned())]);
}

#[test]
fn topics_are_administered() {
    let (_dir, server) = kafka_server(&[]);
    let address = server.kafka[0];
    let admin: AdminClient<DefaultClientContext> = config(address).create().unwrap();
    let options = AdminOptions::new().request_timeout(Some(MINUTE));
    let replication = |factor| TopicReplication::Fixed(factor);
    let good = NewTopic::new("good", 3, replication(1)).set("retention.ms", "3600000");
    let many = NewTopic::new("many", 1, replication(3));
    let odd = NewTopic::new("odd", 1, replication(1)).set("compression.type", "zstd");
    let made = block_on(admin.create_topics(&[good, many, odd], &options)).unwrap();
    let code = |result: &Result<String, (String, RDKafkaErrorCode)>| match result {
        Ok(_) => None,
        Err((_, code)) => Some(*code),
    };
    let invalid = [
        None,
        Some(RDKafkaErrorCode::InvalidReplicationFactor),
        Some(RDKafkaErrorCode::InvalidConfig),
    ];
    assert_eq!(made.iter().map(code).collect::<Vec<_>>(), invalid);

    let partitions = NewPartitions::new("good", 5);
    assert!(block_on(admin.create_partitions(&[partitions], &options)).unwrap()[0].is_ok());
    let altered = AlterConfig::new(ResourceSpecifier::Topic("good")).set("retention.ms", "7200000");
    assert!(block_on(admin.alter_configs(&[altered], &options)).unwrap()[0].is_ok());
    let resource = ResourceSpecifier::Topic("good");
    let described = block_on(admin.describe_configs([&resource], &options)).unwrap();
    let config_of = described[0].as_ref().unwrap();
    let value = |name: &str| config_of.get(name).unwrap().value.clone();
    assert_eq!(value("retention.ms").as_deref(), Some("7200000"));
    assert_eq!(value("min.insync.replicas").as_deref(), Some("1"));
    assert_eq!(config_of.entries.len(), 37);
    let broker = ResourceSpecifier::Broker(1);
    let described = block_on(admin.describe_configs([&broker], &options)).unwrap();
    let listeners = described[0].as_ref().unwrap().get("listeners").unwrap().value.clone();
    assert_eq!(listeners, Some(format!("PLAINTEXT://{}", server.kafka[1])));

    let metadata = admin.inner().fetch_metadata(Some("good"), MINUTE).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 5);
    let deleted = block_on(admin.delete_topics(&["good", "missing"], &options)).unwrap();
    let unknown = Some(RDKafkaErrorCode::UnknownTopicOrPartition);
    assert_eq!(deleted.iter().map(code).collect::<Vec<_>>(), [None, unknown]);
}
