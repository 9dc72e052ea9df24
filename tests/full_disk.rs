//! A server whose disk is full: it refuses appends before anything of them is staged, serves what
//! there is, loses nothing, and goes on by itself once there is room.
//!
//! The disk is a small ext4 of its own where this machine lets one be made; a limit on the size of
//! the server's files does for one everywhere.

mod support;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use duramen_protocol::client::{Client, OutRecord, ProducerConfig};
use duramen_protocol::codes::{Class, ErrorCode};
use duramen_protocol::native::messages::{Config, CreateTopic};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use support::records::{are_dense, block_on, consume_all, is_whole};
use support::server::{Server, files_below, folder, serve, serve_again};
use support::small_disk::SmallDisk;
use support::wire::{Wire, batch};

const MIB: u64 = 1 << 20;
/// Far longer than it takes to notice that there is room again.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of one core with small journals, whose settings lie beside `data`.
fn small(data: &Path, io: &str) -> Command {
    let settings = data.with_extension("toml");
    std::fs::write(&settings, "journal.bytes = 16777216\njournal.file.bytes = 4194304\n").unwrap();
    let mut command = serve(data);
    command.args(["--cores", "1", "--io", io, "--config"]).arg(settings);
    command
}

/// Starts it, with a topic of segments of 16 MiB.
fn start(command: &mut Command) -> (Server, Wire, u32) {
    let server = Server::spawn(command).unwrap();
    let mut wire = Wire::connect(server.address);
    let configs = vec![Config { name: "segment.bytes".into(), value: (16 * MIB).to_string() }];
    let create = CreateTopic { name: "events".into(), configs, ..CreateTopic::default() };
    wire.call(0, &create).unwrap();
    let handle = wire.open("events", 0).handle;
    (server, wire, handle)
}

/// The record number `n`.
fn value(n: usize) -> String {
    format!("{n} {}", "f".repeat(50_000))
}

/// Appends until the disk is full. Gives how many records were taken.
fn append_until_full(wire: &mut Wire, handle: u32, data: &Path) -> usize {
    for n in 0.. {
        assert!(n < 10_000, "there was room for everything");
        let Err(error) = wire.append(handle, &batch(&[value(n)])) else { continue };
        assert_eq!((error.code, error.code.class()), (ErrorCode::STORAGE_FULL, Class::Retriable));
        let disk = data.file_name().unwrap().to_str().unwrap();
        assert!(error.message.contains(disk), "names no disk: {error}");
        return n;
    }
    unreachable!()
}

/// Appends a record as soon as there is room.
fn append_when_there_is_room(wire: &mut Wire, handle: u32, n: usize) {
    let began = Instant::now();
    while let Err(error) = wire.append(handle, &batch(&[value(n)])) {
        assert_eq!(error.code, ErrorCode::STORAGE_FULL, "{error}");
        assert!(began.elapsed() < PATIENCE, "no appends though there is room: {error}");
    }
}

/// Fails unless the topic's one partition begins with the first `count` records, and tells how many
/// others follow.
fn holds(server: &Server, count: usize) -> usize {
    let records = consume_all(server.address, "events");
    are_dense(&records);
    let records = &records[&0];
    for (n, (_, found)) in records[..count].iter().enumerate() {
        assert!(*found == value(n), "record {n}: {found:.20}");
    }
    records.len() - count
}

/// Fills the disk of a server, frees it with `free`, and kills the server: nothing is lost.
fn refuses_and_resumes(
    data: &Path,
    command: &mut Command,
    limit: impl FnOnce(&Server),
    free: impl FnOnce(&Server),
) {
    let (server, mut wire, handle) = start(command);
    limit(&server);
    let taken = append_until_full(&mut wire, handle, data);
    assert_eq!(holds(&server, taken), 0, "reads are served, and a refused batch left nothing");
    // A producer of the client's library waits for room.
    let address = server.address;
    let waiting = std::thread::spawn(move || {
        block_on(async {
            let client = Client::connect(address.to_string()).await.unwrap();
            let producer = client.producer("events", ProducerConfig::default()).await.unwrap();
            let mut deliveries = Vec::new();
            for n in 0..10 {
                let record = OutRecord::new(format!("patient {n}"));
                deliveries.push(producer.send(record).await.unwrap());
            }
            for delivery in deliveries {
                delivery.await.unwrap();
            }
        });
    });
    let error = wire.append(handle, &batch(&[value(taken)])).unwrap_err();
    assert_eq!(error.code, ErrorCode::STORAGE_FULL);
    free(&server);
    waiting.join().unwrap();
    append_when_there_is_room(&mut wire, handle, taken + 10);
    assert_eq!(holds(&server, taken), 11);
    server.kill();
    is_whole(data);
    let server = Server::spawn(command).unwrap();
    assert_eq!(holds(&server, taken), 11);
    assert!(server.stop().success());
    is_whole(data);
}

/// A small disk, or none and why said.
fn small_disk(dir: &Path) -> Option<SmallDisk> {
    let disk = SmallDisk::ext4(dir, 96 * MIB);
    disk.map_err(|reason| println!("NOT TESTED on a small file system: {reason}")).ok()
}

#[test]
fn a_really_full_disk_refuses_appends_and_nothing_else() {
    for io in ["auto", "blocking"] {
        let dir = folder();
        let Some(disk) = small_disk(dir.path()) else { return };
        let data = disk.data();
        let fill = |_: &Server| disk.fill(12 * MIB);
        refuses_and_resumes(&data, &mut small(&data, io), fill, |_| disk.free());
    }
}

/// Limits how large a file of the server may become.
fn limit_files(server: &Server, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Pid::from_raw(server.pid() as i32), Resource::Fsize, limit).unwrap();
}

#[test]
fn a_limit_on_file_sizes_is_a_full_disk() {
    for io in ["auto", "blocking"] {
        let dir = folder();
        let data = dir.path().join("data");
        let limit = |server: &Server| limit_files(server, Some(8 * MIB));
        let free = |server: &Server| limit_files(server, None);
        refuses_and_resumes(&data, &mut small(&data, io), limit, free);
    }
}

/// The bytes of every journal file.
fn journals(data: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = files_below(&data.join(".duramen")).into_iter();
    let journals =
        files.filter(|path| path.file_name().unwrap().as_bytes().starts_with(b"journal"));
    journals.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn a_start_on_a_full_disk_fails_and_leaves_the_journals_alone() {
    let dir = folder();
    let Some(disk) = small_disk(dir.path()) else { return };
    let data = disk.data();
    let (server, mut wire, handle) = start(&mut small(&data, "auto"));
    for n in 0..60 {
        wire.append(handle, &batch(&[value(n)])).unwrap();
    }
    let address = server.address;
    server.kill();
    let before = journals(&data);
    assert!(!before.is_empty());
    disk.fill(0);
    let ended = Server::spawn(&mut small(&data, "auto")).err().expect("it started on a full disk");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("full") || ended.stderr.contains("No space"), "{ended:?}");
    let after = journals(&data);
    for (path, bytes) in &before {
        assert!(after.get(path) == Some(bytes), "{} was changed", path.display());
    }
    disk.free();
    let mut command = small(&data, "auto");
    command.args(serve_again(&data, address).get_args().skip(1));
    let server = Server::spawn(&mut command).unwrap();
    assert_eq!(holds(&server, 60), 0);
    assert!(server.stop().success());
    is_whole(&data);
}
