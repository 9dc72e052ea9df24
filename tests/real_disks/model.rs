//! Random operations, many in flight, against a file that is a vector of bytes.

use std::ops::Range;

use duramen::io::{Block, FileId, Mode, Op, Output, Token};

use crate::harness::{Bench, on_each_disk, pattern, slice};

const FILE_BYTES: usize = 512 * 1024;
const IN_FLIGHT_MAX: usize = 32;

#[test]
fn a_durable_file_holds_what_was_written() {
    on_each_disk(async |bench: &mut Bench| {
        for seed in 0..4 {
            let unit = bench.disk.block_bytes();
            Model::run(bench, Mode::Durable, unit, seed).await;
        }
    });
}

#[test]
fn a_buffered_file_holds_what_was_written() {
    on_each_disk(async |bench: &mut Bench| {
        for seed in 0..4 {
            Model::run(bench, Mode::Buffered, 1, seed).await;
        }
    });
}

struct Model {
    file: FileId,
    bytes: Vec<u8>,
    /// Ranges that an operation is in flight for, and what a read of it must give.
    flights: Vec<(Token, Range<usize>, Option<Vec<u8>>)>,
    rng: fastrand::Rng,
    unit: usize,
}

impl Model {
    async fn run(bench: &mut Bench, mode: Mode, unit: usize, seed: u64) {
        let (file, _) = bench.open(&format!("{mode:?}-{seed}"), mode).await;
        let rng = fastrand::Rng::with_seed(seed);
        let mut model = Model { file, bytes: Vec::new(), flights: Vec::new(), rng, unit };
        for _ in 0..300 {
            match model.rng.u8(0..20) {
                0 => model.set_len(bench).await,
                1 => model.allocate(bench).await,
                2 => drop(bench.ok(Op::Sync { file }).await),
                3..12 => model.write(bench).await,
                _ => model.read(bench).await,
            }
        }
        model.land(bench, &(0..usize::MAX)).await;
        assert_eq!(bench.read(file, 0, FILE_BYTES * 2).await, model.bytes, "seed {seed}");
        bench.ok(Op::Close { file }).await;
    }

    /// A range of whole units that no operation is in flight for.
    async fn range(&mut self, bench: &mut Bench) -> Range<usize> {
        let units = FILE_BYTES / self.unit;
        let start = self.rng.usize(0..units);
        let len = self.rng.usize(1..=(units - start).min(65_536 / self.unit));
        let range = start * self.unit..(start + len) * self.unit;
        self.land(bench, &range).await;
        if self.flights.len() >= IN_FLIGHT_MAX {
            self.land(bench, &(0..usize::MAX)).await;
        }
        range
    }

    /// Waits for the operations that overlap `range`.
    async fn land(&mut self, bench: &mut Bench, range: &Range<usize>) {
        let overlaps = |other: &Range<usize>| other.start < range.end && range.start < other.end;
        let (landing, flights) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|(_, other, _)| overlaps(other));
        self.flights = flights;
        let landing: Vec<_> = landing;
        for (token, range, expected) in landing {
            match (bench.wait_for(token).await.unwrap(), expected) {
                (Output::Read(block), Some(expected)) => {
                    assert!(block[..] == expected, "read of {range:?}");
                }
                (Output::Nothing, None) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Writes a random range, in slices of random lengths.
    async fn write(&mut self, bench: &mut Bench) {
        let range = self.range(bench).await;
        let bytes = pattern(self.rng.u64(..), range.len());
        let mut data = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let units = self.rng.usize(1..=rest.len() / self.unit);
            let (head, tail) = rest.split_at(units * self.unit);
            data.push(slice(head));
            rest = tail;
        }
        // A write behind the end moves the end, which every other operation sees.
        if range.end > self.bytes.len() {
            self.land(bench, &(0..usize::MAX)).await;
            self.bytes.resize(range.end, 0);
        }
        self.bytes[range.clone()].copy_from_slice(&bytes);
        let op = Op::Write { file: self.file, at: range.start as u64, data };
        self.fly(bench, op, range, None).await;
    }

    async fn read(&mut self, bench: &mut Bench) {
        let wanted = self.range(bench).await;
        let into = Block::new(wanted.len());
        let range = wanted.start..wanted.start + into.capacity();
        self.land(bench, &range).await;
        let end = range.end.min(self.bytes.len());
        let expected = self.bytes.get(range.start..end).unwrap_or_default().to_vec();
        let op = Op::Read { file: self.file, at: range.start as u64, into };
        self.fly(bench, op, range, Some(expected)).await;
    }

    /// Submits; where the file is growing under it, waits at once.
    async fn fly(
        &mut self,
        bench: &mut Bench,
        op: Op,
        range: Range<usize>,
        expected: Option<Vec<u8>>,
    ) {
        let token = bench.submit(op);
        let at_end = range.end >= self.bytes.len();
        self.flights.push((token, range, expected));
        if at_end {
            self.land(bench, &(0..usize::MAX)).await;
        }
    }

    async fn set_len(&mut self, bench: &mut Bench) {
        self.land(bench, &(0..usize::MAX)).await;
        let len = self.rng.usize(0..=FILE_BYTES);
        self.bytes.resize(len, 0);
        bench.ok(Op::SetLen { file: self.file, len: len as u64 }).await;
    }

    async fn allocate(&mut self, bench: &mut Bench) {
        let range = self.range(bench).await;
        self.land(bench, &(0..usize::MAX)).await;
        self.bytes.resize(self.bytes.len().max(range.end), 0);
        let (at, len) = (range.start as u64, range.len() as u64);
        bench.ok(Op::Allocate { file: self.file, at, len }).await;
    }
}
