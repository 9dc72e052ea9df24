//! How long it takes from the start of a server to the first record.
//!
//! `cargo test --release --test kafka -- --ignored --nocapture the_first_record` prints it.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{AllDelivered, config};
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
        let mut config = config(server.kafka[0]);
        config.set("linger.ms", "0").set("acks", "all");
        // Its events are asked for here: a producer with a thread of its own asks every 100 ms.
        let producer: BaseProducer<AllDelivered> =
            config.create_with_context(AllDelivered).unwrap();
        producer.send(BaseRecord::to("first").key("key").payload("record")).unwrap();
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::from_millis(1));
        }
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
