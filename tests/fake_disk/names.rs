//! Names across a power cut.

use std::collections::BTreeSet;

use duramen::io::{Mode, Op};

use crate::driver::{Driver, FILE, SEEDS, rename};

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
