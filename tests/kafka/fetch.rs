//! What a fetch is answered with: limits, whole batches, waiting, errors.

use std::thread;

use duramen_protocol::batch::{BatchView, Codec};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::fetch::{FetchPartition, FetchTopic};
use duramen_protocol::kafka::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use duramen_protocol::kafka::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse,
};

use crate::support::kafka_wire::KafkaWire;
use crate::{batch, connect};

/// A fetch of some partitions of the topic `events`, which does not wait.
pub fn request(partitions: &[(i32, i64)], max_bytes: i32) -> FetchRequest<'static> {
    let partition = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let partitions = partitions.iter().map(partition).collect();
    let topics = vec![FetchTopic { topic: "events", partitions, ..Default::default() }];
    FetchRequest { min_bytes: 1, max_bytes, topics, ..Default::default() }
}

/// What came of each partition: code, high watermark, and the bytes.
pub fn fetch(wire: &mut KafkaWire, request: &FetchRequest<'_>) -> Vec<(ErrorCode, i64, Vec<u8>)> {
    wire.call(11, request, |answer: FetchResponse<'_>| {
        assert_eq!((answer.error_code, answer.session_id), (ErrorCode::NONE, 0));
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        let look = |partition: &duramen_protocol::kafka::messages::fetch::PartitionData<'_>| {
            let bytes = partition.records.bytes().expect("never null").to_vec();
            (partition.error_code, partition.high_watermark, bytes)
        };
        partitions.map(look).collect()
    })
}

/// The base offsets of whole batches.
fn offsets(bytes: &[u8]) -> Vec<i64> {
    let (mut offsets, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let batch = BatchView::parse(&bytes[at..]).unwrap();
        offsets.push(batch.header().base_offset);
        at += batch.header().size_in_bytes();
    }
    offsets
}

#[test]
fn limits_are_kept_and_a_batch_comes_whole() {
    let (mut wire, _server) = connect();
    let three = batch(Codec::None, &["a", "b", "c"]);
    for _ in 0..4 {
        wire.produce("events", 0, &three);
    }
    let from = |wire: &mut KafkaWire, offset, max_bytes| {
        let found = fetch(wire, &request(&[(0, offset)], max_bytes)).remove(0);
        assert_eq!((found.0, found.1), (ErrorCode::NONE, 12));
        offsets(&found.2)
    };
    assert_eq!(from(&mut wire, 0, 1 << 20), [0, 3, 6, 9]);
    assert_eq!(from(&mut wire, 4, 1 << 20), [3, 6, 9], "the batch that holds the offset");
    assert_eq!(from(&mut wire, 3, 10), [3], "one batch at least");
    assert_eq!(from(&mut wire, 12, 10), [0; 0], "at the end");
    for wrong in [13, -1] {
        let found = fetch(&mut wire, &request(&[(0, wrong)], 10)).remove(0);
        assert_eq!((found.0, found.1), (ErrorCode::OFFSET_OUT_OF_RANGE, -1));
    }
}

/// Whichever core owns what, and whichever is asked.
#[test]
fn the_limit_of_all_partitions_holds_across_cores() {
    let (mut wire, (_dir, server)) = connect();
    wire.create("events", 4, &[]);
    let big = batch(Codec::None, &[&"x".repeat(10_000)]);
    for partition in 0..4 {
        wire.produce("events", partition, &big);
    }
    let all = [(0, 0), (1, 0), (2, 0), (3, 0)];
    for address in &server.kafka {
        let mut wire = KafkaWire::connect(*address);
        let mut bytes = |max_bytes| {
            let found = fetch(&mut wire, &request(&all, max_bytes));
            assert!(found.iter().all(|(code, end, _)| (*code, *end) == (ErrorCode::NONE, 1)));
            found.iter().map(|(.., bytes)| bytes.len()).sum::<usize>()
        };
        assert_eq!(bytes(1 << 20), 4 * big.len());
        // Each core that still has room gives a whole batch.
        assert!((big.len()..=2 * big.len()).contains(&bytes(10)));
        assert!((2 * big.len()..=3 * big.len()).contains(&bytes(2 * big.len() as i32 + 10)));
    }
}

#[test]
fn a_fetch_waits_until_there_is_enough() {
    let (mut wire, (_dir, server)) = connect();
    wire.create("events", 2, &[]);
    let one = batch(Codec::None, &["a"]);
    for waited_for in [0, 1] {
        for address in &server.kafka {
            let (mut reader, both) = (KafkaWire::connect(*address), [(0, 0), (1, 0)]);
            let ends = fetch(&mut reader, &request(&both, 1 << 20));
            let from = [(0, ends[0].1), (1, ends[1].1)];
            let waiting = FetchRequest {
                max_wait_ms: 50_000,
                min_bytes: one.len() as i32 + 1,
                ..request(&from, 1 << 20)
            };
            let reading = thread::spawn(move || fetch(&mut reader, &waiting));
            wire.produce("events", waited_for, &one);
            wire.produce("events", waited_for, &one);
            let found = reading.join().unwrap();
            assert_eq!(found[waited_for as usize].2.len(), 2 * one.len());
        }
    }
    let short = FetchRequest { max_wait_ms: 10, ..request(&[(0, 4), (1, 4)], 1 << 20) };
    let found = fetch(&mut wire, &short);
    assert!(found.iter().all(|(code, _, bytes)| code.is_ok() && bytes.is_empty()), "{found:?}");
}

#[test]
fn an_error_of_one_partition_is_answered_at_once() {
    let (mut wire, _server) = connect();
    wire.create("events", 1, &[]);
    let waiting = FetchRequest { max_wait_ms: 50_000, ..request(&[(0, 0), (9, 0)], 1 << 20) };
    let found = fetch(&mut wire, &waiting);
    assert_eq!((found[0].0, found[1].0), (ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let mut stale = request(&[(0, 0)], 1 << 20);
    for (epoch, code) in
        [(0, ErrorCode::FENCED_LEADER_EPOCH), (1_000_000, ErrorCode::UNKNOWN_LEADER_EPOCH)]
    {
        stale.topics[0].partitions[0].current_leader_epoch = epoch;
        assert_eq!(fetch(&mut wire, &stale)[0].0, code);
    }
}

#[test]
fn offsets_are_found_by_end_and_by_time() {
    let (mut wire, _server) = connect();
    wire.produce("events", 0, &batch(Codec::Zstd, &["a", "b"]));
    let time = 1_700_000_000_000;
    for (asked, code, timestamp, offset) in [
        (-1, ErrorCode::NONE, -1, 2),
        (-2, ErrorCode::NONE, -1, 0),
        (-4, ErrorCode::NONE, -1, 0),
        (-3, ErrorCode::NONE, time, 0),
        (-5, ErrorCode::NONE, -1, -1),
        (-7, ErrorCode::UNSUPPORTED_VERSION, -1, -1),
        (time, ErrorCode::NONE, time, 0),
        (time + 1, ErrorCode::NONE, -1, -1),
    ] {
        let partition = ListOffsetsPartition { timestamp: asked, ..Default::default() };
        let topics = vec![ListOffsetsTopic { name: "events", partitions: vec![partition] }];
        let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
        wire.call(11, &request, |answer: ListOffsetsResponse<'_>| {
            let found = &answer.topics[0].partitions[0];
            let found = (found.error_code, found.timestamp, found.offset);
            assert_eq!(found, (code, timestamp, offset), "{asked}");
        });
    }
}
