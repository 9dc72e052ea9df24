//! A disk that is full: appends are refused before anything is staged, reads go on, and appends do
//! too as soon as there is room. A limit on the size of files stands in for the disk.

use duramen_protocol::native::messages::Read;
use duramen_protocol::native::{Class, ErrorCode};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::server::{Server, folder, serve};
use crate::support::wire::{Wire, batch};

const MIB: u64 = 1 << 20;

/// Bounds the files of a server; `None` for no bound.
fn limit_files(server: &Server, bytes: Option<u64>) {
    let pid = Pid::from_raw(server.pid() as i32);
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

fn full_and_again(io: &str) {
    let dir = folder();
    let server = Server::spawn(serve(dir.path()).args(["--cores", "1", "--io", io])).unwrap();
    let mut wire = Wire::connect(server.address);
    wire.create("events", 1);
    let handle = wire.open("events", 0).handle;
    // Journal files have 8 MiB, and are made by now or fit.
    limit_files(&server, Some(9 * MIB));
    let large = batch(&["w".repeat(900_000)]);
    let mut stored = 0;
    let error = loop {
        match wire.append(handle, &large) {
            Ok(answer) => assert_eq!(answer.base_offset, stored),
            Err(error) => break error,
        }
        stored += 1;
        assert!(stored < 20, "nothing bounds the segment");
    };
    assert_eq!((error.code, error.code.class()), (ErrorCode::STORAGE_FULL, Class::Retriable));
    assert_eq!(wire.read_all(handle, stored).len() as i64, stored, "reads go on");

    limit_files(&server, None);
    let mut refusals = 0;
    let answer = loop {
        match wire.append(handle, &large) {
            Ok(answer) => break answer,
            Err(error) => assert_eq!(error.code, ErrorCode::STORAGE_FULL),
        }
        refusals += 1;
        // It looks again a few times a second: a read that finds nothing passes the time.
        let read = Read { offset: stored, min_bytes: 1, max_bytes: 1, max_wait_ms: 50 };
        wire.send(handle, &read);
        assert!(wire.frame().records().unwrap().1.is_empty());
        assert!(refusals < 1_000, "it never looks again");
    };
    assert_eq!(answer.base_offset, stored, "a refusal leaves no trace");
    assert!(server.stop().success());
    let server = Server::spawn(serve(dir.path()).args(["--cores", "1", "--io", io])).unwrap();
    let mut wire = Wire::connect(server.address);
    let handle = wire.open("events", 0).handle;
    assert_eq!(wire.read_all(handle, stored + 1).len() as i64, stored + 1);
}

#[test]
fn a_full_disk_refuses_and_goes_on_by_itself_on_the_ring() {
    full_and_again("auto");
}

#[test]
fn a_full_disk_refuses_and_goes_on_by_itself_on_blocking_threads() {
    full_and_again("blocking");
}
