//! One file's bytes: what the page cache shows, and what stable storage holds.
//!
//! ```text
//! cached   |AAAA|BBBB|CCCC|DDDD|      what reads see
//! stable   |AAAA|bbbb|CCCC|    |      what is left after a power cut, at least
//! dirty          ^^^^      ^^^^       each of these sectors may survive, or not
//! ```
//!
//! Sectors are 512 bytes and survive one by one. The two lengths differ likewise. A dirty
//! sector that is overwritten may have been written back just before, as a kernel does at any
//! moment; that is why stable storage can hold a version between the first and the last.

use std::collections::BTreeMap;
use std::ops::Range;

use fastrand::Rng;

use super::pages::{Blocks, Pages};

/// Bytes that stable storage takes wholly or not at all.
pub(super) const SECTOR: u64 = 512;

#[derive(Clone, Default)]
pub(super) struct File {
    cached: Pages,
    cached_len: u64,
    stable: Pages,
    stable_len: u64,
    /// Sectors that only the page cache has for certain, with the stamp of their last write.
    dirty: BTreeMap<u64, u64>,
    pub blocks: Blocks,
    /// Whether a name of the page cache's view leads here.
    pub linked: bool,
    /// Open files on it.
    pub handles: u32,
    /// Syncs in flight: what was dirty when they were submitted must not be lost to a later
    /// overwrite.
    pub syncing: u32,
}

/// Which parts of a write arrive.
pub(super) struct Landing {
    /// Disjoint byte ranges of the file; `false` where garbage arrives instead of the data.
    runs: Vec<(Range<u64>, bool)>,
    whole: bool,
}

impl Landing {
    /// All of it.
    pub fn whole(range: Range<u64>) -> Landing {
        Landing { runs: vec![(range, true)], whole: true }
    }

    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// All, nothing, a first part, or any sectors; with `garbage`, now and then a sector that
    /// holds neither the old bytes nor the new.
    pub fn torn(range: Range<u64>, garbage: bool, rng: &mut Rng) -> Landing {
        let sectors = range.start / SECTOR..range.end.div_ceil(SECTOR);
        let manner = rng.u8(0..4);
        let until = rng.u64(sectors.start..=sectors.end);
        let mut runs: Vec<(Range<u64>, bool)> = Vec::new();
        for sector in sectors {
            let lands = match manner {
                0 => false,
                1 => true,
                2 => sector < until,
                _ => rng.bool(),
            };
            let bytes = (sector * SECTOR).max(range.start)..((sector + 1) * SECTOR).min(range.end);
            if garbage && rng.u8(0..16) == 0 {
                runs.push((bytes, false));
            } else if lands {
                match runs.last_mut() {
                    Some((last, true)) if last.end == bytes.start => last.end = bytes.end,
                    _ => runs.push((bytes, true)),
                }
            }
        }
        Landing { runs, whole: false }
    }

    /// A first part, as of a buffered write whose process was killed in it.
    pub fn prefix(range: Range<u64>, rng: &mut Rng) -> Landing {
        let end = rng.u64(range.start..=range.end);
        Landing { runs: vec![(range.start..end, true)], whole: false }
    }
}

impl File {
    /// Bytes, as the page cache sees it.
    pub fn len(&self) -> u64 {
        self.cached_len
    }

