//! The promises of the seam, one by one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use duramen::io::blocking::Blocking;
use duramen::io::{
    Block, DirectIo, Disk, ErrorKind, FileId, Mode, Op, Output, Probe, Token, WaitDisk, probe,
};
use rustix::fs::FlockOperation;

use crate::full::Mounted;
use crate::harness::{Bench, on_each_disk, on_each_disk_probed, pattern, slice};

#[test]
fn durable_writes_of_many_slices_are_read_back() {
    on_each_disk(async |bench: &mut Bench| write_and_read(bench).await);
}

async fn write_and_read(bench: &mut Bench) {
    let unit = bench.disk.block_bytes();
    let (file, len) = bench.open("a.log", Mode::Durable).await;
    assert_eq!(len, 0);
    let bytes = pattern(1, 7 * unit);
    let data = vec![
        slice(&bytes[..unit]),
        slice(&bytes[unit..unit]),
        slice(&bytes[unit..4 * unit]),
        slice(&bytes[4 * unit..]),
    ];
    let at = 3 * unit as u64;
    bench.ok(Op::Write { file, at, data }).await;
    assert_eq!(bench.read(file, at, bytes.len()).await, bytes);
    assert_eq!(bench.read(file, 0, 3 * unit).await, vec![0; 3 * unit], "the hole before");
    bench.ok(Op::Write { file, at: 0, data: vec![slice(&bytes[..unit])] }).await;
    assert_eq!(bench.read(file, 0, unit).await, &bytes[..unit]);
    bench.ok(Op::Write { file, at: 0, data: vec![] }).await;
    bench.ok(Op::Sync { file }).await;

    bench.ok(Op::Close { file }).await;
    let (file, len) = bench.open("a.log", Mode::Durable).await;
    assert_eq!(len, 10 * unit as u64);
    assert_eq!(bench.read(file, at, bytes.len()).await, bytes);
}

#[test]
fn more_slices_than_one_call_takes_are_written() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("many", Mode::Buffered).await;
        let bytes = pattern(2, 3000);
        let data = bytes.chunks(1).map(slice).collect();
        bench.ok(Op::Write { file, at: 5, data }).await;
        assert_eq!(bench.read(file, 5, 3000).await, bytes);
    });
}

#[test]
fn buffered_writes_go_anywhere() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("x.index", Mode::Buffered).await;
        bench.ok(Op::Write { file, at: 3, data: vec![slice(b"abc"), slice(b"de")] }).await;
        bench.ok(Op::Sync { file }).await;
        assert_eq!(bench.read(file, 0, 100).await, b"\0\0\0abcde");
        let (again, len) = bench.open("x.index", Mode::Read).await;
        assert_eq!(len, 8);
        let error = bench.err(Op::Write { file: again, at: 0, data: vec![slice(b"no")] }).await;
        assert!(error.to_string().ends_with("x.index: it was opened for reading"), "{error}");
    });
}

#[test]
fn reads_end_with_the_file() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("short", Mode::Buffered).await;
        bench.ok(Op::Write { file, at: 0, data: vec![slice(&pattern(3, 5000))] }).await;
        assert_eq!(bench.read(file, 4000, 4096).await, &pattern(3, 5000)[4000..]);
        assert_eq!(bench.read(file, 5000, 4096).await, b"");
        assert_eq!(bench.read(file, 1 << 40, 4096).await, b"");
    });
}

#[test]
fn a_read_fills_the_room_behind_what_a_block_holds() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("some", Mode::Buffered).await;
        bench.ok(Op::Write { file, at: 0, data: vec![slice(&pattern(4, 9000))] }).await;
        let mut into = Block::new(4096);
        into.append(b"kept");
        let kept = into.slice(0..4);
        let Output::Read(block) = bench.ok(Op::Read { file, at: 100, into }).await else {
            panic!("not a read");
        };
        assert_eq!(&*kept, b"kept");
        assert_eq!(&block[4..], &pattern(4, 9000)[100..100 + 4092]);
    });
}

#[test]
fn allocated_space_reads_as_zeroes_and_keeps_what_was_there() {
    on_each_disk(async |bench: &mut Bench| allocate(bench).await);
}

