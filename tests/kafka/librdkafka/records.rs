//! What is produced comes back as it was sent, by offset and by time, by either protocol.

use duramen_protocol::batch::{BatchBuilder, Codec};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::{MINUTE, Read, config, producer, read};
use crate::kafka_server;
use crate::support::records::consume_all;
use crate::support::wire::Wire;

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
