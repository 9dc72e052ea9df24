//! Clients that do not read, and clients that flood: they wait, and memory stays bounded.

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use duramen_protocol::native::messages::{Credit, ListTopics, Ping, Read};
use duramen_protocol::native::{FrameHeader, frame};

use crate::one_partition::{one_partition, open};
use crate::support::server::{Server, folder};
use crate::support::wire::{Wire, batch, texts};

/// What the server's process holds, in bytes.
fn resident_bytes(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// One partition that holds so much.
fn with_mebibytes(data: &Path, mebibytes: usize) -> (Server, Wire, u32) {
    let (server, mut wire, handle) = one_partition(data);
    let large = batch(&["m".repeat(1 << 19)]);
    for _ in 0..2 * mebibytes {
        wire.append(handle, &large).unwrap();
    }
    (server, wire, handle)
}

/// Writes until the socket takes no more for a while. Returns how much it took.
fn flood(wire: &mut Wire, bytes: &[u8], most: usize) -> usize {
    wire.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut sent = 0;
    while sent < most {
        match wire.stream.write(bytes) {
            Ok(n) if n == bytes.len() => sent += n,
            Ok(_) => return sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
    }
    sent
}

#[test]
fn consumers_that_never_read_cost_their_bound() {
    let dir = folder();
    let (server, mut writer, theirs) = with_mebibytes(dir.path(), 20);
    let before = resident_bytes(&server);
    let mut idle = Vec::new();
    for _ in 0..30 {
        let (mut wire, handle) = open(&server);
        for n in 0..20 {
            let read = Read { offset: n, min_bytes: 0, max_bytes: 4 << 20, max_wait_ms: 0 };
            wire.send(handle, &read);
        }
        let subscription = wire.subscribe_unheard(handle, 0);
        wire.send(subscription, &Credit { bytes: 1 << 30 });
        idle.push(wire);
    }
    // The others go on: appends, and reads of everything.
    for n in 40..60 {
        let answer = writer.append(theirs, &batch(&["still served"])).unwrap();
        assert_eq!(answer.base_offset, n);
    }
    assert_eq!(texts(&writer.read(theirs, 59).unwrap().1).len(), 1);
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 100 << 20, "30 idle consumers took {grown} bytes");
    assert!(server.stop().success(), "nobody waits for those who do not read");
}

#[test]
fn answers_that_nobody_reads_stop_the_questions() {
    let dir = folder();
    let (server, mut other, _) = one_partition(dir.path());
    let before = resident_bytes(&server);
    let mut wire = Wire::connect(server.address);
    let questions: Vec<u8> = (0..1_000)
        .flat_map(|n| frame::request(n, 0, &ListTopics {}).to_vec())
        .chain((0..1_000).flat_map(|n| frame::request(n, 0, &Ping { echo: vec![7; 64] }).to_vec()))
        .collect();
    let most = 200 << 20;
    assert!(flood(&mut wire, &questions, most) < most, "nothing pushed back");
    let grown = resident_bytes(&server).saturating_sub(before);
    assert!(grown < 30 << 20, "unread answers took {grown} bytes");
    assert!(other.call(0, &Ping { echo: vec![] }).is_ok());
}

#[test]
fn a_flood_of_batches_is_stored_and_bounded() {
    let dir = folder();
    let (server, mut other, handle) = one_partition(dir.path());
    let (mut wire, theirs) = open(&server);
    let large = batch(&["f".repeat(500_000)]);
    let header = FrameHeader::append(1, theirs, 0, large.len() as u32).encode();
    let one = [&header[..], &large].concat();
    let count = 200;
    let mut sender = wire.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for _ in 0..count {
            sender.write_all(&one).unwrap();
        }
    });
    for n in 0..count {
        let frame = wire.frame();
        assert!(frame.header.error_code().is_none(), "append {n}: {frame:?}");
    }
    sending.join().unwrap();
    let held = resident_bytes(&server);
    assert!(held < 200 << 20, "{held} bytes are held after a flood of 100 MB");
    assert_eq!(other.append(handle, &batch(&["last"])).unwrap().base_offset, count);
}
