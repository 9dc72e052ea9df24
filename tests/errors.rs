//! Errors that need a real process around them, and damage met while serving. The others stand with
//! the tests of the native protocol and of the command line.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use duramen_protocol::batch::{BatchError, BatchHeader, batches};
use duramen_protocol::native::messages::{Hello, Ping, Read, Stats};
use duramen_protocol::native::{ANY_CORE, ErrorCode, ErrorDetail, frame};

use support::seccomp::refuse_io_uring_to_this_thread;
use support::server::{Ended, Server, folder, run, serve};
use support::wire::{Wire, batch, texts};

/// Runs a command as somebody who may nothing, if this machine lets us.
fn as_nobody(command: &Command) -> Option<Ended> {
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    other.arg(command.get_program()).args(command.get_args());
    let can_run = Command::new("setpriv").arg("--version").output().is_ok();
    can_run.then(|| run(&mut other))
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let dir = folder();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let data = dir.path().join("data");
    let ended = match rustix::process::geteuid().is_root() {
        true => as_nobody(&serve(&data)),
        false => Some(run(&mut serve(&data))),
    };
    let Some(ended) = ended else {
        println!("NOT TESTED: root may write everywhere, and there is no setpriv");
        return;
    };
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let path = data.to_str().unwrap();
    assert!(ended.stderr.contains(path) && ended.stderr.contains("Permission denied"), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
}

#[test]
fn strangers_are_cut_off_and_the_others_are_served() {
    let dir = folder();
    let server = Server::start(dir.path());
    // The beginning of a TLS handshake, and a hello that is never finished.
    let tls = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0x5a; 506]].concat();
    let half = &frame::request(1, 0, &Hello::new("half", ANY_CORE))[..20];
    let mut strangers = [tls.as_slice(), half].map(|bytes| {
        let mut wire = Wire::dial(server.address);
        wire.send_bytes(bytes);
        wire
    });
    let echo = Ping { echo: b"served?".to_vec() };
    assert_eq!(Wire::connect(server.address).call(0, &echo), Ok(echo));
    for stranger in &mut strangers {
        assert!(stranger.receive().is_none(), "an answer to no hello");
    }
    server.says("the connection is closed", 2);
    assert!(server.stop().success());
}

/// Flips a byte of the batch number `n` in a segment; gives its first and last offset.
fn damage(segment: &Path, n: usize) -> (i64, i64) {
    let mut bytes = std::fs::read(segment).unwrap();
    let mut position = 0;
    for _ in 0..n {
        position += BatchHeader::peek_size(&bytes[position..]).unwrap();
    }
    let header = BatchHeader::parse(&bytes[position..]).unwrap();
    bytes[position + 100] ^= 1;
    std::fs::write(segment, bytes).unwrap();
    (header.base_offset, header.last_offset())
}

/// A server that was stopped, and whose batches 3, 4 and the last one were damaged.
fn damaged(data: &Path) -> (Server, Wire, u32) {
    let server = Server::spawn(serve(data).args(["--cores", "1"])).unwrap();
    let mut wire = Wire::connect(server.address);
    wire.create("events", 1);
    let handle = wire.open("events", 0).handle;
    for n in 0..10 {
        let values = [0, 1].map(|i| format!("{n}/{i} {}", "d".repeat(3_000)));
        wire.append(handle, &batch(&values)).unwrap();
    }
    assert!(server.stop().success());
    let segment = data.join("events-0/00000000000000000000.log");
    for n in [3, 4, 9] {
        assert_eq!(damage(&segment, n), (2 * n as i64, 2 * n as i64 + 1));
    }
    let server = Server::spawn(serve(data).args(["--cores", "1"])).unwrap();
    let mut wire = Wire::connect(server.address);
    let handle = wire.open("events", 0).handle;
    (server, wire, handle)
}

/// Fails if a damaged batch was served. The last one may be cut.
fn assert_sound(bytes: &[u8], from: i64) {
    for (position, batch) in batches(bytes) {
        if let Err(error) = batch
            && !matches!(error, BatchError::Truncated { .. })
        {
            panic!("served from {from}, at byte {position}: {error}");
        }
    }
}

