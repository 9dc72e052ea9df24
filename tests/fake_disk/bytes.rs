//! Bytes across a power cut.

use std::collections::BTreeSet;

use duramen::io::fake::{Filter, Kind};
use duramen::io::{ErrorKind, FileId, Mode, Op, Output};

use crate::driver::{Driver, FILE, SEEDS, sectors, slice, with_file, write};

#[test]
fn a_completed_durable_write_survives_every_power_cut() {
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Durable);
        driver.run(Op::Allocate { file: FILE, at: 0, len: 65_536 }).unwrap();
        driver.write(8192, &[7; 4096]);
        driver.start(write(12_288, &[8; 4096]));
        let found = driver.fake.crash(seed).read_volatile("/d/f").unwrap();
        assert_eq!(found[..8192], [0; 8192]);
        assert_eq!(found[8192..12_288], [7; 4096]);
    }
}

#[test]
fn a_durable_write_in_flight_tears_at_sectors() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Durable);
        driver.write(0, &[1; 4096]);
        driver.start(write(0, &[2; 4096]));
        let found = sectors(&driver.fake.crash(seed).read_volatile("/d/f").unwrap());
        assert!(found.len() == 8 && found.iter().all(|fill| [1, 2].contains(fill)), "{found:?}");
        outcomes.insert(found);
    }
    assert!(outcomes.contains(&vec![1; 8]) && outcomes.contains(&vec![2; 8]));
    assert!(outcomes.len() > 20, "{}", outcomes.len());
}

#[test]
fn garbage_is_a_knob() {
    let mut garbage = 0;
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Durable);
        driver.fake.set_torn_sectors_garbage(true);
        driver.write(0, &[1; 8192]);
        driver.start(write(4096, &[2; 4096]));
        let found = driver.fake.crash(seed).read_volatile("/d/f").unwrap();
        assert_eq!(found[..4096], [1; 4096], "only what is in flight");
        garbage += u32::from(found[4096..].iter().any(|byte| ![1, 2].contains(byte)));
    }
    assert!(garbage > 20, "{garbage}");
}

#[test]
fn a_buffered_write_can_be_lost_until_a_sync() {
    let (mut kept, mut lost, mut short) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Buffered);
        driver.write(0, &[1; 2048]);
        driver.sync();
        driver.write(0, &[2; 4096]);
        let found = driver.fake.crash(seed).read_volatile("/d/f").unwrap();
        assert!(found.len() >= 2048);
        let whole = &found[..found.len() - found.len() % 512];
        assert!(sectors(&whole[..2048]).iter().all(|fill| [1, 2].contains(fill)));
        assert!(sectors(&whole[2048..]).iter().all(|fill| [0, 2].contains(fill)));
        kept += u32::from(found == [2; 4096]);
        lost += u32::from(found == [1; 2048]);
        short += u32::from(found.len() < 4096);
        driver.sync();
        let found = driver.fake.crash(seed).read_volatile("/d/f").unwrap();
        assert_eq!(found, [2; 4096], "seed {seed}");
    }
    assert!(kept > 5 && lost > 5 && short > 50, "{kept} {lost} {short}");
}

#[test]
fn a_sync_covers_only_what_completed_before_it() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Buffered);
        driver.write(0, &[1; 512]);
        driver.sync();
        driver.write(0, &[2; 512]);
        let hold = driver.fake.hold(Filter::kind(Kind::Sync));
        let sync = driver.start(Op::Sync { file: FILE });
        driver.write(0, &[3; 512]);
        driver.fake.release(hold);
        driver.finish(sync).unwrap();
        outcomes.insert(driver.fake.crash(seed).read_volatile("/d/f").unwrap()[0]);
    }
    assert_eq!(outcomes, BTreeSet::from([2, 3]), "the first version is gone, the last may be");
}

#[test]
fn versions_in_between_can_survive() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Buffered);
        driver.write(0, &[1; 512]);
        driver.sync();
        (2..4).for_each(|fill| driver.write(0, &[fill; 512]));
        outcomes.insert(driver.fake.crash(seed).read_volatile("/d/f").unwrap()[0]);
    }
    assert_eq!(outcomes, BTreeSet::from([1, 2, 3]));
}

#[test]
fn a_failed_sync_loses_for_good() {
    let mut lost = 0;
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Buffered);
        driver.run(Op::SetLen { file: FILE, len: 4096 }).unwrap();
        driver.write(0, &[2; 4096]);
        driver.fake.fail_next(Filter::kind(Kind::Sync), ErrorKind::Failed);
        assert_eq!(driver.run(Op::Sync { file: FILE }).unwrap_err().kind, ErrorKind::Failed);
        driver.sync();
        lost += u32::from(driver.fake.crash(seed).read_volatile("/d/f").unwrap() != [2; 4096]);
    }
    assert!(lost > SEEDS as u32 / 2, "a second sync makes nothing good: {lost}");
}

