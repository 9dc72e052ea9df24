//! The caller's duties: breaking one panics.

use duramen::io::{Block, FileId, Mode, Op};

use crate::driver::{FILE, read, rename, with_file, write};

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

#[test]
#[should_panic(expected = "write to /d/f at 4096, not a multiple of 8192")]
fn the_unit_of_durable_writes_is_a_knob() {
    let mut driver = with_file(1, Mode::Durable);
    driver.fake.set_block_bytes(8192);
    driver.start(write(4096, &[1; 8192]));
}