/// Reads on from an offset, past damage, to the end. Gives the offsets served, and the ranges that
/// were refused.
fn read_around(wire: &mut Wire, handle: u32, end: i64) -> (Vec<i64>, Vec<(i64, i64)>) {
    let (mut served, mut refused, mut next) = (Vec::new(), Vec::new(), 0);
    while next < end {
        wire.send(handle, &Read { offset: next, min_bytes: 1, max_bytes: 1 << 20, max_wait_ms: 0 });
        match wire.frame().records() {
            Ok((_, bytes)) => {
                assert_sound(&bytes, next);
                let new = texts(&bytes).into_iter().map(|(offset, _)| offset);
                served.extend(new.filter(|offset| *offset >= next));
                assert!(served.last() >= Some(&next), "no record at offset {next}");
                next = served.last().unwrap() + 1;
            }
            Err(error) => {
                assert_eq!(error.code, ErrorCode::CORRUPT_LOG, "{error}");
                let ErrorDetail::Corrupt { first, next_good } = error.detail else {
                    panic!("no range: {error:?}")
                };
                assert!(first <= next && next < next_good, "{error:?} at {next}");
                refused.push((first, next_good));
                next = next_good;
            }
        }
    }
    (served, refused)
}

#[test]
fn damaged_batches_are_refused_and_all_others_served() {
    let dir = folder();
    let (server, mut wire, handle) = damaged(dir.path());
    let whole: Vec<i64> = (0..6).chain(10..18).collect();
    // Twice: the second time what is known of the segment is used.
    for _ in 0..2 {
        let (served, refused) = read_around(&mut wire, handle, 20);
        assert_eq!(served, whole);
        let lost: Vec<i64> = refused.iter().flat_map(|&(first, next)| first..next).collect();
        assert_eq!(lost, [6, 7, 8, 9, 18, 19]);
    }
    // The log goes on behind it.
    assert_eq!(wire.append(handle, &batch(&["new"])).unwrap().base_offset, 20);
    assert_eq!(read_around(&mut wire, handle, 21).0.last(), Some(&20));
    assert!(server.stop().success());
}

/// Starts a server where io_uring is refused.
fn without_io_uring(data: &Path, io: &str) -> Result<Server, Ended> {
    let spawn = || {
        refuse_io_uring_to_this_thread();
        Server::spawn(serve(data).args(["--io", io]))
    };
    std::thread::scope(|scope| scope.spawn(spawn).join()).unwrap()
}

/// The cause and the remedy that a refusal names on this machine: the kernel asks the filter before
/// it looks at its own setting, so only the setting itself tells which of the two it was.
fn cause_and_remedy() -> [&'static str; 2] {
    let setting = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    match setting.as_deref().map(str::trim) {
        Ok("1" | "2") => ["kernel.io_uring_disabled is", "sysctl kernel.io_uring_disabled=0"],
        _ => ["by seccomp", "allow the io_uring system calls in the container's seccomp profile"],
    }
}

#[test]
fn where_io_uring_is_refused_the_server_says_why_and_serves_without_it() {
    let dir = folder();
    let server = without_io_uring(dir.path(), "auto").unwrap();
    let said = server.stderr();
    for words in ["blocking threads: io_uring is refused: "].into_iter().chain(cause_and_remedy()) {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    let mut wire = Wire::connect(server.address);
    assert_eq!(wire.call(0, &Stats {}).unwrap().io_engine, "blocking");
    wire.create("events", 1);
    let (mut wire, handle) = Wire::find(server.address, "events", 0).unwrap();
    assert_eq!(wire.append(handle, &batch(&["by threads"])).unwrap().base_offset, 0);
    assert_eq!(wire.read_all(handle, 1), ["by threads"]);
    server.kill();
    let server = without_io_uring(dir.path(), "auto").unwrap();
    let (mut wire, handle) = Wire::find(server.address, "events", 0).unwrap();
    assert_eq!(wire.read_all(handle, 1), ["by threads"]);
    assert!(server.stop().success());
}

#[test]
fn who_asks_for_io_uring_gets_it_or_a_reason() {
    let dir = folder();
    let data = dir.path().join("data");
    let ended = without_io_uring(&data, "uring").err().expect("a server without io_uring");
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with("duramen: io_uring is refused: "), "{}", ended.stderr);
    for words in cause_and_remedy().into_iter().chain([", or use --io blocking\n"]) {
        assert!(ended.stderr.contains(words), "no {words:?} in {}", ended.stderr);
    }
    assert_eq!((ended.stdout.as_str(), ended.stderr.lines().count()), ("", 1), "{ended:?}");
    assert!(!data.exists(), "nothing is made");
}