async fn allocate(bench: &mut Bench) {
    let unit = bench.disk.block_bytes();
    let (file, _) = bench.open("reserved", Mode::Durable).await;
    let bytes = pattern(5, unit);
    bench.ok(Op::Write { file, at: 0, data: vec![slice(&bytes)] }).await;
    bench.ok(Op::Allocate { file, at: 0, len: 5 * unit as u64 }).await;
    assert_eq!(bench.read(file, 0, unit).await, bytes);
    assert_eq!(bench.read(file, unit as u64, 8 * unit).await, vec![0; 4 * unit]);
    bench.ok(Op::Allocate { file, at: unit as u64, len: 10 }).await;
    assert_eq!(bench.names(bench.dir.clone()).await.last().unwrap().2, 5 * unit as u64);
}

#[test]
fn the_length_is_set_both_ways() {
    on_each_disk(async |bench: &mut Bench| {
        let unit = bench.disk.block_bytes();
        let (file, _) = bench.open("trimmed", Mode::Durable).await;
        bench.ok(Op::Write { file, at: 0, data: vec![slice(&pattern(6, 2 * unit))] }).await;
        bench.ok(Op::SetLen { file, len: 100 }).await;
        assert_eq!(bench.read(file, 0, 2 * unit).await, &pattern(6, unit)[..100]);
        bench.ok(Op::SetLen { file, len: 200 }).await;
        assert_eq!(bench.read(file, 100, 2 * unit).await, vec![0; 100]);
    });
}

#[test]
fn names_come_and_go() {
    on_each_disk(async |bench: &mut Bench| {
        let dir = bench.path("topic-0");
        bench.ok(Op::MakeDir { path: dir.clone() }).await;
        bench.ok(Op::MakeDir { path: dir.clone() }).await;
        bench.ok(Op::MakeDir { path: dir.join("sub") }).await;
        for name in ["b", "a", "c"] {
            let path = dir.join(name);
            bench.ok(Op::Store { path, at: 0, data: name.repeat(3).into_bytes() }).await;
        }
        bench.ok(Op::Rename { from: dir.join("c"), to: dir.join("a") }).await;
        bench.ok(Op::SyncDir { path: dir.clone() }).await;
        let name = |name: &str, is_dir, len| (name.to_owned(), is_dir, len);
        let expected = [name("a", false, 3), name("b", false, 3), name("sub", true, 0)];
        assert_eq!(bench.names(dir.clone()).await, expected);
        bench.ok(Op::Unlink { path: dir.join("b") }).await;
        assert_eq!(bench.names(dir.clone()).await.len(), 2);
        bench.ok(Op::RemoveDir { path: dir.clone() }).await;
        assert_eq!(bench.names(bench.dir.clone()).await, []);
    });
}

#[test]
fn small_files_are_stored_and_loaded_whole() {
    on_each_disk(async |bench: &mut Bench| {
        let path = bench.path("checkpoint");
        let bytes = pattern(7, 100_000);
        bench.ok(Op::Store { path: path.clone(), at: 0, data: bytes.clone() }).await;
        bench.ok(Op::Store { path: path.clone(), at: 10, data: b"end".to_vec() }).await;
        for (at, max_len, expected) in [
            (0, u64::MAX, [&bytes[..10], &b"end"[..]].concat()),
            (11, 100, b"nd".to_vec()),
            (2, 3, bytes[2..5].to_vec()),
            (99, 5, vec![]),
        ] {
            let Output::Bytes(loaded) =
                bench.ok(Op::Load { path: path.clone(), at, max_len }).await
            else {
                panic!("not bytes");
            };
            assert_eq!(loaded, expected, "{max_len} bytes at {at}");
        }
    });
}

