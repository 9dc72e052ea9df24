//! What a killed process leaves to the next.

use std::collections::BTreeSet;

use duramen::io::{Disk, FileId, Mode, Op};

use crate::driver::{Driver, FILE, SEEDS, rename, sectors, with_file, write};

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

#[test]
fn ghosts_can_be_held() {
    let mut killed = (0..SEEDS).map(|seed| {
        let mut driver = with_file(seed, Mode::Durable);
        driver.start(write(0, &[2; 4096]));
        driver.fake.kill(seed)
    });
    let mut driver = Driver::on(killed.find(|fake| fake.ghosts() == 1).unwrap());
    driver.fake.hold_ghosts(true);
    let path = "/d/f".into();
    let open = driver.start(Op::Open { file: FILE, path, mode: Mode::Durable });
    let mut done = Vec::new();
    (0..1000).for_each(|_| driver.fake.poll(&mut done));
    assert!(done.is_empty() && driver.fake.ghosts() == 1);
    driver.fake.hold_ghosts(false);
    driver.finish(open).unwrap();
    assert_eq!(driver.fake.ghosts(), 0);
}
