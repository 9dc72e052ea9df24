//! Stopping, being killed, and starting again, on both disks and with another number of cores.

use std::path::Path;

use duramen_protocol::native::messages::{Open, Ping};
use duramen_protocol::native::{ErrorCode, ErrorDetail};
use rustix::process::Signal;

use crate::support::server::{Server, folder, serve};
use crate::support::wire::{Wire, batch, texts};

const PARTITIONS: u32 = 5;

fn start(data: &Path, cores: &str, io: &str) -> Server {
    start_with(data, cores, &["--io", io])
}

fn start_with(data: &Path, cores: &str, flags: &[&str]) -> Server {
    Server::spawn(serve(data).args(["--cores", cores]).args(flags)).unwrap()
}

/// A connection to the core that owns a partition, with the partition opened.
fn open(server: &Server, partition: u32) -> (Wire, u32, i64) {
    let mut core = 0;
    loop {
        let mut wire = Wire::connect_to(server.address, core).0;
        match wire.call(0, &Open::plain("events", partition)) {
            Ok(opened) => return (wire, opened.handle, opened.durable_end),
            Err(error) => match error.detail {
                ErrorDetail::Owner { core: owner } => core = owner,
                _ => panic!("{error}"),
            },
        }
    }
}

/// Appends to each partition, and checks that everything acknowledged before is there.
fn round(server: &Server, acknowledged: &mut [Vec<String>], name: &str) {
    for (partition, acknowledged) in (0..).zip(acknowledged) {
        let (mut wire, handle, durable_end) = open(server, partition);
        assert_eq!(durable_end, acknowledged.len() as i64, "{name}, partition {partition}");
        let read = wire.read_all(handle, durable_end);
        assert!(read == *acknowledged, "{name}, partition {partition}: other records");
        for n in 0..20 {
            let value = format!("{name} {n} {}", "x".repeat(n * 50));
            let answer = wire.append(handle, &batch(&[&value])).unwrap();
            assert_eq!(answer.base_offset, acknowledged.len() as i64);
            acknowledged.push(value);
        }
    }
}

fn again_and_again(flags: &[&str]) {
    let dir = folder();
    let mut acknowledged = vec![Vec::new(); PARTITIONS as usize];
    for (cores, kill) in [("2", true), ("3", true), ("1", false), ("4", true), ("2", false)] {
        let server = start_with(dir.path(), cores, flags);
        if acknowledged[0].is_empty() {
            Wire::connect(server.address).create("events", PARTITIONS);
        }
        round(&server, &mut acknowledged, &format!("{flags:?} on {cores}"));
        match kill {
            true => server.kill(),
            false => assert!(server.stop().success()),
        }
    }
    round(&start_with(dir.path(), "2", flags), &mut acknowledged, "last");
}

#[test]
fn what_was_acknowledged_is_there_after_kills_on_the_ring() {
    again_and_again(&[]);
}

#[test]
fn what_was_acknowledged_is_there_after_kills_on_blocking_threads() {
    again_and_again(&["--io", "blocking"]);
}

#[test]
fn what_was_acknowledged_is_there_after_kills_where_cores_stay_awake() {
    again_and_again(&["--spin-us", "200"]);
}

#[test]
fn a_disk_may_change_between_runs() {
    let dir = folder();
    let mut acknowledged = vec![Vec::new(); PARTITIONS as usize];
    let server = start(dir.path(), "2", "auto");
    Wire::connect(server.address).create("events", PARTITIONS);
    round(&server, &mut acknowledged, "ring");
    server.kill();
    let server = start(dir.path(), "2", "blocking");
    round(&server, &mut acknowledged, "threads");
    server.kill();
    round(&start(dir.path(), "2", "auto"), &mut acknowledged, "ring again");
}

#[test]
fn what_was_accepted_before_the_signal_is_answered() {
    let dir = folder();
    let server = start(dir.path(), "1", "auto");
    let mut wire = Wire::connect(server.address);
    wire.create("events", 1);
    let handle = wire.open("events", 0).handle;
    let large = batch(&["y".repeat(300_000)]);
    for _ in 0..30 {
        wire.send_append(handle, &large);
    }
    let mut idle = Wire::connect(server.address);
    assert!(idle.call(0, &Ping { echo: vec![] }).is_ok());
    wire.frame();
    server.signal(Signal::TERM);
    let mut answered = 1;
    while let Some(frame) = wire.receive() {
        match frame.header.error_code() {
            None => answered += 1,
            Some(code) => assert_eq!(code, ErrorCode::SHUTTING_DOWN),
        }
    }
    assert!(idle.receive().is_none(), "idle connections are closed");
    assert!(server.wait().success());
    let server = start(dir.path(), "1", "auto");
    let opened = Wire::connect(server.address).open("events", 0);
    assert!(opened.durable_end >= answered, "{} < {answered}", opened.durable_end);
}

#[test]
fn a_second_signal_ends_at_once_and_loses_nothing() {
    let dir = folder();
    let server = start(dir.path(), "1", "auto");
    let mut wire = Wire::connect(server.address);
    wire.create("events", 1);
    let handle = wire.open("events", 0).handle;
    wire.append(handle, &batch(&["kept"])).unwrap();
    server.signal(Signal::INT);
    server.signal(Signal::TERM);
    // The stop may have been quicker than the second signal.
    assert!(matches!(server.wait().code(), Some(0 | 1)));
    let server = start(dir.path(), "1", "auto");
    let mut wire = Wire::connect(server.address);
    let handle = wire.open("events", 0).handle;
    assert_eq!(texts(&wire.read(handle, 0).unwrap().1), [(0, "kept".to_owned())]);
}

#[test]
fn a_deleted_topic_stays_deleted_and_its_folder_goes() {
    let dir = folder();
    let server = start(dir.path(), "2", "auto");
    let mut wire = Wire::connect(server.address);
    wire.create("events", 2);
    let (mut owner, handle, _) = open(&server, 0);
    owner.append(handle, &batch(&["x"])).unwrap();
    let delete = duramen_protocol::native::messages::DeleteTopic { name: "events".into() };
    wire.call(0, &delete).unwrap();
    server.kill();
    let server = start(dir.path(), "2", "auto");
    let mut wire = Wire::connect(server.address);
    let error = wire.call(0, &Open::plain("events", 0)).unwrap_err();
    assert_eq!(error.code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(server.stop().success());
    assert!(!dir.path().join("events-0").exists());
}