#[test]
fn errors_name_the_operation_and_the_path() {
    on_each_disk(async |bench: &mut Bench| {
        let gone = bench.path("gone");
        let open = |path, mode| Op::Open { file: FileId(9), path, mode };
        let cases = [
            (open(gone.clone(), Mode::Read), "cannot open"),
            (open(gone.join("a.log"), Mode::Durable), "cannot open"),
            (Op::Load { path: gone.clone(), at: 0, max_len: 10 }, "cannot load"),
            (Op::Unlink { path: gone.clone() }, "cannot remove"),
            (Op::Rename { from: gone.clone(), to: bench.path("b") }, "cannot rename"),
            (Op::List { path: gone.clone() }, "cannot list folder"),
            (Op::SyncDir { path: gone.clone() }, "cannot sync folder"),
            (Op::RemoveDir { path: gone.clone() }, "cannot remove folder"),
            (Op::MakeDir { path: gone.join("b") }, "cannot make folder"),
        ];
        for (op, says) in cases {
            // Without syncs a folder is not looked for.
            if let Err(error) = bench.run(op).await {
                assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
                assert!(error.to_string().starts_with(says), "{error}");
                assert!(error.path.starts_with(gone.to_str().unwrap()), "{error}");
            } else {
                assert_eq!(says, "cannot sync folder");
            }
        }
        for mode in [Mode::Read, Mode::Buffered, Mode::Durable] {
            let error = bench.err(open(bench.dir.clone(), mode)).await;
            assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        }
        let error = bench.err(Op::Sync { file: FileId(77) }).await;
        assert_eq!(error.to_string(), "cannot use file 77: it is not open");
    });
}

#[test]
fn a_closed_file_is_forgotten_and_its_descriptor_stays_usable() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("held", Mode::Buffered).await;
        bench.ok(Op::Write { file, at: 0, data: vec![slice(b"still here")] }).await;
        let held = bench.disk.descriptor(file).unwrap();
        bench.ok(Op::Close { file }).await;
        bench.ok(Op::Unlink { path: bench.path("held") }).await;
        assert!(bench.disk.descriptor(file).is_none());
        let held = File::from(Arc::into_inner(held).unwrap());
        let mut bytes = [0; 10];
        held.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"still here");
        bench.err(Op::Close { file }).await;
    });
}

#[test]
fn opening_waits_until_a_predecessors_writes_have_landed() {
    on_each_disk(async |bench: &mut Bench| {
        let path = bench.path("journal");
        let predecessor = File::create(&path).unwrap();
        rustix::fs::flock(&predecessor, FlockOperation::LockExclusive).unwrap();
        let file = FileId(5);
        let open = bench.submit(Op::Open { file, path: path.clone(), mode: Mode::Durable });
        // Much later than the open could have completed.
        for _ in 0..100 {
            bench.names(bench.dir.clone()).await;
        }
        assert!(bench.is_outstanding(open), "opened beside its predecessor");
        predecessor.write_all_at(&[7; 4096], 0).unwrap();
        drop(predecessor);
        let opened = bench.wait_for(open).await;
        assert!(matches!(opened, Ok(Output::Opened { len: 4096 })), "{opened:?}");
    });
}

#[test]
fn hundreds_in_flight_complete_once_each() {
    on_each_disk(async |bench: &mut Bench| {
        let unit = bench.disk.block_bytes();
        let mut files = Vec::new();
        for i in 0..4 {
            files.push(bench.open(&format!("{i}.log"), Mode::Durable).await.0);
        }
        let place = |i: usize| (files[i % 4], (i / 4 * unit) as u64);
        let tokens: Vec<Token> = (0..600)
            .map(|i| {
                let (file, at) = place(i);
                let data = vec![slice(&pattern(i as u64, unit))];
                bench.submit(Op::Write { file, at, data })
            })
            .collect();
        for token in tokens {
            assert!(matches!(bench.wait_for(token).await, Ok(Output::Nothing)));
        }
        bench.poll();
        for i in 0..600 {
            let (file, at) = place(i);
            assert!(bench.read(file, at, unit).await == pattern(i as u64, unit), "write {i}");
        }
    });
}

#[test]
fn more_than_a_ring_holds_complete_once_each() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("read", Mode::Buffered).await;
        bench.ok(Op::Write { file, at: 0, data: vec![slice(&pattern(9, 4096))] }).await;
        let read = |_| bench.submit(Op::Read { file, at: 0, into: Block::new(4096) });
        let tokens: Vec<Token> = (0..5000).map(read).collect();
        for token in tokens {
            let Ok(Output::Read(block)) = bench.wait_for(token).await else { panic!("{token:?}") };
            assert!(block[..] == pattern(9, 4096));
        }
    });
}

#[test]
fn just_written_pages_are_resident() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("warm", Mode::Buffered).await;
        bench.ok(Op::Write { file, at: 0, data: vec![slice(&[1; 20_000])] }).await;
        // The kernel may be too old to say, and then says no.
        let says = bench.disk.resident(file, 0, 20_000);
        assert_eq!(bench.disk.resident(file, 4000, 8000), says);
        assert!(!bench.disk.resident(file, 0, 1 << 30));
        assert!(!bench.disk.resident(FileId(1234), 0, 1));
    });
}