    /// Reads from the page cache's view; returns how much there was.
    pub fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let n = self.cached_len.saturating_sub(at).min(into.len() as u64) as usize;
        self.cached.read(at, &mut into[..n]);
        n
    }

    /// The page cache's view.
    pub fn cached(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.cached_len as usize];
        self.cached.read(0, &mut bytes);
        bytes
    }

    /// What survives a power cut for certain.
    pub fn stable(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.stable_len as usize];
        self.stable.read(0, &mut bytes);
        bytes
    }

    /// A write past the page cache, or the parts of it that land.
    pub fn write_durable(&mut self, at: u64, bytes: &[u8], landing: &Landing, rng: &mut Rng) {
        for (run, real) in &landing.runs {
            self.put(at, bytes, run, *real, rng);
            self.stable.adopt(&self.cached, run.clone());
            self.clean(run.clone());
        }
        if landing.whole && !bytes.is_empty() {
            self.stable_len = self.stable_len.max(at + bytes.len() as u64);
        }
    }

    /// A write into the page cache, or the parts of it that land.
    pub fn write_buffered(
        &mut self,
        at: u64,
        bytes: &[u8],
        stamp: u64,
        landing: &Landing,
        rng: &mut Rng,
    ) {
        for (run, real) in &landing.runs {
            let sectors = sectors_of(run);
            let before: Vec<u64> = self.dirty.range(sectors.clone()).map(|(s, _)| *s).collect();
            for sector in before {
                if self.syncing > 0 || rng.bool() {
                    self.stable.adopt(&self.cached, sector_bytes(sector));
                }
            }
            self.put(at, bytes, run, *real, rng);
            self.dirty.extend(sectors.map(|sector| (sector, stamp)));
        }
    }

    /// Puts one run of a write at `at` into the page cache.
    fn put(&mut self, at: u64, bytes: &[u8], run: &Range<u64>, real: bool, rng: &mut Rng) {
        if run.is_empty() {
            return;
        }
        if real {
            let part = (run.start - at) as usize..(run.end - at) as usize;
            self.cached.write(run.start, &bytes[part]);
        } else {
            let garbage: Vec<u8> = run.clone().map(|_| rng.u8(..)).collect();
            self.cached.write(run.start, &garbage);
        }
        self.blocks.cover(run.clone());
        self.cached_len = self.cached_len.max(run.end);
    }

    /// A sync that covers writes up to `stamp`, submitted when the file had `len` bytes.
    pub fn sync(&mut self, stamp: u64, len: u64) {
        for sector in self.dirty_until(stamp) {
            self.stable.adopt(&self.cached, sector_bytes(sector));
            self.dirty.remove(&sector);
        }
        self.stable_len = self.stable_len.max(len.min(self.cached_len));
    }

    /// A sync that failed: some sectors arrived, and none is dirty any more, so that a second
    /// sync would succeed without making them durable.
    pub fn fail_sync(&mut self, stamp: u64, rng: &mut Rng) {
        for sector in self.dirty_until(stamp) {
            if rng.bool() {
                self.stable.adopt(&self.cached, sector_bytes(sector));
            }
            self.dirty.remove(&sector);
        }
    }

    fn dirty_until(&self, stamp: u64) -> Vec<u64> {
        self.dirty.iter().filter(|(_, at)| **at <= stamp).map(|(sector, _)| *sector).collect()
    }

    fn clean(&mut self, run: Range<u64>) {
        if !self.dirty.is_empty() {
            for sector in sectors_of(&run) {
                self.dirty.remove(&sector);
            }
        }
    }

    /// Sets the length, durably.
    pub fn set_len(&mut self, len: u64) {
        self.cached.cut(len);
        self.stable.cut(len);
        self.dirty.split_off(&len.div_ceil(SECTOR));
        self.blocks.cut(len);
        (self.cached_len, self.stable_len) = (len, len);
    }

    /// Reserves blocks; a length that grows is not durable yet.
    pub fn allocate(&mut self, at: u64, len: u64) {
        self.blocks.cover(at..at + len);
        self.cached_len = self.cached_len.max(at + len);
    }

    /// A power cut: each dirty sector and the length are decided, and nothing is dirty.
    pub fn settle(&mut self, rng: &mut Rng) {
        let manner = rng.u8(0..4);
        let survivors: Vec<u64> = self
            .dirty
            .keys()
            .copied()
            .filter(|_| match manner {
                0 => false,
                1 => true,
                _ => rng.bool(),
            })
            .collect();
        for sector in survivors {
            self.stable.adopt(&self.cached, sector_bytes(sector));
        }
        if self.stable_len < self.cached_len {
            self.stable_len = match rng.u8(0..3) {
                0 => self.stable_len,
                1 => self.cached_len,
                _ => rng.u64(self.stable_len..=self.cached_len),
            };
        }
        self.stable.cut(self.stable_len);
        self.blocks.cut(self.stable_len);
        self.cached = self.stable.clone();
        self.cached_len = self.stable_len;
        self.dirty.clear();
    }

    /// Everything that the page cache has becomes durable.
    pub fn flush(&mut self) {
        self.stable = self.cached.clone();
        self.stable_len = self.cached_len;
        self.dirty.clear();
    }

    /// Puts bytes where both views have them, growing the file.
    pub fn overwrite(&mut self, at: u64, bytes: &[u8]) {
        let range = at..at + bytes.len() as u64;
        self.cached.write(at, bytes);
        self.stable.write(at, bytes);
        self.blocks.cover(range.clone());
        self.cached_len = self.cached_len.max(range.end);
        self.stable_len = self.stable_len.max(range.end);
    }
}

fn sectors_of(run: &Range<u64>) -> Range<u64> {
    if run.is_empty() { 0..0 } else { run.start / SECTOR..run.end.div_ceil(SECTOR) }
}

fn sector_bytes(sector: u64) -> Range<u64> {
    sector * SECTOR..(sector + 1) * SECTOR
}
