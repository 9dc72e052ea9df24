//! The end of a segment that is in memory: what is staged, and what readers still want.
//!
//! ```text
//! segment   ........|  block  |  block  |  block  |  blo
//!                   ^ start                          ^ end
//! chunks            [   chunk          ][  chunk         free ]
//! ```
//!
//! A tail begins at a multiple of the block size, so that its chunks can be written to the
//! segment as they are. Chunks follow each other without a gap and hold whole blocks, save the
//! last. Beside the bytes stand the batches, so that a reader finds an offset without parsing.

use std::collections::VecDeque;
use std::ops::Range;

use crate::io::{Block, Slice};

/// Where a batch stands in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    pub base_offset: u64,
    pub last_offset: u64,
    pub position: u64,
    pub len: u32,
    pub max_timestamp: i64,
}

impl BatchPlace {
    /// Position behind the batch.
    pub fn end(&self) -> u64 {
        self.position + u64::from(self.len)
    }
}

#[derive(Debug)]
struct Chunk {
    start: u64,
    block: Block,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.block.len() as u64
    }
}

/// The bytes of a segment from `start` to `end`, in memory.
#[derive(Debug, Default)]
pub struct Tail {
    chunks: VecDeque<Chunk>,
    /// The whole batches within, by position.
    batches: VecDeque<BatchPlace>,
}

impl Tail {
    /// Positions of the first byte and behind the last; `None` when nothing is in memory.
    pub fn range(&self) -> Option<Range<u64>> {
        Some(self.chunks.front()?.start..self.chunks.back()?.end())
    }

    /// Whether it holds the byte at `position` or ends right there, within a block.
    pub fn reaches(&self, position: u64) -> bool {
        self.range().is_some_and(|r| r.start <= position && position <= r.end)
    }

    /// Bytes that fit without another block.
    pub fn room(&self) -> usize {
        self.chunks.back().map_or(0, |c| c.block.room())
    }

    /// Size that the next block should have at least: larger than the last one, as the partition
    /// is busy.
    pub fn next_block_bytes(&self) -> usize {
        self.chunks.back().map_or(0, |c| c.block.capacity()) * 2
    }

    /// Begins a tail with the block that holds `position`'s predecessors, from the block's start.
    ///
    /// # Panics
    /// When the tail is not empty.
    pub fn begin(&mut self, start: u64, block: Block) {
        assert!(self.chunks.is_empty(), "a tail that begins twice, at {start}");
        self.chunks.push_back(Chunk { start, block });
    }

    /// Adds an empty block behind the last, which is full.
    pub fn grow(&mut self, at: u64, block: Block) {
        let start = self.chunks.back().map_or(at, |last| {
            assert_eq!(last.block.room(), 0, "grew behind a block with room");
            last.end()
        });
        self.chunks.push_back(Chunk { start, block });
    }

