//! Sparse bytes that are cheap to copy, and the blocks a file occupies.
//!
//! A page that is not there reads as zeroes. Pages are shared between copies until one of them
//! writes, so a crash image of megabytes costs pointers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a page, and the unit in which space is counted.
pub(super) const PAGE: u64 = 4096;

type Page = [u8; PAGE as usize];

static ZEROES: Page = [0; PAGE as usize];

/// Sparse bytes; no length of their own.
#[derive(Clone, Default)]
pub(super) struct Pages {
    pages: BTreeMap<u64, Arc<Page>>,
}

impl Pages {
    /// Fills `into` with the bytes at `at`.
    pub fn read(&self, at: u64, into: &mut [u8]) {
        for (page, within, piece) in pieces(at..at + into.len() as u64) {
            let from = self.pages.get(&page).map_or(&ZEROES, |page| page);
            into[piece].copy_from_slice(&from[within]);
        }
    }

    /// Puts `bytes` at `at`.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        for (page, within, piece) in pieces(at..at + bytes.len() as u64) {
            let piece = &bytes[piece];
            let zero = *piece == ZEROES[..piece.len()];
            if zero && piece.len() == ZEROES.len() {
                self.pages.remove(&page);
            } else if let Ok(whole) = Page::try_from(piece) {
                self.pages.insert(page, Arc::new(whole));
            } else if !zero || self.pages.contains_key(&page) {
                let to = self.pages.entry(page).or_insert_with(|| Arc::new(ZEROES));
                Arc::make_mut(to)[within].copy_from_slice(piece);
            }
        }
    }

    /// Takes over the bytes of `range` from `other`.
    pub fn adopt(&mut self, other: &Pages, range: Range<u64>) {
        for (page, within, _) in pieces(range) {
            match other.pages.get(&page) {
                Some(from) if within.len() == ZEROES.len() => {
                    self.pages.insert(page, from.clone());
                }
                from => {
                    let from = from.map_or(&ZEROES, |page| page);
                    self.write(page * PAGE + within.start as u64, &from[within]);
                }
            }
        }
    }

    /// Zeroes everything from `len` on.
    pub fn cut(&mut self, len: u64) {
        self.pages.split_off(&len.div_ceil(PAGE));
        let within = (len % PAGE) as usize;
        if let Some(page) = self.pages.get_mut(&(len / PAGE)) {
            Arc::make_mut(page)[within..].fill(0);
        }
    }
}

/// Splits a range at page borders: the page, the range within it, and the range within the
/// whole.
fn pieces(range: Range<u64>) -> impl Iterator<Item = (u64, Range<usize>, Range<usize>)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let page = at / PAGE;
        let end = range.end.min((page + 1) * PAGE);
        let within = (at - page * PAGE) as usize..(end - page * PAGE) as usize;
        let piece = (at - range.start) as usize..(end - range.start) as usize;
        at = end;
        Some((page, within, piece))
    })
}

/// The blocks that a file occupies, written or only reserved: disjoint ranges of block numbers,
/// start to end.
#[derive(Clone, Default)]
pub(super) struct Blocks {
    ranges: BTreeMap<u64, u64>,
}

impl Blocks {
    /// Bytes that all of them take.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|(start, end)| end - start).sum::<u64>() * PAGE
    }

    /// Bytes that covering `range` would add.
    pub fn missing(&self, range: Range<u64>) -> u64 {
        let wanted = range.start / PAGE..range.end.div_ceil(PAGE);
        let held: u64 = self
            .ranges
            .range(..wanted.end)
            .map(|(start, end)| (*end).min(wanted.end).saturating_sub((*start).max(wanted.start)))
            .sum();
        (wanted.end.saturating_sub(wanted.start) - held) * PAGE
    }

    /// Covers the bytes of `range`.
    pub fn cover(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start / PAGE, range.end.div_ceil(PAGE));
        while let Some((&from, &to)) = self.ranges.range(..=end).next_back() {
            if to < start {
                break;
            }
            self.ranges.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.ranges.insert(start, end);
    }

    /// Gives up the blocks behind byte `len`.
    pub fn cut(&mut self, len: u64) {
        let keep = len.div_ceil(PAGE);
        self.ranges.split_off(&keep);
        if let Some((_, end)) = self.ranges.iter_mut().next_back() {
            *end = (*end).min(keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_read_back_what_was_written() {
        let mut pages = Pages::default();
        pages.write(4090, &[7; 5000]);
        let copy = pages.clone();
        pages.write(5000, &[0; 10]);
        pages.cut(8000);
        let mut read = vec![1; 10_000];
        pages.read(0, &mut read);
        let mut expected = vec![0; 10_000];
        expected[4090..8000].fill(7);
        expected[5000..5010].fill(0);
        assert!(read == expected);
        copy.read(0, &mut read);
        assert!(read[4090..9090].iter().all(|byte| *byte == 7), "the copy stays as it was");
    }

    #[test]
    fn adopting_takes_just_the_range() {
        let (mut from, mut to) = (Pages::default(), Pages::default());
        from.write(0, &[1; 12_288]);
        to.write(0, &[2; 12_288]);
        to.adopt(&from, 512..9000);
        let mut read = vec![0; 12_288];
        to.read(0, &mut read);
        assert!(read[..512].iter().all(|byte| *byte == 2));
        assert!(read[512..9000].iter().all(|byte| *byte == 1));
        assert!(read[9000..].iter().all(|byte| *byte == 2));
    }

    #[test]
    fn blocks_are_counted_once() {
        let mut blocks = Blocks::default();
        blocks.cover(0..1);
        blocks.cover(8192..12_288);
        assert_eq!((blocks.bytes(), blocks.missing(0..20_480)), (8192, 12_288));
        blocks.cover(4096..16_384);
        assert_eq!((blocks.bytes(), blocks.missing(0..16_384)), (16_384, 0));
        blocks.cut(4097);
        assert_eq!((blocks.bytes(), blocks.missing(0..16_384)), (8192, 8192));
    }
}
