//! The Kafka listener of the real server: single requests with our own codec, and librdkafka.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod fetch;
mod forwarding;
mod frames;
mod groups;
mod librdkafka;
mod many_partitions;
mod produce;
mod sessions;
mod waiting;

use duramen_protocol::batch::{BatchBuilder, Codec};
use support::kafka_wire::KafkaWire;
use support::server::{Server, folder, serve};
use tempfile::TempDir;

/// A server with two cores that Kafka clients reach, and its data.
fn kafka_server(flags: &[&str]) -> (TempDir, Server) {
    let dir = folder();
    let server = Server::spawn(serve(dir.path()).args(["--kafka", "127.0.0.1:0"]).args(flags));
    (dir, server.unwrap())
}

/// A connection to the first core, and what keeps its server alive.
fn connect() -> (KafkaWire, (TempDir, Server)) {
    let (dir, server) = kafka_server(&[]);
    (KafkaWire::connect(server.kafka[0]), (dir, server))
}

/// A batch of records with these values.
fn batch(codec: Codec, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for value in values {
        builder.append(1_700_000_000_000, Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish().unwrap()
}
