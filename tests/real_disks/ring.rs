//! What only the ring has to promise: that memory outlives the kernel's use of it, whatever
//! happens to those who asked.

use std::path::Path;
use std::sync::Arc;

use duramen::io::uring::{self, Uring};
use duramen::io::{Block, Disk, FileId, IoChoice, Mode, Op, Token, choose, probe};
use tokio::sync::Notify;

const BYTES: usize = 1024 * 1024;

/// Starts a write of `block` in `dir` on a new runtime, and goes on with `then`.
fn write_on_a_ring(dir: &Path, block: &Block, then: impl AsyncFnOnce(Uring, Arc<Notify>)) {
    let notify = Arc::new(Notify::new());
    let woken = notify.clone();
    let setup = probe(dir).unwrap().setup(false, Arc::new(move || woken.notify_one()));
    uring::start(async {
        let mut disk = Uring::new(setup).unwrap();
        let file = FileId(1);
        disk.submit(Token(1), Op::Open { file, path: dir.join("a"), mode: Mode::Durable });
        let mut done = Vec::new();
        while done.is_empty() {
            notify.notified().await;
            disk.poll(&mut done);
        }
        disk.submit(Token(2), Op::Write { file, at: 0, data: vec![block.slice(0..BYTES)] });
        assert_eq!(disk.in_flight(), 1);
        then(disk, notify.clone()).await;
    })
    .unwrap();
}

fn full_block() -> Block {
    let mut block = Block::new(BYTES);
    block.append_zeroes(BYTES);
    block
}

/// Whether there is a ring to test; says so when there is none.
fn has_ring() -> bool {
    let refusal = choose(IoChoice::Uring).err();
    if let Some(refusal) = &refusal {
        eprintln!("NOT TESTED on the ring: {refusal}");
    }
    refusal.is_none()
}

#[test]
fn memory_is_given_back_when_the_write_is_done() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let block = full_block();
    if has_ring() {
        write_on_a_ring(dir.path(), &block, async |mut disk: Uring, notify: Arc<Notify>| {
            let mut done = Vec::new();
            while disk.in_flight() > 0 {
                notify.notified().await;
                disk.poll(&mut done);
            }
            assert_eq!(done.len(), 1);
        });
        assert!(block.is_unshared());
    }
}

#[test]
fn memory_is_given_back_though_the_disk_is_gone() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let block = full_block();
    if has_ring() {
        write_on_a_ring(dir.path(), &block, async |disk: Uring, notify: Arc<Notify>| {
            drop(disk);
            assert!(!block.is_unshared(), "the kernel has not even seen the write");
            notify.notified().await;
            assert!(block.is_unshared());
        });
        assert_eq!(std::fs::metadata(dir.path().join("a")).unwrap().len(), BYTES as u64);
    }
}

#[test]
fn memory_outlives_a_runtime_that_ends_too_early() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let block = full_block();
    if has_ring() {
        write_on_a_ring(dir.path(), &block, async |_: Uring, _: Arc<Notify>| ());
        assert!(!block.is_unshared(), "freed while the kernel may be reading it");
    }
}
