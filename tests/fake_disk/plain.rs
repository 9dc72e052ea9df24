//! What any disk does, and what tests can see and change.

use std::collections::BTreeSet;
use std::path::PathBuf;

use duramen::io::fake::Kind;
use duramen::io::{Disk, ErrorKind, FileId, Mode, Op, Output, Token};

use crate::driver::{Driver, FILE, rename, slice, with_file, write};

#[test]
fn bytes_come_back_through_both_kinds_of_writes() {
    for mode in [Mode::Buffered, Mode::Durable] {
        let mut driver = with_file(1, mode);
        driver
            .run(Op::Write {
                file: FILE,
                at: 4096,
                data: vec![slice(&[1; 4096]), slice(&[2; 8192])],
            })
            .unwrap();
        assert_eq!(driver.read(0, 4096), [0; 4096]);
        assert_eq!(driver.read(4096, 4096), [1; 4096]);
        assert_eq!(driver.read(12_288, 8192), [2; 4096], "short at the end");
        assert_eq!(driver.read(99_999, 4096), [0; 0]);
        driver.run(Op::SetLen { file: FILE, len: 5000 }).unwrap();
        driver.run(Op::Allocate { file: FILE, at: 0, len: 6000 }).unwrap();
        let mut expected = vec![0; 6000];
        expected[4096..5000].fill(1);
        assert_eq!(driver.fake.read_volatile("/d/f").unwrap(), expected);
    }
}

#[test]
fn buffered_writes_need_no_alignment() {
    let mut driver = with_file(1, Mode::Buffered);
    driver.write(3, b"hello");
    driver.write(5, b"y");
    assert_eq!(driver.fake.read_volatile("d/f").unwrap(), b"\0\0\0heylo");
}

#[test]
fn names_can_be_made_renamed_listed_and_removed() {
    let mut driver = Driver::new(1);
    driver.run(Op::MakeDir { path: "/a".into() }).unwrap();
    driver.run(Op::MakeDir { path: "/a".into() }).unwrap();
    driver.open(FILE, "/a/x", Mode::Buffered);
    driver.write(0, b"abc");
    driver.run(Op::MakeDir { path: "/a/b".into() }).unwrap();
    let Output::Names(names) = driver.run(Op::List { path: "/a".into() }).unwrap() else {
        panic!()
    };
    let names: Vec<_> = names.iter().map(|n| (n.name.as_str(), n.is_dir, n.len)).collect();
    assert_eq!(names, [("b", true, 0), ("x", false, 3)]);
    driver.run(rename("/a/x", "/a/b/y")).unwrap();
    assert_eq!(driver.fake.files(), ["/a/b/y"]);
    driver.run(Op::RemoveDir { path: "/a".into() }).unwrap();
    assert_eq!(driver.fake.files(), [""; 0]);
    assert_eq!(driver.read(0, 100), b"abc", "an open file outlives its name");
    driver.run(Op::Close { file: FILE }).unwrap();
    assert_eq!(driver.fake.used_bytes(), 0);
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut driver = with_file(1, Mode::Buffered);
    let none = PathBuf::from("/d/none");
    let mut refused = |op, kind, text: &str| {
        let error = driver.run(op).unwrap_err();
        assert_eq!((error.kind, error.to_string().as_str()), (kind, text));
    };
    let not_found = ErrorKind::NotFound;
    let open = Op::Open { file: FileId(9), path: none.clone(), mode: Mode::Read };
    refused(open, not_found, "cannot open /d/none: no such file");
    let open = Op::Open { file: FileId(9), path: "/x/y".into(), mode: Mode::Durable };
    refused(open, not_found, "cannot open /x/y: its folder is not there");
    refused(Op::Unlink { path: none.clone() }, not_found, "cannot remove /d/none: no such file");
    refused(Op::SyncDir { path: none }, not_found, "cannot sync folder /d/none: no such folder");
    refused(rename("/d", "/d/f/e"), not_found, "cannot rename /d: its folder is not there");
    refused(
        Op::Unlink { path: "/d".into() },
        ErrorKind::Failed,
        "cannot remove /d: it is a folder",
    );
}

#[test]
fn completions_come_in_any_order_and_all_come() {
    let mut orders = BTreeSet::new();
    for seed in 0..50 {
        let mut driver = with_file(seed, Mode::Durable);
        let tokens: Vec<Token> =
            (0..5).map(|i| driver.start(write(i * 4096, &[1; 4096]))).collect();
        let (mut done, mut calls) = (Vec::new(), 0);
        while driver.fake.in_flight() > 0 {
            driver.fake.poll(&mut done);
            calls += 1;
            assert!(calls < 10_000);
        }
        let order: Vec<Token> = done.iter().map(|done| done.token).collect();
        assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), tokens.into_iter().collect());
        orders.insert(order);
    }
    assert!(orders.len() > 30, "{}", orders.len());
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut driver = with_file(seed, Mode::Buffered);
        let mut script = fastrand::Rng::with_seed(7);
        for i in 0..100 {
            driver.start(write(i * 4096, &vec![script.u8(..); 4096]));
            driver.fake.poll(&mut Vec::new());
            if script.bool() {
                driver.start(Op::Sync { file: FILE });
            }
        }
        let after = driver.fake.crash(seed);
        (driver.fake.trace_hash(), after.files(), after.read_volatile("/d/f"))
    };
    for seed in 0..20 {
        assert!(run(seed) == run(seed), "seed {seed}");
    }
    assert!(run(1).0 != run(2).0);
}

#[test]
fn tests_can_look_and_meddle() {
    let mut driver = with_file(1, Mode::Buffered);
    driver.fake.keep_log(2);
    driver.write(0, b"abc");
    assert_eq!(driver.fake.read_volatile("/d/f").unwrap(), b"abc");
    assert_eq!(driver.fake.read_durable("/d/f").unwrap(), b"");
    driver.fake.flip_bit("/d/f", 1, 0);
    driver.fake.write_raw("/d/g/h", 2, b"x");
    driver.fake.truncate("/d/f", 2);
    let image = driver.fake.image(9);
    assert_eq!(image.files(), ["/d/f", "/d/g/h"]);
    assert_eq!(image.durable_files(), image.files());
    assert_eq!(image.read_durable("/d/f").unwrap(), b"ac");
    let counters = driver.fake.counters();
    assert_eq!((counters.buffered_writes, counters.buffered_bytes), (1, 3));
    assert_eq!((counters.of(Kind::Write), counters.of(Kind::SyncDir)), (1, 1));
    let log: Vec<&str> = driver.fake.log().collect();
    assert_eq!(log, ["write /d/f 0..3 (token 2)", "token 2: Nothing"]);
}
