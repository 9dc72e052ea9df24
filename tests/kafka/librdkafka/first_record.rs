//! How long it takes from the start of a server to the first record.
//!
//! `cargo test --release --test kafka -- --ignored --nocapture the_first_record` prints it.

use std::time::Instant;

use rdkafka::producer::{BaseRecord, Producer};

use super::{MINUTE, producer};
use crate::kafka_server;

const ROUNDS: usize = 11;

#[test]
#[ignore = "it measures, and asserts little"]
fn the_first_record_after_a_start() {
    let mut rounds: Vec<(u128, u128)> = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        // On a folder that is new.
        let (_dir, server) = kafka_server(&[]);
        let ready_us = start.elapsed().as_micros();
        let producer = producer(server.kafka[0], &[("linger.ms", "0"), ("acks", "all")]);
        producer.send(BaseRecord::<(), str>::to("first").payload("record")).unwrap();
        producer.flush(MINUTE).unwrap();
        rounds.push((start.elapsed().as_micros(), ready_us));
    }
    rounds.sort_unstable();
    let (acknowledged_us, ready_us) = rounds[ROUNDS / 2];
    println!(
        "the first record is acknowledged {acknowledged_us} us after the start of the process, \
         which was ready after {ready_us} us; the median of {ROUNDS}, from {} to {} us",
        rounds[0].0,
        rounds[ROUNDS - 1].0
    );
}
