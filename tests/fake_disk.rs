//! What the fake disk keeps, loses and refuses. The simulation of the storage core stands on
//! it, so it must be as unkind as the seam allows, and no unkinder.

use std::collections::BTreeSet;
use std::path::PathBuf;

use duramen::io::fake::{Fake, Filter, Kind};
use duramen::io::{
    Block, Disk, DiskError, Done, ErrorKind, FileId, Mode, Op, Output, Slice, Token, WaitDisk,
};

const FILE: FileId = FileId(1);
const SEEDS: u64 = 200;

/// A fake with straight-line calls on top.
struct Driver {
    fake: Fake,
    next: u64,
}

impl Driver {
    fn new(seed: u64) -> Driver {
        Driver::on(Fake::new(seed))
    }

    fn on(fake: Fake) -> Driver {
        Driver { fake, next: 0 }
    }

    /// Submits without waiting.
    fn start(&mut self, op: Op) -> Token {
        let token = Token(self.next);
        self.next += 1;
        self.fake.submit(token, op);
        token
    }

    /// Submits and waits for this one.
    fn run(&mut self, op: Op) -> Result<Output, DiskError> {
        let token = self.start(op);
        self.finish(token)
    }

    fn finish(&mut self, token: Token) -> Result<Output, DiskError> {
        let mut done = Vec::new();
        loop {
            self.fake.wait(&mut done);
            let found = done.drain(..).find(|done: &Done| done.token == token);
            if let Some(done) = found {
                return done.result;
            }
        }
    }

    fn open(&mut self, file: FileId, path: &str, mode: Mode) -> u64 {
        match self.run(Op::Open { file, path: path.into(), mode }).unwrap() {
            Output::Opened { len } => len,
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) {
        self.run(write(at, bytes)).unwrap();
    }

    fn sync(&mut self) {
        self.run(Op::Sync { file: FILE }).unwrap();
    }

    fn sync_dir(&mut self, path: &str) {
        self.run(Op::SyncDir { path: path.into() }).unwrap();
    }

    fn read(&mut self, at: u64, len: usize) -> Vec<u8> {
        match self.run(Op::Read { file: FILE, at, into: Block::new(len) }).unwrap() {
            Output::Read(block) => block[..block.len().min(len)].to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

fn slice(bytes: &[u8]) -> Slice {
    let mut block = Block::new(bytes.len());
    block.append(bytes);
    block.slice(0..bytes.len())
}

fn write(at: u64, bytes: &[u8]) -> Op {
    Op::Write { file: FILE, at, data: vec![slice(bytes)] }
}

fn read(at: u64, len: usize) -> Op {
    Op::Read { file: FILE, at, into: Block::new(len) }
}

fn rename(from: &str, to: &str) -> Op {
    Op::Rename { from: from.into(), to: to.into() }
}

/// Whether each sector of `bytes` is filled with one of `fills`; gives the fills by sector.
fn sectors(bytes: &[u8]) -> Vec<u8> {
    let uniform = |sector: &[u8]| sector.iter().all(|byte| *byte == sector[0]);
    assert!(bytes.chunks(512).all(uniform), "a sector is torn");
    bytes.chunks(512).map(|sector| sector[0]).collect()
}

/// A driver with one open file whose name is durable.
fn with_file(seed: u64, mode: Mode) -> Driver {
    let mut driver = Driver::new(seed);
    driver.fake.make_dirs("/d");
    driver.open(FILE, "/d/f", mode);
    driver.sync_dir("/d");
    driver
}

// ---- plain behaviour ----

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

// ---- power cuts: bytes ----

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

// ---- power cuts: names ----

#[test]
fn names_are_apart_from_data() {
    let (mut named, mut nameless) = (0, 0);
    for seed in 0..SEEDS {
        let mut driver = Driver::new(seed);
        driver.open(FILE, "/f", Mode::Durable);
        driver.write(0, &[1; 4096]);
        driver.sync();
        match driver.fake.crash(seed).read_volatile("/f") {
            Some(found) => {
                assert_eq!(found, [1; 4096]);
                named += 1;
            }
            None => nameless += 1,
        }
        driver.sync_dir("/");
        assert_eq!(driver.fake.crash(seed).read_volatile("/f").unwrap(), [1; 4096]);
    }
    assert!(named > 20 && nameless > 20, "{named} {nameless}");
}

#[test]
fn a_synced_folder_needs_its_own_name_too() {
    let lost = (0..SEEDS).filter(|seed| {
        let mut driver = Driver::new(*seed);
        driver.run(Op::MakeDir { path: "/d".into() }).unwrap();
        driver.open(FILE, "/d/f", Mode::Buffered);
        driver.sync_dir("/d");
        driver.fake.crash(*seed).files().is_empty()
    });
    assert!(lost.count() > 20);
}

#[test]
fn a_rename_leaves_one_of_both_names() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = Driver::new(seed);
        driver.fake.write_raw("/d/old", 0, b"new content");
        driver.fake.write_raw("/e/name", 0, b"replaced");
        let moved = driver.start(rename("/d/old", "/e/name"));
        let in_flight = driver.fake.crash(seed);
        driver.finish(moved).unwrap();
        driver.sync_dir("/e");
        let half_synced = driver.fake.crash(seed);
        for after in [in_flight, half_synced] {
            let content = after.read_volatile("/e/name").unwrap();
            match after.files().len() {
                1 => assert_eq!(content, b"new content"),
                _ => assert_eq!(content, b"replaced"),
            }
            outcomes.insert(after.files());
        }
        driver.sync_dir("/d");
        assert_eq!(driver.fake.crash(seed).files(), ["/e/name"]);
    }
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
}

#[test]
fn changes_of_one_name_survive_in_their_order() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = Driver::new(seed);
        driver.open(FILE, "/a", Mode::Buffered);
        driver.run(rename("/a", "/b")).unwrap();
        driver.run(rename("/b", "/c")).unwrap();
        outcomes.insert(driver.fake.crash(seed).files().concat());
    }
    let all = ["", "/a", "/b", "/c"].map(String::from);
    assert_eq!(outcomes, BTreeSet::from(all));
}

