//! A write under way: what of it the kernel took, and what it is to be given next.
//!
//! ```text
//! slices  |aaaaaaaa|bbbb|cccccccccccc|
//!         |<- written ->|<-- rest -->|
//! ```
//!
//! The kernel may take less than it was given. What it took is then rounded down to whole
//! units, as a direct write must start at a block, and the rest is given to it again; a block
//! that is written twice gets the same bytes. A write that makes no headway fails.

use std::io;

use super::Slice;

/// Slices a single system call takes (`IOV_MAX`).
const SLICES_MAX: usize = 1024;
/// Short writes without a whole unit of headway before the write fails.
const STALLS_MAX: u32 = 4;

pub(super) struct Writing {
    at: u64,
    data: Vec<Slice>,
    total: usize,
    written: usize,
    unit: usize,
    stalls: u32,
}

impl Writing {
    /// A write of `data` at byte `at` that is continued at multiples of `unit`.
    pub fn new(at: u64, data: Vec<Slice>, unit: usize) -> Writing {
        let total = data.iter().map(|slice| slice.len()).sum();
        Writing { at, data, total, written: 0, unit, stalls: 0 }
    }

    pub fn is_done(&self) -> bool {
        self.written == self.total
    }

    /// The byte of the file at which the rest goes.
    pub fn position(&self) -> u64 {
        self.at + self.written as u64
    }

    /// What is still to be written, as much as one system call takes.
    pub fn rest(&self) -> impl Iterator<Item = &[u8]> {
        let mut skip = self.written;
        let rest = self.data.iter().filter_map(move |slice| {
            let skipped = skip.min(slice.len());
            skip -= skipped;
            Some(&slice[skipped..]).filter(|rest| !rest.is_empty())
        });
        rest.take(SLICES_MAX)
    }

    /// Counts `n` bytes of the rest as taken.
    ///
    /// # Errors
    /// When the write does not get ahead any more.
    pub fn wrote(&mut self, n: usize) -> io::Result<()> {
        let reached = (self.written + n).min(self.total);
        let whole = if reached == self.total { reached } else { reached - reached % self.unit };
        self.stalls = if whole > self.written { 0 } else { self.stalls + 1 };
        if self.stalls == STALLS_MAX {
            let reason = format!("it stopped after {reached} of {} bytes", self.total);
            return Err(io::Error::new(io::ErrorKind::WriteZero, reason));
        }
        self.written = whole;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Block;

    fn write_of(lengths: &[usize], unit: usize) -> Writing {
        let slices = lengths.iter().map(|&n| {
            let mut block = Block::new(n);
            block.append_zeroes(n);
            block.slice(0..n)
        });
        Writing::new(8192, slices.collect(), unit)
    }

    fn rest(write: &Writing) -> Vec<usize> {
        write.rest().map(<[u8]>::len).collect()
    }

    #[test]
    fn a_short_write_goes_on_where_it_stopped() {
        let mut write = write_of(&[5, 0, 7], 1);
        assert_eq!((rest(&write), write.position()), (vec![5, 7], 8192));
        write.wrote(6).unwrap();
        assert_eq!((rest(&write), write.position()), (vec![6], 8198));
        write.wrote(6).unwrap();
        assert!(write.is_done() && rest(&write).is_empty());
    }

    #[test]
    fn a_direct_write_goes_on_at_a_whole_block() {
        let mut write = write_of(&[4096, 8192], 4096);
        write.wrote(4096 + 4096 + 512).unwrap();
        assert_eq!((rest(&write), write.position()), (vec![4096], 8192 + 8192));
        write.wrote(4096).unwrap();
        assert!(write.is_done());
    }

    #[test]
    fn a_write_that_gets_nowhere_fails() {
        let mut write = write_of(&[8192], 4096);
        let results: Vec<bool> = (0..STALLS_MAX).map(|_| write.wrote(512).is_ok()).collect();
        assert_eq!(results, [true, true, true, false]);
    }

    #[test]
    fn many_slices_go_in_several_calls() {
        let write = write_of(&vec![1; SLICES_MAX + 1], 1);
        assert_eq!(rest(&write).len(), SLICES_MAX);
    }
}
