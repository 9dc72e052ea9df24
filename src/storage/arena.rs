//! Bounded memory for staged batches.
//!
//! Blocks come in four sizes, so that an idle partition costs one page and a busy one is written
//! in few pieces. A block that is given back while a connection still sends from it is set aside
//! until that is done; it doesn't count against the budget, since a slow reader must not hold up
//! producers. What a reader may hold is bounded where it reads.

use std::collections::VecDeque;

use crate::io::Block;

/// Sizes of blocks, in bytes.
const SIZES: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 256 << 10];

/// The arena of one core.
pub struct Arena {
    budget: usize,
    /// Bytes handed out and not given back.
    used: usize,
    free: [Vec<Block>; SIZES.len()],
    free_bytes: usize,
    /// Given back, but a slice of it lives.
    pinned: VecDeque<Block>,
}

impl Arena {
    /// An arena that hands out `budget` bytes at most.
    pub fn new(budget: usize) -> Arena {
        Arena { budget, used: 0, free: Default::default(), free_bytes: 0, pinned: VecDeque::new() }
    }

    /// Bytes handed out.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Whether over half of the budget is handed out.
    pub fn is_pressed(&self) -> bool {
        self.used > self.budget / 2
    }

    /// An empty block of at least one page, and of about `wish` bytes where that can be had.
    /// `None` when the budget is used up.
    pub fn take(&mut self, wish: usize) -> Option<Block> {
        let class = SIZES.iter().position(|&s| s >= wish).unwrap_or(SIZES.len() - 1);
        (0..=class).rev().find_map(|class| self.take_class(class))
    }

    fn take_class(&mut self, class: usize) -> Option<Block> {
        let size = SIZES[class];
        if self.used + size > self.budget {
            return None;
        }
        self.reclaim();
        self.used += size;
        if let Some(block) = self.free[class].pop() {
            self.free_bytes -= size;
            return Some(block);
        }
        self.drop_free(size);
        Some(Block::new(size))
    }

    /// Takes a block back.
    pub fn give(&mut self, mut block: Block) {
        self.used -= block.capacity();
        if block.clear() {
            self.keep(block);
        } else {
            self.pinned.push_back(block);
        }
    }

    fn keep(&mut self, block: Block) {
        if let Some(class) = SIZES.iter().position(|&s| s == block.capacity()) {
            self.free_bytes += block.capacity();
            self.free[class].push(block);
        }
    }

    /// Looks at the oldest set-aside blocks: a few, so that it costs little.
    fn reclaim(&mut self) {
        for _ in 0..4 {
            let Some(mut block) = self.pinned.pop_front() else { return };
            if block.clear() {
                self.keep(block);
            } else {
                self.pinned.push_back(block);
            }
        }
    }

    /// Frees kept blocks of other sizes until `size` more bytes fit the budget.
    fn drop_free(&mut self, size: usize) {
        for class in (0..SIZES.len()).rev() {
            while self.used + self.free_bytes + size > self.budget {
                let Some(block) = self.free[class].pop() else { break };
                self.free_bytes -= block.capacity();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_holds_and_smaller_blocks_are_taken_near_it() {
        let mut arena = Arena::new(300 << 10);
        let big = arena.take(1 << 20).unwrap();
        assert_eq!(big.capacity(), 256 << 10);
        let small = arena.take(1 << 20).unwrap();
        assert_eq!(small.capacity(), 16 << 10);
        while arena.take(1).is_some() {}
        assert!(arena.used() <= 300 << 10 && arena.is_pressed());
        arena.give(big);
        assert!(arena.take(256 << 10).is_some());
    }

    #[test]
    fn a_pinned_block_is_reused_only_when_its_slices_are_gone() {
        let mut arena = Arena::new(8 << 10);
        let mut block = arena.take(1).unwrap();
        block.append(b"read me");
        let slice = block.slice(0..7);
        arena.give(block);
        let other = arena.take(1).unwrap();
        assert_eq!((&*slice, other.len()), (&b"read me"[..], 0));
        drop(slice);
        arena.give(other);
        assert_eq!(arena.used(), 0);
        assert!(arena.take(1).is_some() && arena.pinned.is_empty());
    }
}
