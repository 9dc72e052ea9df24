//! Idempotent producers: batches that come again, over connections, stops and kills.
//!
//! Everything is sent by hand, to the byte: the client takes out of what it sends again whatever
//! `OPEN` says is durable, so a server that had forgotten it would go unnoticed.

use duramen_protocol::batch::{BatchBuilder, Codec};
use duramen_protocol::native::frame::DUPLICATE;
use duramen_protocol::native::messages::{
    AllocateProducerId, AppendAnswer, DurableBatch, Open, OpenAnswer,
};
use duramen_protocol::native::{ErrorCode, Opcode};

use crate::one_partition::{one_core, one_partition, open};
use crate::support::server::{Server, folder};
use crate::support::wire::Wire;

/// A batch of an idempotent producer.
fn sequenced(producer_id: i64, epoch: i16, sequence: i32, values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.set_producer(producer_id, epoch, sequence);
    for value in values {
        builder.append(1_000, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish().unwrap()
}

fn allocate(wire: &mut Wire) -> i64 {
    wire.call(0, &AllocateProducerId {}).unwrap().producer_id
}

fn open_as(wire: &mut Wire, producer_id: i64, producer_epoch: i16) -> OpenAnswer {
    let open = Open { producer_id, producer_epoch, ..Open::plain("events", 0) };
    wire.call(0, &open).unwrap()
}

/// Takes the answer to an append: the offset, and whether the batch was there before.
fn take_append(wire: &mut Wire) -> (i64, bool) {
    let frame = wire.frame();
    let answer: AppendAnswer = frame.answer(Opcode::Append).unwrap();
    (answer.base_offset, frame.header.flags & DUPLICATE != 0)
}

/// A producer's batches of two records each, all of them in the log.
struct Sent {
    producer_id: i64,
    batches: Vec<Vec<u8>>,
    values: Vec<String>,
}

impl Sent {
    /// Sends eight batches, each of the last ones twice before its first answer is there.
    fn to(wire: &mut Wire, handle: u32) -> Sent {
        let producer_id = allocate(wire);
        let values: Vec<String> = (0..16).map(|n| format!("record {n}")).collect();
        let batch = |n: usize| {
            let values = [values[2 * n].as_str(), values[2 * n + 1].as_str()];
            sequenced(producer_id, 0, 2 * n as i32, &values)
        };
        let batches: Vec<Vec<u8>> = (0..8).map(batch).collect();
        for (n, batch) in batches.iter().enumerate() {
            let times = if n < 4 { 1 } else { 2 };
            for _ in 0..times {
                wire.send_append(handle, batch);
            }
            for time in 0..times {
                assert_eq!(take_append(wire), (2 * n as i64, time > 0), "batch {n}, time {time}");
            }
        }
        Sent { producer_id, batches, values }
    }

    /// Sends everything again on a new connection, and looks at what is there before and after.
    fn check_again(&self, server: &Server, when: &str) {
        let (mut wire, handle) = open(server);
        let count = self.values.len() as i64;
        let opened = open_as(&mut wire, self.producer_id, 0);
        let newest = |n: i64| DurableBatch { last_sequence: n as i32, last_offset: n };
        assert_eq!(opened.durable, [7, 9, 11, 13, 15].map(newest), "{when}");
        for _ in 0..2 {
            for (n, batch) in self.batches.iter().enumerate() {
                wire.send_append(handle, batch);
                if n < self.batches.len() - 5 {
                    let forgotten = wire.frame().answer::<AppendAnswer>(Opcode::Append);
                    let error = forgotten.unwrap_err();
                    assert_eq!(error.code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "{when}");
                } else {
                    assert_eq!(take_append(&mut wire), (2 * n as i64, true), "{when}: batch {n}");
                }
            }
        }
        assert_eq!(wire.open("events", 0).durable_end, count, "{when}: nothing was added");
        assert_eq!(wire.read_all(handle, count), self.values, "{when}");
    }
}

#[test]
fn the_last_five_batches_are_known_again_over_kills_and_stops() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    let sent = Sent::to(&mut wire, handle);
    sent.check_again(&server, "on another connection");
    server.kill();
    let server = one_core(dir.path());
    sent.check_again(&server, "after a kill");
    // What the first start has recovered comes from its checkpoint now.
    server.kill();
    let server = one_core(dir.path());
    sent.check_again(&server, "after another kill");
    assert!(server.stop().success());
    sent.check_again(&one_core(dir.path()), "after a stop");
}

#[test]
fn producers_are_idempotent_across_connections_and_a_stop() {
    let dir = folder();
    let (server, mut wire, handle) = one_partition(dir.path());
    let id = allocate(&mut wire);
    assert_ne!(allocate(&mut wire), id);
    let first = sequenced(id, 0, 0, &["a", "b"]);
    assert_eq!(wire.append(handle, &first).unwrap().base_offset, 0);
    wire.send_append(handle, &first);
    assert_eq!(take_append(&mut wire), (0, true));
    let gap = wire.append(handle, &sequenced(id, 0, 7, &["x"])).unwrap_err();
    assert_eq!(gap.code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(wire.append(handle, &sequenced(id, 0, 2, &["c"])).unwrap().base_offset, 2);
    assert!(server.stop().success());

    let server = one_core(dir.path());
    let mut wire = Wire::connect(server.address);
    assert_eq!(open_as(&mut wire, id, 1).durable, [], "of another epoch");
    let opened = open_as(&mut wire, id, 0);
    assert_eq!(opened.last_sequence(), Some(2));
    let known = opened.durable.iter().map(|batch| (batch.last_sequence, batch.last_offset));
    assert_eq!(known.collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    assert!(allocate(&mut wire) > id, "an id is never given twice");
    wire.send_append(opened.handle, &sequenced(id, 0, 2, &["c"]));
    assert_eq!(take_append(&mut wire), (2, true));
    let old = wire.append(opened.handle, &sequenced(id, 1, 0, &["d"])).map(|_| ());
    assert_eq!(old, Ok(()));
    let fenced = wire.append(opened.handle, &sequenced(id, 0, 3, &["e"])).unwrap_err();
    assert_eq!(fenced.code, ErrorCode::INVALID_PRODUCER_EPOCH);
}
