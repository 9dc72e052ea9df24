//! Clients that go away while their request waits.

use std::time::{Duration, Instant};

use duramen_protocol::kafka::messages::{FetchRequest, ProduceResponse};

use crate::fetch::request;
use crate::groups::{Member, group_server, three};
use crate::support::kafka_wire::{KafkaWire, produce_request};
use crate::support::server::Server;
use crate::{batch, connect};
use duramen_protocol::batch::Codec;

/// How many sockets a server has open.
fn sockets(server: &Server) -> usize {
    let all = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    // One may be closed meanwhile.
    let targets = all.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// Waits until a server has no more open than that, and lets `meanwhile` go on: far shorter than
/// what is waited for there.
fn has_again(server: &Server, count: usize, mut meanwhile: impl FnMut()) {
    let start = Instant::now();
    while sockets(server) > count {
        assert!(start.elapsed() < Duration::from_secs(20), "{} are open", sockets(server));
        meanwhile();
    }
}

#[test]
fn a_fetch_ends_with_its_client() {
    let (mut wire, (_dir, server)) = connect();
    wire.create("events", 4, &[]);
    let one = batch(Codec::None, &["a"]);
    (0..4).for_each(|partition| assert!(wire.produce("events", partition, &one).0.is_ok()));
    let before = sockets(&server);
    let at_end = [(0, 1), (1, 1), (2, 1), (3, 1)];
    let waiting = FetchRequest { max_wait_ms: 60_000, ..request(&at_end, 1 << 20) };
    let mut readers: Vec<KafkaWire> =
        (0..20).map(|n| KafkaWire::connect(server.kafka[n % 2])).collect();
    for reader in &mut readers {
        reader.send(11, &waiting);
        // What stands behind it is no reason not to notice.
        reader.send(9, &produce_request("events", 0, &one));
    }
    drop(readers);
    has_again(&server, before, std::thread::yield_now);
}

/// What is sent behind a request that waits is answered behind it.
#[test]
fn requests_behind_one_that_waits_are_kept() {
    let (mut wire, (_dir, server)) = connect();
    wire.create("events", 1, &[]);
    let large = batch(Codec::None, &[&"x".repeat(30_000)]);
    let mut reader = KafkaWire::connect(server.kafka[0]);
    let waiting = FetchRequest { max_wait_ms: 60_000, ..request(&[(0, 0)], 1 << 20) };
    let fetch = reader.send(11, &waiting);
    let behind: Vec<i32> =
        (0..10).map(|_| reader.send(9, &produce_request("events", 0, &large))).collect();
    assert!(wire.produce("events", 0, &batch(Codec::None, &["a"])).0.is_ok());
    let frame = reader.receive().unwrap();
    let _: duramen_protocol::kafka::messages::FetchResponse<'_> =
        KafkaWire::answer(&frame, fetch, 11);
    for (n, number) in (1..).zip(behind) {
        let frame = reader.receive().unwrap();
        let answer: ProduceResponse<'_> = KafkaWire::answer(&frame, number, 9);
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, n);
    }
}

/// As in Kafka it is a member until its session is over; its connection is gone at once.
#[test]
fn a_join_ends_with_its_client() {
    let (_dir, server) = group_server();
    let mut members = three(&server);
    let before = sockets(&server);
    let mut joining = Member::new(&server);
    joining.send_join();
    // Whoever is there is told to join again, and does not.
    while members[0].heartbeat().is_ok() {
        std::thread::yield_now();
    }
    drop(joining);
    // They live, so that the rebalance goes on waiting for them.
    let heartbeat = |member: &mut Member| assert!(!member.heartbeat().is_ok());
    has_again(&server, before, || members.iter_mut().for_each(heartbeat));
}
