//! The number of cores changes from start to start, under load, cleanly and by a kill: partitions
//! move to other cores with everything that was acknowledged, and clients find them there.

mod support;

use std::net::SocketAddr;
use std::path::Path;

use duramen_protocol::native::messages::{CommitOffsets, CommittedOffset, FetchOffsets};

use support::load::Load;
use support::records::{are_dense, consume_all, is_prefix, is_whole, promises_are_kept};
use support::server::{Server, folder, serve, serve_again};
use support::wire::Wire;

/// More than there are cores at any time, so that each has some.
const PARTITIONS: u32 = 24;

fn restart(data: &Path, io: &str, address: SocketAddr, cores: &str) -> Server {
    Server::spawn(serve_again(data, address).args(["--io", io, "--cores", cores])).unwrap()
}

fn positions() -> CommitOffsets {
    let at = |partition| CommittedOffset {
        topic: "events".into(),
        partition,
        offset: i64::from(partition) + 1,
        metadata: String::new(),
    };
    CommitOffsets { group: "readers".into(), offsets: (0..PARTITIONS).map(at).collect() }
}

fn moves_without_loss(io: &str) {
    // More cores than processors work as well, only not faster.
    let many = (std::thread::available_parallelism().map_or(1, usize::from) + 5).to_string();
    let dir = folder();
    let mut server = Server::spawn(serve(dir.path()).args(["--io", io, "--cores", "1"])).unwrap();
    let address = server.address;
    Wire::connect(address).create("events", PARTITIONS);
    let load = Load::new(address, "events")
        .idempotent("first", PARTITIONS)
        .idempotent("second", PARTITIONS)
        .raw("third", 7)
        .follower();
    let plan = [("2", true), ("1", false), (&many, true), ("1", true), ("2", false)];
    for (round, (cores, kill)) in plan.into_iter().enumerate() {
        load.wait_for(500);
        if round == 0 {
            Wire::connect(address).call(0, &positions()).unwrap();
        }
        match kill {
            true => server.kill(),
            false => assert!(server.stop().success()),
        }
        is_whole(dir.path());
        server = restart(dir.path(), io, address, cores);
    }
    load.wait_for(1);
    let (reports, shown) = load.finish();
    let records = consume_all(address, "events");
    assert_eq!(records.len(), PARTITIONS as usize);
    are_dense(&records);
    promises_are_kept(&records, &reports);
    is_prefix(&shown, &records);
    let fetch = FetchOffsets { group: "readers".into(), partitions: None };
    let mut stored = Wire::connect(address).call(0, &fetch).unwrap().offsets;
    stored.sort_by_key(|position| position.partition);
    assert_eq!(stored, positions().offsets);
}

#[test]
fn partitions_move_between_cores_on_the_ring() {
    moves_without_loss("auto");
}

#[test]
fn partitions_move_between_cores_on_blocking_threads() {
    moves_without_loss("blocking");
}
