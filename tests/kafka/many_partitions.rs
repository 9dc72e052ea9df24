//! What a poll of very many partitions costs, with a fetch session and without.
//!
//! `cargo test --test kafka -- --ignored --nocapture polls_of_many_partitions` prints it.

use duramen_protocol::batch::Codec;
use duramen_protocol::kafka::messages::fetch::{FetchPartition, FetchTopic};
use duramen_protocol::kafka::messages::{FetchRequest, FetchResponse};

use crate::support::kafka_wire::KafkaWire;
use crate::support::server::Server;
use crate::{batch, kafka_server};

const PARTITIONS: i32 = 1000;
const POLLS: i32 = 1000;
const VERSION: i16 = 12;

/// A consumer of all partitions, each from where it is.
struct Consumer {
    wire: KafkaWire,
    offsets: Vec<i64>,
    session_id: i32,
    session_epoch: i32,
    /// Partitions whose offset the server does not know yet.
    changed: Vec<i32>,
    sent_bytes: usize,
    received_bytes: usize,
}

impl Consumer {
    fn new(server: &Server, session_epoch: i32) -> Consumer {
        Consumer {
            wire: KafkaWire::connect(server.kafka[0]),
            offsets: vec![0; PARTITIONS as usize],
            session_id: 0,
            session_epoch,
            changed: Vec::new(),
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    /// Asks for what there is, or the next that comes.
    fn ask(&mut self, max_wait_ms: i32) -> i32 {
        let everything = || (0..PARTITIONS).collect();
        let named = if self.session_id == 0 { everything() } else { self.changed.clone() };
        let partitions = named.into_iter().map(|partition| FetchPartition {
            partition,
            fetch_offset: self.offsets[partition as usize],
            partition_max_bytes: 1 << 20,
            ..Default::default()
        });
        let partitions = partitions.collect();
        let topic = FetchTopic { topic: "many", partitions, ..Default::default() };
        let request = FetchRequest {
            max_wait_ms,
            min_bytes: 1,
            max_bytes: 50 << 20,
            session_id: self.session_id,
            session_epoch: self.session_epoch,
            topics: vec![topic],
            ..Default::default()
        };
        let mut frames = duramen_protocol::kafka::Frames::default();
        frames.push_request(0, Some("wire"), VERSION, &request).unwrap();
        self.sent_bytes += frames.bytes().len();
        self.wire.send(VERSION, &request)
    }

    /// Takes the answer; how many partitions were in it, and records.
    fn take(&mut self, number: i32) -> (usize, usize) {
        let frame = self.wire.receive().unwrap();
        self.received_bytes += frame.len() + 4;
        let answer: FetchResponse<'_> = KafkaWire::answer(&frame, number, VERSION);
        assert!(answer.error_code.is_ok(), "{}", answer.error_code.text());
        if answer.session_id != 0 {
            self.session_id = answer.session_id;
            self.session_epoch += 1;
        }
        self.changed.clear();
        let mut partitions = 0;
        for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            assert!(partition.error_code.is_ok(), "{}", partition.error_code.text());
            partitions += 1;
            let offset = &mut self.offsets[partition.partition_index as usize];
            if *offset != partition.high_watermark {
                *offset = partition.high_watermark;
                self.changed.push(partition.partition_index);
            }
        }
        (partitions, self.changed.len())
    }
}

/// Processor time of a process, in nanoseconds.
fn cpu_ns(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let time = |task: std::io::Result<std::fs::DirEntry>| -> u64 {
        let stat = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse().unwrap()
    };
    tasks.map(time).sum()
}

fn measure(cores: &str, session_epoch: i32) {
    let (_dir, server) = kafka_server(&["--cores", cores, "--kafka-ports", "single"]);
    let mut producer = KafkaWire::connect(server.kafka[0]);
    producer.create("many", PARTITIONS, &[]);
    let one = batch(Codec::None, &["a value"]);
    let mut append =
        || (0..POLLS).for_each(|n| assert!(producer.produce("many", n, &one).0.is_ok()));
    // The first one makes the partition's segment.
    append();
    let before = cpu_ns(server.pid());
    append();
    let appends_ns = cpu_ns(server.pid()) - before;

    let mut consumer = Consumer::new(&server, session_epoch);
    let number = consumer.ask(0);
    consumer.take(number);
    (consumer.sent_bytes, consumer.received_bytes) = (0, 0);
    let before = cpu_ns(server.pid());
    let mut shown = 0;
    for n in 0..POLLS {
        let number = consumer.ask(60_000);
        producer.produce("many", n, &one);
        let (partitions, records) = consumer.take(number);
        assert_eq!(records, 1);
        shown += partitions;
    }
    let all_ns = cpu_ns(server.pid()) - before;
    println!(
        "{cores} cores, session epoch {session_epoch}: {} us of the server a poll with its append, of \
         which {} us the append; {} bytes asked, {} bytes and {} partitions answered a poll",
        all_ns / POLLS as u64 / 1000,
        appends_ns / POLLS as u64 / 1000,
        consumer.sent_bytes / POLLS as usize,
        consumer.received_bytes / POLLS as usize,
        shown / POLLS as usize,
    );
}

#[test]
#[ignore = "it measures, and asserts little"]
fn polls_of_many_partitions() {
    for cores in ["1", "2"] {
        measure(cores, -1);
        measure(cores, 0);
    }
}
