//! A native server that acknowledges what it does not keep.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use duramen_protocol::TopicId;
use duramen_protocol::native::messages::*;
use duramen_protocol::native::{FrameHeader, HEADER_LEN, Opcode, Request, frame};

use super::dialect::Acks;
use super::{Plan, run};
use crate::bench::cpus::Cpus;
use crate::bench::error::Result;
use crate::bench::payload::Payload;
use crate::bench::server::Server;
use crate::bench::target::Protocol;

/// Short loads until one of them sends something.
const RUNS: usize = 50;

/// How many records less than were acknowledged it says are durable; the topic is always the same.
fn start(missing: i64) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::remote(&listener.local_addr().unwrap().to_string()).unwrap();
    let acknowledged = Arc::new(AtomicI64::new(0));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let acknowledged = acknowledged.clone();
            std::thread::spawn(move || serve(&mut stream.unwrap(), &acknowledged, missing));
        }
    });
    server
}

fn serve(stream: &mut TcpStream, acknowledged: &AtomicI64, missing: i64) {
    let mut header = [0; HEADER_LEN];
    while stream.read_exact(&mut header).is_ok() {
        let header = FrameHeader::decode(&header, 1 << 20).unwrap().unwrap();
        let mut body = vec![0; header.body_len as usize];
        stream.read_exact(&mut body).unwrap();
        let mut out = BytesMut::new();
        let (correlation, handle) = (header.correlation, header.handle);
        match Request::decode(&header, &body).unwrap() {
            Request::Hello(_) => {
                let hello = hello();
                frame::put_answer(&mut out, Opcode::Hello, correlation, handle, &hello);
            }
            Request::DescribeTopic(_) => {
                let durable_end = (acknowledged.load(Ordering::Relaxed) - missing).max(0);
                let described = described(durable_end);
                frame::put_answer(&mut out, Opcode::DescribeTopic, correlation, handle, &described);
            }
            Request::Open(_) => {
                frame::put_answer(&mut out, Opcode::Open, correlation, handle, &opened());
            }
            Request::Append(_) => {
                let base_offset = acknowledged.fetch_add(1, Ordering::Relaxed);
                let answer = AppendAnswer { base_offset, log_append_time_ms: -1 };
                frame::put_answer(&mut out, Opcode::Append, correlation, handle, &answer);
            }
            other => panic!("{other:?}"),
        }
        stream.write_all(&out).unwrap();
    }
}

fn hello() -> HelloAnswer {
    HelloAnswer {
        version: 1,
        features: 0,
        server_id: [1; 16],
        start_epoch: 1,
        core: 0,
        cores: 1,
        max_frame_bytes: 1 << 20,
        append_credit_bytes: 1 << 20,
        max_in_flight: 100,
        software: "a liar".into(),
    }
}

fn opened() -> OpenAnswer {
    OpenAnswer {
        handle: 1,
        core: 0,
        topic_id: TopicId([1; 16]),
        partitions: 1,
        log_start: 0,
        durable_end: 0,
        max_message_bytes: 1 << 20,
        durable: Vec::new(),
    }
}

fn described(durable_end: i64) -> DescribeTopicAnswer {
    let partition =
        DescribedPartition { core: 0, log_start: 0, durable_end, size_bytes: 0, segments: 1 };
    let topic_id = TopicId([1; 16]);
    DescribeTopicAnswer { topic_id, partitions: vec![partition], configs: Vec::new() }
}

/// Runs a short load.
fn produce(server: &mut Server) -> Result<u64> {
    let payload = Payload::fixed(10, 1)?;
    let plan = Plan {
        protocol: Protocol::Native,
        topic: "lies",
        payload: &payload,
        producers: 2,
        in_flight: 3,
        acks: Acks::All,
        rate: None,
        warm_up: Duration::ZERO,
        lasting: Duration::from_millis(50),
        cpus: &Cpus::load_default(),
    };
    Ok(run(&plan, server)?.tally.all_records)
}

#[test]
fn a_record_that_is_acknowledged_and_not_there_fails_the_run() {
    // A busy machine may not get to send anything in so short a time.
    let mut honest = start(0);
    assert!((0..RUNS).any(|_| produce(&mut honest).unwrap() > 0));
    let mut liar = start(1);
    let said = (0..RUNS).find_map(|_| produce(&mut liar).err()).unwrap().to_string();
    assert!(said.starts_with("records are missing: "), "{said}");
    assert!(said.contains("were acknowledged in lies"), "{said}");
}
