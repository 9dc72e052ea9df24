//! librdkafka's admin calls.

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::members::Members;
use super::{MINUTE, config, producer, quick_server, read};
use crate::kafka_server;
use crate::support::records::block_on;

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

#[test]
fn records_and_groups_are_deleted() {
    let (_dir, server) = quick_server(&[]);
    let address = server.kafka[0];
    let producer = producer(address, &[("linger.ms", "0")]);
    for value in ["0", "1", "2", "3"] {
        producer.send(BaseRecord::<(), str>::to("events").partition(0).payload(value)).unwrap();
        producer.flush(MINUTE).unwrap();
    }
    let admin: AdminClient<DefaultClientContext> = config(address).create().unwrap();
    let options = AdminOptions::new().request_timeout(Some(MINUTE));
    let mut before = TopicPartitionList::new();
    before.add_partition_offset("events", 0, Offset::Offset(3)).unwrap();
    let deleted = block_on(admin.delete_records(&before, &options)).unwrap();
    assert_eq!(deleted.elements()[0].offset(), Offset::Offset(3));
    let left = read(address, "events", 1, Offset::Beginning, 1);
    assert_eq!(left[&0][0].value.as_deref(), Some(&b"3"[..]));

    let mut members = Members::new(address, "events", "readers", "range");
    members.join("a", &[]);
    members.wait("committed", |deeds| {
        deeds.get("a").is_some_and(|deed| deed.committed.get(&0) == Some(&4))
    });
    let group = |client: &BaseConsumer| {
        let list = client.fetch_group_list(Some("readers"), MINUTE).unwrap();
        let group = &list.groups()[0];
        (group.state().to_owned(), group.protocol().to_owned(), group.members().len())
    };
    let client: BaseConsumer = config(address).create().unwrap();
    assert_eq!(group(&client), ("Stable".to_owned(), "range".to_owned(), 1));
    let names = ["readers", "nobody"];
    let delete = || {
        let deleted = block_on(admin.delete_groups(&names, &options)).unwrap();
        deleted.into_iter().map(|result| result.map_err(|(_, code)| code)).collect::<Vec<_>>()
    };
    let missing = Err(RDKafkaErrorCode::GroupIdNotFound);
    assert_eq!(delete(), [Err(RDKafkaErrorCode::NonEmptyGroup), missing.clone()]);
    members.leave("a");
    assert_eq!(group(&client).0, "Empty");
    assert_eq!(members.committed(1)[&0], 4);
    assert_eq!(delete(), [Ok("readers".to_owned()), missing]);
    assert!(members.committed(1).is_empty());
}
