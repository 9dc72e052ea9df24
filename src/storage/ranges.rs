//! A set of positions, as few disjoint ranges: which bytes of a segment may be sent unseen.

use std::ops::Range;

/// Disjoint, rising ranges that never touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range, joining it with those it touches.
    pub fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // As a log grows.
        if let Some(last) = self.0.last_mut().filter(|last| last.end == range.start) {
            last.end = range.end;
            return;
        }
        let from = self.0.partition_point(|r| r.end < range.start);
        let to = self.0.partition_point(|r| r.start <= range.end);
        let joined = self.0[from..to]
            .iter()
            .fold(range, |joined, r| joined.start.min(r.start)..joined.end.max(r.end));
        self.0.splice(from..to, [joined]);
    }

    /// How far from `position` on everything is in the set; `position` itself when it isn't.
    pub fn reach(&self, position: u64) -> u64 {
        let i = self.0.partition_point(|r| r.end <= position);
        self.0.get(i).filter(|r| r.start <= position).map_or(position, |r| r.end)
    }

    /// The first position in the set behind `position`, which is not in it.
    pub fn next_start(&self, position: u64) -> Option<u64> {
        let i = self.0.partition_point(|r| r.start <= position);
        self.0.get(i).map(|r| r.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let mut set = Ranges::default();
        for range in [10..20, 30..40, 20..25, 50..60, 5..5] {
            set.add(range);
        }
        assert_eq!(set.0, [10..25, 30..40, 50..60]);
        assert_eq!((set.reach(10), set.reach(24), set.reach(25), set.reach(9)), (25, 25, 25, 9));
        assert_eq!((set.next_start(25), set.next_start(60)), (Some(30), None));
        set.add(24..55);
        assert_eq!((set.reach(10), set.0.len()), (60, 1));
    }
}