    /// Appends to the last block as much as fits; returns how much that was.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        self.chunks.back_mut().map_or(0, |c| c.block.append(bytes))
    }

    /// Notes a batch whose bytes have been appended.
    pub fn push_batch(&mut self, place: BatchPlace) {
        debug_assert!(self.batches.back().is_none_or(|b| b.end() == place.position));
        self.batches.push_back(place);
    }

    /// The batch that holds `offset`, or the first one behind it.
    pub fn find(&self, offset: u64) -> Option<&BatchPlace> {
        let i = self.batches.partition_point(|b| b.last_offset < offset);
        self.batches.get(i)
    }

    /// The first batch that is listed.
    pub fn first_batch(&self) -> Option<&BatchPlace> {
        self.batches.front()
    }

    /// The batches from `position` on.
    pub fn batches_from(&self, position: u64) -> impl Iterator<Item = &BatchPlace> {
        let i = self.batches.partition_point(|b| b.position < position);
        self.batches.range(i..)
    }

    /// The bytes of `range` as slices that share the memory.
    ///
    /// # Panics
    /// When the range isn't in memory.
    pub fn slices(&self, range: Range<u64>) -> Vec<Slice> {
        self.pieces(range).map(|(chunk, r)| chunk.block.slice(r)).collect()
    }

    /// Calls `each` with the bytes of `range`, piece by piece.
    ///
    /// # Panics
    /// When the range isn't in memory.
    pub fn visit(&self, range: Range<u64>, mut each: impl FnMut(&[u8])) {
        for (chunk, r) in self.pieces(range) {
            each(&chunk.block[r]);
        }
    }

    fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = (&Chunk, Range<usize>)> {
        let held = self.range().unwrap_or(0..0);
        assert!(
            range.is_empty() || (held.start <= range.start && range.end <= held.end),
            "{range:?} of a tail that holds {held:?}"
        );
        let first = self.chunks.partition_point(|c| c.end() <= range.start);
        self.chunks.range(first..).take_while(move |c| c.start < range.end).map(move |c| {
            let from = range.start.max(c.start) - c.start;
            let to = range.end.min(c.end()) - c.start;
            (c, from as usize..to as usize)
        })
    }

    /// Position behind the first chunk, when that is full.
    pub fn first_chunk_end(&self) -> Option<u64> {
        let first = self.chunks.front()?;
        (first.block.room() == 0).then(|| first.end())
    }

    /// Whether all that has to stay in memory from the block border `whole` on is less than a
    /// block, in a chunk that is larger.
    pub fn can_shrink(&self, whole: u64, block_bytes: u64) -> bool {
        let Some(last) = self.chunks.back().filter(|_| self.chunks.len() == 1) else {
            return false;
        };
        last.start < whole && last.end() >= whole && last.end() - whole < block_bytes
    }

    /// Moves what stands from `whole` on to the block `into`, and gives the larger one back.
    ///
    /// # Panics
    /// When [`Tail::can_shrink`] would not have allowed it.
    pub fn shrink(&mut self, whole: u64, mut into: Block) -> Block {
        let kept = self.range().map_or(0, |r| r.end - whole) as usize;
        self.visit(whole..whole + kept as u64, |bytes| {
            into.append(bytes);
        });
        assert_eq!(into.len(), kept, "shrank to a block that is too small");
        self.chunks.push_back(Chunk { start: whole, block: into });
        self.pop_chunk().unwrap_or_else(|| panic!("shrank an empty tail"))
    }

    /// Removes the first chunk and the batches that begin in it.
    pub fn pop_chunk(&mut self) -> Option<Block> {
        let chunk = self.chunks.pop_front()?;
        let start = self.chunks.front().map_or(u64::MAX, |c| c.start);
        while self.batches.front().is_some_and(|b| b.position < start) {
            self.batches.pop_front();
        }
        Some(chunk.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(bytes: &[u8]) -> Tail {
        let mut tail = Tail::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            if tail.room() == 0 {
                tail.grow(8192, Block::new(4096));
            }
            let n = tail.append(rest);
            rest = &rest[n..];
        }
        tail
    }

    #[test]
    fn bytes_come_back_over_chunk_borders() {
        let bytes: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
        let tail = tail_of(&bytes);
        assert_eq!(tail.range(), Some(8192..18_192));
        for (from, to) in [(0, 10_000), (4095, 4097), (4096, 8192), (5, 5), (9_999, 10_000)] {
            let slices = tail.slices(8192 + from as u64..8192 + to as u64);
            let joined: Vec<u8> = slices.iter().flat_map(|s| s.to_vec()).collect();
            assert_eq!(joined, bytes[from..to]);
        }
    }

    #[test]
    fn batches_leave_with_the_chunk_they_begin_in() {
        let mut tail = tail_of(&[1; 10_000]);
        for i in 0..10 {
            let position = 8192 + i * 1000;
            tail.push_batch(BatchPlace {
                base_offset: i * 2,
                last_offset: i * 2 + 1,
                position,
                len: 1000,
                max_timestamp: 0,
            });
        }
        assert_eq!(tail.find(7).unwrap().base_offset, 6);
        assert_eq!(tail.first_chunk_end(), Some(12_288));
        tail.pop_chunk().unwrap();
        // The batch at 12,192 began in the chunk that left.
        assert_eq!(tail.find(0).unwrap().position, 13_192);
        assert_eq!(tail.batches_from(14_192).count(), 4);
        assert_eq!(tail.find(20), None);
    }

    #[test]
    fn a_tail_shrinks_to_its_last_block_and_the_batches_in_it() {
        let bytes: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
        let mut tail = Tail::default();
        tail.grow(8192, Block::new(64 << 10));
        assert_eq!(tail.append(&bytes), 10_000);
        for i in 0..10 {
            let (base_offset, position) = (i, 8192 + i * 1000);
            let place = BatchPlace {
                base_offset,
                last_offset: base_offset,
                position,
                len: 1000,
                max_timestamp: 0,
            };
            tail.push_batch(place);
        }
        assert!(tail.can_shrink(16_384, 4096) && !tail.can_shrink(12_288, 4096));
        let old = tail.shrink(16_384, Block::new(4096));
        assert_eq!((old.capacity(), tail.range()), (64 << 10, Some(16_384..18_192)));
        assert_eq!(tail.slices(16_384..18_192)[0][..], bytes[8192..]);
        // The batch at 16,192 begins before what is left.
        assert_eq!(tail.first_batch().unwrap().position, 17_192);
        assert!(!tail.can_shrink(16_384, 4096));
    }

    #[test]
    #[should_panic(expected = "of a tail that holds 8192..8202")]
    fn a_range_that_is_not_held_is_refused() {
        tail_of(&[0; 10]).slices(0..8200);
    }
}
