//! librdkafka, the client that most languages' clients are made of, against the real server.

mod admin;
mod cores;
mod first_record;
mod groups;
mod members;
mod records;
mod restarts;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message};
use rdkafka::producer::{DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use tempfile::TempDir;

use crate::support::server::{Server, folder, serve};

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

/// A server whose groups wait for nobody and notice soon who is gone, and its data.
fn quick_server(flags: &[&str]) -> (TempDir, Server) {
    let dir = folder();
    let knobs = "group.initial.rebalance.delay.ms = 0\ngroup.min.session.timeout.ms = 100\n";
    std::fs::write(dir.path().join("knobs.toml"), knobs).unwrap();
    let server = quick_server_at(&dir, "127.0.0.1:0", flags);
    (dir, server)
}

/// The same, once more on its data.
fn quick_server_at(dir: &TempDir, address: &str, flags: &[&str]) -> Server {
    let mut command = serve(&dir.path().join("data"));
    command.arg("--config").arg(dir.path().join("knobs.toml"));
    Server::spawn(command.args(["--kafka", address]).args(flags)).unwrap()
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
pub struct Read {
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The records of partitions of a topic, from an offset on until so many are there.
pub fn read(
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

/// The offset after a partition's last record.
fn end(address: SocketAddr, topic: &str, partition: i32) -> i64 {
    let consumer: BaseConsumer = config(address).create().unwrap();
    consumer.fetch_watermarks(topic, partition, MINUTE).unwrap().1
}