#[test]
fn a_removed_name_may_come_back_until_its_folder_is_synced() {
    let mut back = 0;
    for seed in 0..SEEDS {
        let mut driver = Driver::new(seed);
        driver.fake.write_raw("/d/f", 0, b"abc");
        driver.run(Op::Unlink { path: "/d/f".into() }).unwrap();
        let after = driver.fake.crash(seed);
        if let Some(found) = after.read_volatile("/d/f") {
            assert_eq!(found, b"abc");
            assert_eq!(after.used_bytes(), 4096);
            back += 1;
        }
        driver.sync_dir("/d");
        assert!(driver.fake.crash(seed).files().is_empty());
    }
    assert!(back > 20, "{back}");
}

#[test]
fn removing_a_folder_can_stop_half_way() {
    let mut left = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = Driver::new(seed);
        (0..4).for_each(|i| driver.fake.write_raw(format!("/d/e/{i}"), 0, b"abc"));
        driver.start(Op::RemoveDir { path: "/d".into() });
        left.insert(driver.fake.crash(seed).files());
    }
    assert!(left.len() > 5, "{left:?}");
}

// ---- kill ----

#[test]
fn a_kill_keeps_the_page_cache() {
    let mut driver = with_file(1, Mode::Buffered);
    driver.write(0, &[1; 1000]);
    driver.run(rename("/d/f", "/d/g")).unwrap();
    let mut driver = Driver::on(driver.fake.kill(1));
    assert_eq!(driver.open(FILE, "/d/g", Mode::Read), 1000);
    let lost = (0..SEEDS).any(|seed| driver.fake.crash(seed).read_volatile("/d/g").is_none());
    assert!(lost, "but a power cut still finds it undurable");
}

