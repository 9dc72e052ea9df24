//! Appending: pipelines, and what is refused and how.

use duramen_protocol::native::frame::NO_ANSWER;
use duramen_protocol::native::messages::{AppendAnswer, CreateTopic, DeleteTopic, Ping};
use duramen_protocol::native::{ErrorCode, ErrorDetail, FrameHeader, Opcode};

use crate::one_partition::one_partition;
use crate::support::server::folder;
use crate::support::wire::{Wire, batch};

#[test]
fn a_pipeline_is_applied_in_order_and_answered_in_full() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    let count = 2_000;
    let mut pipeline = Vec::new();
    for n in 0..count {
        let one = batch(&[format!("record {n}")]);
        let header = FrameHeader::append(n, handle, 0, one.len() as u32);
        pipeline.extend_from_slice(&header.encode());
        pipeline.extend_from_slice(&one);
    }
    let mut sender = wire.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &pipeline));
    for n in 0..count {
        let frame = wire.frame();
        let answer: AppendAnswer = frame.answer(Opcode::Append).unwrap();
        assert_eq!((frame.header.correlation, answer.base_offset), (n, i64::from(n)));
    }
    sending.join().unwrap().unwrap();
    let expected: Vec<_> = (0..count).map(|n| format!("record {n}")).collect();
    assert_eq!(wire.read_all(handle, count.into()), expected);
}

#[test]
fn bad_batches_are_refused_and_the_connection_goes_on() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    let small = [("max.message.bytes", "200")].map(|(name, value)| {
        duramen_protocol::native::messages::Config { name: name.into(), value: value.into() }
    });
    let create =
        CreateTopic { name: "small".into(), configs: small.into(), ..CreateTopic::default() };
    wire.call(0, &create).unwrap();
    let small = wire.open("small", 0);
    assert_eq!(small.max_message_bytes, 200);
    let error = wire.append(small.handle, &batch(&["x".repeat(300)])).unwrap_err();
    assert_eq!(error.code, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(error.detail, ErrorDetail::Limit { bytes: 200 });

    let mut corrupt = batch(&["fine until now"]);
    *corrupt.last_mut().unwrap() ^= 1;
    let code = |result: Result<AppendAnswer, _>| {
        let error: duramen_protocol::native::ErrorAnswer = result.unwrap_err();
        error.code
    };
    assert_eq!(code(wire.append(handle, &corrupt)), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(code(wire.append(handle, b"no batch")), ErrorCode::INVALID_RECORD);
    assert_eq!(code(wire.append(handle, b"")), ErrorCode::INVALID_RECORD);
    assert_eq!(code(wire.append(99, &batch(&["x"]))), ErrorCode::UNKNOWN_HANDLE);
    assert_eq!(wire.append(handle, &batch(&["good"])).unwrap().base_offset, 0);
}

#[test]
fn an_append_without_answer_has_none_not_even_an_error() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    for bytes in [batch(&["quiet"]), b"nonsense".to_vec(), batch(&["too"])] {
        let header = FrameHeader::append(5, handle, NO_ANSWER, bytes.len() as u32);
        wire.send_bytes(&header.encode());
        wire.send_bytes(&bytes);
    }
    // The next answer is that of the next request, and by then the others are in the log.
    assert_eq!(wire.append(handle, &batch(&["loud"])).unwrap().base_offset, 2);
    assert!(wire.call(0, &Ping { echo: vec![] }).is_ok());
}

#[test]
fn batches_of_the_largest_size_go_both_ways() {
    let dir = folder();
    let (_server, mut wire, handle) = one_partition(dir.path());
    let value = vec![b'v'; 1_048_588 - 100];
    for n in 0..6 {
        assert_eq!(wire.append(handle, &batch(&[&value])).unwrap().base_offset, n);
    }
    for n in 0..6 {
        let read = duramen_protocol::native::messages::Read {
            offset: n,
            min_bytes: 1,
            max_bytes: 1,
            max_wait_ms: 0,
        };
        wire.send(handle, &read);
        let (_, bytes) = wire.frame().records().unwrap();
        let values = crate::support::wire::values(&bytes);
        assert_eq!(values, [(n, value.clone())], "one whole batch, whatever max_bytes says");
    }
}

/// The deletion comes in the middle of large appends: what its segment has yet to get is dropped.
#[test]
fn a_topic_that_is_deleted_under_load_leaves_the_others_alone() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    let mut other = Wire::connect(server.address);
    let large = batch(&vec![[b'x'; 1000]; 1000]);
    let in_flight = 12;
    for sent in 0..60 {
        wire.send_append(handle, &large);
        if sent >= in_flight {
            wire.frame().answer::<AppendAnswer>(Opcode::Append).unwrap();
        }
    }
    other.call(0, &DeleteTopic { name: "events".into() }).unwrap();
    // Acknowledged or refused: each is answered.
    (0..in_flight).for_each(|_| drop(wire.frame()));
    other.create("events", 1);
    let handle = other.open("events", 0).handle;
    assert_eq!(other.append(handle, &large).unwrap().base_offset, 0);
    assert!(server.stop().success());
}