#[test]
fn reserved_space_is_no_durable_length() {
    let mut lengths = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Durable);
        driver.run(Op::Allocate { file: FILE, at: 0, len: 8192 }).unwrap();
        let len = driver.fake.crash(seed).read_volatile("/d/f").unwrap().len();
        lengths.insert(len);
        driver.sync();
        let found = driver.fake.crash(seed).read_volatile("/d/f").unwrap();
        assert_eq!(found, [0; 8192]);
        driver.run(Op::SetLen { file: FILE, len: 100 }).unwrap();
        assert_eq!(driver.fake.crash(seed).read_volatile("/d/f").unwrap().len(), 100);
    }
    assert!(lengths.contains(&0) && lengths.contains(&8192) && lengths.len() > 2);
}

#[test]
fn a_store_is_durable_but_not_atomic() {
    let store = |at, fill| Op::Store { path: "/d/s".into(), at, data: vec![fill; 2048] };
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = Driver::new(seed);
        driver.fake.make_dirs("/d");
        driver.run(store(2048, 1)).unwrap();
        driver.sync_dir("/d");
        let found = driver.fake.crash(seed).read_volatile("/d/s").unwrap();
        assert_eq!(sectors(&found), [0, 0, 0, 0, 1, 1, 1, 1]);
        let again = driver.start(store(0, 2));
        outcomes.insert(sectors(&driver.fake.crash(seed).read_volatile("/d/s").unwrap()));
        driver.finish(again).unwrap();
        assert_eq!(driver.fake.crash(seed).read_volatile("/d/s").unwrap(), [2; 2048]);
        let loaded = driver.run(Op::Load { path: "/d/s".into(), at: 2000, max_len: 99 }).unwrap();
        assert!(matches!(loaded, Output::Bytes(bytes) if bytes == [2; 48]));
    }
    assert!(outcomes.len() > 10, "{outcomes:?}");
    assert!(outcomes.iter().all(|found| found.len() == 4 || found[4..] == [1; 4]));
}

#[test]
fn a_store_on_a_full_disk_is_refused() {
    let mut driver = Driver::new(1);
    driver.fake.set_capacity(Some(4096));
    let store = |len| Op::Store { path: "/s".into(), at: 0, data: vec![1; len] };
    driver.run(store(100)).unwrap();
    assert_eq!(driver.run(store(4097)).unwrap_err().kind, ErrorKind::Full);
    assert_eq!(driver.fake.read_volatile("/s").unwrap(), [1; 100]);
}

/// What each sector of a file may hold after a power cut, by every rule of the seam at once.
struct Oracle {
    may_be: Vec<BTreeSet<u8>>,
    now: Vec<u8>,
}

impl Oracle {
    fn write(&mut self, sectors: std::ops::Range<usize>, fill: u8, durable: bool) {
        for sector in sectors {
            if durable {
                self.may_be[sector].clear();
            }
            self.may_be[sector].insert(fill);
            self.now[sector] = fill;
        }
    }

    fn sync(&mut self) {
        for (may_be, now) in self.may_be.iter_mut().zip(&self.now) {
            *may_be = BTreeSet::from([*now]);
        }
    }

    fn check(&self, found: &[u8]) {
        for (sector, fill) in sectors(found).into_iter().enumerate() {
            let may_be = &self.may_be[sector];
            assert!(may_be.contains(&fill), "sector {sector} is {fill}, may be {may_be:?}");
        }
    }
}

#[test]
fn mixed_writes_leave_only_what_each_sector_may_hold() {
    const SECTORS: usize = 64;
    for seed in 0..SEEDS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut driver = with_file(seed, Mode::Durable);
        driver.run(Op::SetLen { file: FILE, len: 512 * SECTORS as u64 }).unwrap();
        driver.open(FileId(2), "/d/f", Mode::Buffered);
        let zero = BTreeSet::from([0]);
        let mut oracle = Oracle { may_be: vec![zero; SECTORS], now: vec![0; SECTORS] };
        for fill in 1..60 {
            let durable = rng.bool();
            let unit = if durable { 8 } else { 1 };
            let start = rng.usize(0..SECTORS / unit) * unit;
            let end = rng.usize(start / unit + 1..=SECTORS / unit) * unit;
            let op = Op::Write {
                file: if durable { FILE } else { FileId(2) },
                at: start as u64 * 512,
                data: vec![slice(&vec![fill; (end - start) * 512])],
            };
            let token = driver.start(op);
            let mut in_flight = Oracle { may_be: oracle.may_be.clone(), now: vec![0; SECTORS] };
            in_flight.write(start..end, fill, false);
            in_flight.check(&driver.fake.crash(rng.u64(..)).read_volatile("/d/f").unwrap());
            driver.finish(token).unwrap();
            oracle.write(start..end, fill, durable);
            oracle.check(&driver.fake.crash(rng.u64(..)).read_volatile("/d/f").unwrap());
            if rng.u8(0..8) == 0 {
                driver.sync();
                oracle.sync();
            }
        }
        assert_eq!(sectors(&driver.fake.kill(seed).read_volatile("/d/f").unwrap()), oracle.now);
    }
}
