//! The real server, killed in the middle of load, again and again.
//!
//! Producers and a consumer go on over every kill and restart, on both disks. In the end each
//! acknowledged record must be there, once and where it was said to be, the offsets without a gap,
//! and what the consumer was shown unchanged. After every kill and every stop `duramen verify` must
//! find nothing but what a kill leaves.
//!
//! `DURAMEN_CRASHES=N cargo test --test crash` kills N times a disk instead of a few times.

mod support;

use std::net::SocketAddr;
use std::path::Path;

use duramen_protocol::native::messages::{
    CommitOffsets, CommittedOffset, Config, CreateTopic, FetchOffsets,
};
use rustix::process::Signal;

use support::load::Load;
use support::records::{are_dense, consume_all, is_prefix, is_whole, promises_are_kept};
use support::server::{Server, folder, serve, serve_again};
use support::wire::Wire;

const PARTITIONS: u32 = 4;
/// How often a server is killed in a quick run.
const CRASHES: u64 = 4;
/// The most records that are acknowledged between a start and the kill.
const RECORDS_BETWEEN: u64 = 3_000;

/// How often to kill.
fn crashes() -> u64 {
    let asked = std::env::var("DURAMEN_CRASHES").ok();
    asked.map_or(CRASHES, |asked| asked.parse().expect("DURAMEN_CRASHES is a number"))
}

fn start(data: &Path, io: &str) -> Server {
    let server = Server::spawn(serve(data).args(["--io", io])).unwrap();
    println!("{}", server.stderr().lines().next().unwrap_or_default());
    // Small segments, so that kills also come while one is rolled or sealed.
    let configs = [("segment.bytes", "1048576"), ("retention.ms", "-1")]
        .map(|(name, value)| Config { name: name.into(), value: value.into() });
    let name = "events".into();
    let configs = configs.into();
    let create = CreateTopic { name, partitions: PARTITIONS, configs, ..CreateTopic::default() };
    Wire::connect(server.address).call(0, &create).unwrap();
    server
}

fn restart(data: &Path, io: &str, address: SocketAddr) -> Server {
    let server = Server::spawn(serve_again(data, address).args(["--io", io]));
    server.unwrap_or_else(|ended| panic!("no restart: {ended:?}"))
}

/// Two idempotent producers over all partitions, a raw one on two, and a consumer.
fn load(server: &Server) -> Load {
    Load::new(server.address, "events")
        .idempotent("first", PARTITIONS)
        .idempotent("second", PARTITIONS)
        .raw("third", 0)
        .raw("fourth", 1)
        .follower()
}

/// Ends the load and holds it against the topic: as it stands, and after another kill and start.
fn settle(data: &Path, io: &str, server: Server, load: Load) {
    let address = server.address;
    let (reports, shown) = load.finish();
    let records = consume_all(address, "events");
    are_dense(&records);
    promises_are_kept(&records, &reports);
    is_prefix(&shown, &records);
    server.kill();
    is_whole(data);
    let server = restart(data, io, address);
    assert!(consume_all(address, "events") == records, "a consumer now gets other records");
    assert!(server.stop().success());
    is_whole(data);
}

fn killed_again_and_again(io: &str) {
    let dir = folder();
    let mut random = fastrand::Rng::new();
    let mut server = start(dir.path(), io);
    let address = server.address;
    let load = load(&server);
    for _ in 0..crashes() {
        load.wait_for(random.u64(1..RECORDS_BETWEEN));
        server.kill();
        is_whole(dir.path());
        server = restart(dir.path(), io, address);
    }
    load.wait_for(1);
    settle(dir.path(), io, server, load);
}

#[test]
fn kills_lose_and_double_nothing_on_the_ring() {
    killed_again_and_again("auto");
}

#[test]
fn kills_lose_and_double_nothing_on_blocking_threads() {
    killed_again_and_again("blocking");
}

/// Stops a server under load with `signals`, and starts it again. Gives the exit code.
fn stopped(io: &str, signals: &[Signal]) -> Option<i32> {
    let dir = folder();
    let server = start(dir.path(), io);
    let address = server.address;
    let load = load(&server);
    load.wait_for(RECORDS_BETWEEN);
    signals.iter().for_each(|&signal| server.signal(signal));
    let code = server.wait().code();
    is_whole(dir.path());
    let server = restart(dir.path(), io, address);
    load.wait_for(1);
    settle(dir.path(), io, server, load);
    code
}

#[test]
fn a_stop_under_load_is_clean() {
    assert_eq!(stopped("auto", &[Signal::TERM]), Some(0));
    assert_eq!(stopped("blocking", &[Signal::INT]), Some(0));
}

#[test]
fn a_second_signal_under_load_loses_nothing() {
    let code = stopped("auto", &[Signal::TERM, Signal::TERM]);
    // The stop may have been quicker than the second signal, or not have seen two of them.
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
}

/// Stores a position for a consumer; whether the server said it was done.
fn commit(address: SocketAddr, offset: i64) -> bool {
    let place = CommittedOffset {
        topic: "events".into(),
        partition: 0,
        offset,
        metadata: format!("after {offset}"),
    };
    let commit = CommitOffsets { group: "readers".into(), offsets: vec![place] };
    Wire::connect(address).call(0, &commit).is_ok()
}

#[test]
fn stored_positions_outlive_kills_under_load() {
    let dir = folder();
    let mut server = start(dir.path(), "auto");
    let address = server.address;
    let load = Load::new(address, "events").idempotent("first", PARTITIONS);
    for round in 1..=crashes() as i64 {
        load.wait_for(100);
        assert!(commit(address, round * 10) && commit(address, round * 10 + 1));
        server.kill();
        server = restart(dir.path(), "auto", address);
        let fetch = FetchOffsets { group: "readers".into(), partitions: None };
        let stored = Wire::connect(address).call(0, &fetch).unwrap().offsets;
        let expected = (round * 10 + 1, format!("after {}", round * 10 + 1));
        assert_eq!(stored.len(), 1);
        assert_eq!((stored[0].offset, stored[0].metadata.clone()), expected);
    }
    settle(dir.path(), "auto", server, load);
}