#[test]
fn what_is_read_ahead_comes_to_the_page_cache_and_nothing_else() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("cold", Mode::Buffered).await;
        bench.ok(Op::Write { file, at: 0, data: vec![slice(&[1; 1 << 20])] }).await;
        bench.ok(Op::Sync { file }).await;
        let says = bench.disk.resident(file, 0, 1 << 20);
        let descriptor = bench.disk.descriptor(file).unwrap();
        rustix::fs::fadvise(&descriptor, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        // Where files lie in memory they are never cold.
        let is_cold = !bench.disk.resident(file, 0, 1 << 20);
        bench.ok(Op::ReadAhead { file, at: 300_000, len: 200_000 }).await;
        assert_eq!(bench.disk.resident(file, 300_000, 200_000), says);
        assert_eq!(bench.disk.resident(file, 700_000, 200_000), says && !is_cold);
        // As far as the file goes.
        bench.ok(Op::ReadAhead { file, at: 1_000_000, len: 1 << 20 }).await;
        bench.ok(Op::ReadAhead { file, at: 1 << 30, len: 4096 }).await;
        assert_eq!(bench.disk.resident(file, 1_000_000, 40_000), says);
        let error = bench.err(Op::ReadAhead { file: FileId(77), at: 0, len: 1 }).await;
        assert_eq!(error.to_string(), "cannot use file 77: it is not open");
    });
}

#[test]
fn without_direct_io_everything_goes_through_the_page_cache() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut probe = probe(dir.path()).unwrap();
    probe.direct = DirectIo::Refused { reason: "as a test".to_owned() };
    on_each_disk_probed(dir.path(), &probe, &async |bench: &mut Bench| {
        write_and_read(bench).await;
    });
}

#[test]
fn a_file_system_that_refuses_direct_writes_and_reservations() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mounted = match Mounted::ramfs(dir.path()) {
        Ok(mounted) => mounted,
        Err(reason) => return eprintln!("no file system that refuses: {reason}"),
    };
    let probe = probe(&mounted.0).unwrap();
    assert!(matches!(probe.direct, DirectIo::Refused { .. }), "{probe}");
    // The open itself falls back too, should the probe have been wrong.
    let hopeful = Probe { direct: DirectIo::Yes, ..probe.clone() };
    for probe in [probe, hopeful] {
        on_each_disk_probed(&mounted.0, &probe, &async |bench: &mut Bench| {
            write_and_read(bench).await;
            allocate(bench).await;
        });
    }
}

#[test]
fn durable_writes_of_less_than_blocks_are_refused_to_the_caller() {
    on_each_disk(async |bench: &mut Bench| {
        let (file, _) = bench.open("a.log", Mode::Durable).await;
        for (at, len) in [(0, 100), (100, 4096)] {
            let op = Op::Write { file, at, data: vec![slice(&pattern(10, len))] };
            let submit = std::panic::AssertUnwindSafe(|| bench.disk.submit(Token(0), op));
            assert!(std::panic::catch_unwind(submit).is_err(), "{len} bytes at {at}");
        }
    });
}

#[test]
fn recovery_can_wait_for_completions() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let setup = probe(dir.path()).unwrap().setup(false, Arc::new(|| ()));
    let mut disk = Blocking::start(3, setup).unwrap();
    let mut done = Vec::new();
    disk.wait(&mut done);
    assert!(done.is_empty(), "nothing in flight, nothing to wait for");
    for i in 0..50 {
        disk.submit(Token(i), Op::MakeDir { path: dir.path().join(i.to_string()) });
    }
    while disk.in_flight() > 0 {
        disk.wait(&mut done);
    }
    let mut tokens: Vec<u64> = done.iter().map(|done| done.token.0).collect();
    tokens.sort_unstable();
    assert_eq!(tokens, (0..50).collect::<Vec<u64>>());
}

#[test]
fn dropping_the_disk_finishes_what_was_submitted() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let setup = probe(dir.path()).unwrap().setup(false, Arc::new(|| ()));
    let mut disk = Blocking::start(1, setup).unwrap();
    for i in 0..50 {
        disk.submit(Token(i), Op::MakeDir { path: dir.path().join(i.to_string()) });
    }
    drop(disk);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 50);
}
