//! Errors, the full disk, operations held back, and the power cut at a step.

use std::collections::BTreeSet;

use duramen::io::fake::{Filter, Kind};
use duramen::io::{Disk, ErrorKind, Mode, Op};

use crate::driver::{FILE, SEEDS, read, sectors, with_file, write};

#[test]
fn one_write_fails_and_may_have_landed_in_part() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Durable);
        driver.write(0, &[1; 4096]);
        driver.fake.fail_nth(Filter::kind(Kind::Write).path("/d/"), 1, ErrorKind::Failed);
        driver.write(4096, &[1; 4096]);
        let error = driver.run(write(0, &[2; 4096])).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /d/f: injected fault");
        driver.write(4096, &[3; 4096]);
        outcomes.insert(sectors(&driver.read(0, 4096)));
    }
    assert!(outcomes.len() > 20, "{}", outcomes.len());
}

#[test]
fn a_disk_fails_for_good_until_it_is_healed() {
    let mut driver = with_file(1, Mode::Durable);
    driver.fake.fail_for_good(Filter::any().path("/d/f"), ErrorKind::Failed);
    for op in [read(0, 10), write(0, &[1; 4096]), Op::Sync { file: FILE }, write(0, &[1; 4096])] {
        assert_eq!(driver.run(op).unwrap_err().kind, ErrorKind::Failed);
    }
    driver.run(Op::MakeDir { path: "/other".into() }).unwrap();
    driver.fake.heal();
    driver.write(0, &[1; 4096]);
    driver.fake.fail_sometimes(Filter::kind(Kind::Read), 0.5, ErrorKind::Failed);
    let failed = (0..100).filter(|_| driver.run(read(0, 10)).is_err()).count();
    assert!((20..80).contains(&failed), "{failed}");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let mut driver = with_file(1, Mode::Durable);
    driver.fake.set_capacity(Some(16_384));
    driver.run(Op::Allocate { file: FILE, at: 0, len: 12_288 }).unwrap();
    driver.write(0, &[1; 12_288]);
    assert_eq!(driver.run(write(8192, &[2; 12_288])).unwrap_err().kind, ErrorKind::Full);
    let grow = Op::Allocate { file: FILE, at: 12_288, len: 4097 };
    assert_eq!(driver.run(grow).unwrap_err().kind, ErrorKind::Full);
    assert_eq!(driver.read(0, 20_000), [1; 12_288], "nothing of it landed");
    driver.run(Op::SetLen { file: FILE, len: 4096 }).unwrap();
    driver.write(4096, &[2; 12_288]);
    assert_eq!(driver.fake.used_bytes(), 16_384);
    driver.run(Op::Unlink { path: "/d/f".into() }).unwrap();
    assert_eq!(driver.fake.used_bytes(), 16_384, "still open");
    driver.run(Op::Close { file: FILE }).unwrap();
    assert_eq!(driver.fake.used_bytes(), 0);
}

#[test]
fn held_operations_wait_for_their_release() {
    let mut driver = with_file(1, Mode::Durable);
    let hold = driver.fake.hold_nth(Filter::kind(Kind::Write).path("/d/f"), 1);
    driver.write(0, &[1; 4096]);
    let held = driver.start(write(4096, &[2; 4096]));
    driver.write(8192, &[3; 4096]);
    let mut done = Vec::new();
    (0..1000).for_each(|_| driver.fake.poll(&mut done));
    assert!(done.is_empty());
    assert_eq!(driver.fake.held(), [held]);
    driver.fake.release(hold);
    driver.finish(held).unwrap();
}

#[test]
fn the_power_goes_off_at_a_step() {
    for step in 2..6 {
        let mut driver = with_file(3, Mode::Durable);
        driver.fake.halt_at(step);
        let mut acknowledged = 0;
        let error = loop {
            match driver.run(write(acknowledged * 4096, &[1; 4096])) {
                Ok(_) => acknowledged += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "cannot write /d/f: power cut");
        assert!(driver.fake.halted());
        // Opening and syncing the folder were the first two completions.
        assert_eq!((acknowledged + 2, driver.fake.ops_completed()), (step, step));
        assert!(driver.run(read(0, 10)).is_err(), "nothing works any more");
        let after = driver.fake.crash(step).read_volatile("/d/f").unwrap();
        assert!(after.len() as u64 >= acknowledged * 4096);
        assert!(after.len() as u64 <= (acknowledged + 1) * 4096);
    }
}
