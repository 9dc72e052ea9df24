//! Appending: pipelines, sequences, what is refused and how.

use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::native::frame::{DUPLICATE, NO_ANSWER};
use duramen_protocol::native::messages::{
    AllocateProducerId, AppendAnswer, CreateTopic, Open, Ping,
};
use duramen_protocol::native::{ErrorCode, ErrorDetail, FrameHeader, Opcode};

use crate::support::server::{Server, folder, serve};
use crate::support::wire::{Wire, batch};

/// A server of one core with a topic of one partition, opened.
fn one_partition(dir: &std::path::Path) -> (Server, Wire, u32) {
    let server = Server::spawn(serve(dir).args(["--cores", "1"])).unwrap();
    let mut wire = Wire::connect(server.address);
    wire.create("events", 1);
    let handle = wire.open("events", 0).handle;
    (server, wire, handle)
}

/// A batch of an idempotent producer.
fn sequenced(producer_id: i64, epoch: i16, sequence: i32, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.set_producer(producer_id, epoch, sequence);
    for value in values {
        builder.append(1_000, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish().unwrap()
}

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
fn producers_are_idempotent_across_connections_and_a_stop() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    let id = wire.call(0, &AllocateProducerId {}).unwrap().producer_id;
    assert_ne!(wire.call(0, &AllocateProducerId {}).unwrap().producer_id, id);
    let first = sequenced(id, 0, 0, &["a", "b"]);
    assert_eq!(wire.append(handle, &first).unwrap().base_offset, 0);
    wire.send_append(handle, &first);
    let again = wire.frame();
    assert_eq!(again.header.flags & DUPLICATE, DUPLICATE);
    assert_eq!(again.answer::<AppendAnswer>(Opcode::Append).unwrap().base_offset, 0);
    let gap = wire.append(handle, &sequenced(id, 0, 7, &["x"])).unwrap_err();
    assert_eq!(gap.code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(wire.append(handle, &sequenced(id, 0, 2, &["c"])).unwrap().base_offset, 2);
    assert!(server.stop().success());

    let server = Server::spawn(serve(dir.path()).args(["--cores", "1"])).unwrap();
    let mut wire = Wire::connect(server.address);
    let open = Open { producer_id: id, producer_epoch: 0, ..Open::plain("events", 0) };
    let opened = wire.call(0, &open).unwrap();
    assert_eq!(opened.last_sequence(), Some(2));
    assert_eq!(opened.durable[0].last_offset, 2);
    let another = wire.call(0, &AllocateProducerId {}).unwrap().producer_id;
    assert!(another > id, "an id is never given twice");
    wire.send_append(opened.handle, &sequenced(id, 0, 2, &["c"]));
    assert_eq!(wire.frame().header.flags & DUPLICATE, DUPLICATE);
    let old = wire.append(opened.handle, &sequenced(id, 1, 0, &["d"])).map(|_| ());
    assert_eq!(old, Ok(()));
    let fenced = wire.append(opened.handle, &sequenced(id, 0, 3, &["e"])).unwrap_err();
    assert_eq!(fenced.code, ErrorCode::INVALID_PRODUCER_EPOCH);
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