#[test]
fn writes_of_the_dead_land_late_and_the_lock_waits_for_them() {
    let (mut late, mut landed, mut never) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Durable);
        driver.write(0, &[1; 4096]);
        driver.start(write(0, &[2; 4096]));
        let mut driver = Driver::on(driver.fake.kill(seed));
        let ghosts = driver.fake.ghosts();
        driver.open(FILE, "/d/f", Mode::Read);
        let early = driver.read(0, 4096)[0];
        driver.open(FileId(2), "/d/f", Mode::Durable);
        assert_eq!(driver.fake.ghosts(), 0, "the lock was not waited for");
        let end = driver.read(0, 4096)[0];
        assert_eq!(end, if ghosts == 0 { 1 } else { 2 });
        late += u32::from(early != end);
        landed += u32::from(early == 2);
        never += u32::from(ghosts == 0);
    }
    assert!(late > 20 && landed > 5 && never > 20, "{late} {landed} {never}");
}

#[test]
fn ghosts_are_torn_by_a_power_cut_as_well() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut driver = with_file(seed, Mode::Durable);
        driver.write(0, &[1; 4096]);
        driver.start(write(0, &[2; 4096]));
        let killed = driver.fake.kill(seed);
        outcomes.insert(sectors(&killed.crash(seed).read_volatile("/d/f").unwrap()));
    }
    assert!(outcomes.len() > 20, "{}", outcomes.len());
}

// ---- faults ----

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

// ---- determinism and inspection ----

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

// ---- the caller's duties ----

#[test]
#[should_panic(expected = "write /d/f 4096..8192 (token 3) overlaps write /d/f 0..8192 (token 2)")]
fn overlapping_writes_panic() {
    let mut driver = with_file(1, Mode::Durable);
    driver.start(write(0, &[1; 8192]));
    driver.start(write(4096, &[1; 4096]));
}

#[test]
#[should_panic(expected = "read /d/f 8191..12287 (token 3) overlaps write /d/f 0..8192")]
fn reading_under_a_write_panics() {
    let mut driver = with_file(1, Mode::Durable);
    driver.start(write(0, &[1; 8192]));
    driver.start(read(8191, 10));
}

#[test]
#[should_panic(expected = "set the length of /d/f 4096..18446744073709551615 (token 3) overlaps")]
fn cutting_under_a_write_panics() {
    let mut driver = with_file(1, Mode::Durable);
    driver.start(write(0, &[1; 8192]));
    driver.start(Op::SetLen { file: FILE, len: 4096 });
}

#[test]
fn what_does_not_meet_may_be_in_flight_at_once() {
    let mut driver = with_file(1, Mode::Durable);
    driver.open(FileId(2), "/d/f", Mode::Read);
    driver.start(write(4096, &[1; 4096]));
    driver.start(write(8192, &[1; 4096]));
    driver.start(Op::Read { file: FileId(2), at: 0, into: Block::new(4096) });
    driver.start(read(0, 4096));
    driver.start(Op::Allocate { file: FILE, at: 12_288, len: 4096 });
    driver.start(Op::Sync { file: FILE });
}

#[test]
#[should_panic(expected = "write to /d/f at 512, not a multiple of 4096")]
fn a_misplaced_durable_write_panics() {
    with_file(1, Mode::Durable).start(write(512, &[1; 4096]));
}

#[test]
#[should_panic(expected = "write to /d/f of 100 bytes")]
fn a_durable_write_of_part_of_a_block_panics() {
    with_file(1, Mode::Durable).start(write(0, &[1; 100]));
}

#[test]
#[should_panic(expected = "rename /d/f (token 3) is in flight beside remove /d/f (token 2)")]
fn racing_names_panic() {
    let mut driver = with_file(1, Mode::Durable);
    driver.start(Op::Unlink { path: "/d/f".into() });
    driver.start(rename("/d/f", "/d/g"));
}

#[test]
#[should_panic(expected = "cannot write file 1: it is not open")]
fn writing_to_a_closed_file_panics() {
    let mut driver = with_file(1, Mode::Durable);
    driver.start(Op::Close { file: FILE });
    driver.start(write(0, &[1; 4096]));
}

#[test]
#[should_panic(expected = "all in flight is held or locked out")]
fn waiting_for_ones_own_lock_panics() {
    let mut driver = with_file(1, Mode::Durable);
    driver.open(FileId(2), "/d/f", Mode::Durable);
}
