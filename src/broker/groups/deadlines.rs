//! When which group has to be looked at.
//!
//! One time a group, no later than the first of its own deadlines. Heartbeats, which put deadlines
//! off, leave it as it is: when it comes, the group is looked at, and its next time is worked out.
//! So a heartbeat costs nothing here, and a group is looked at about once a session timeout.

use std::collections::{BTreeMap, BTreeSet};

/// The times, in microseconds on the monotonic clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(u64, String)>,
    of: BTreeMap<String, u64>,
}

impl Deadlines {
    /// Sets a group's time; none for never.
    pub fn set(&mut self, group: &str, at_us: Option<u64>) {
        if self.of.get(group).copied() == at_us {
            return;
        }
        if let Some(before_us) = self.of.remove(group) {
            self.by_time.remove(&(before_us, group.to_owned()));
        }
        if let Some(at_us) = at_us {
            self.of.insert(group.to_owned(), at_us);
            self.by_time.insert((at_us, group.to_owned()));
        }
    }

    /// Takes a group whose time has come; it has none then.
    pub fn pop_due(&mut self, now_us: u64) -> Option<String> {
        let (at_us, _) = self.by_time.first()?;
        if *at_us > now_us {
            return None;
        }
        let (_, group) = self.by_time.pop_first()?;
        self.of.remove(&group);
        Some(group)
    }

    /// The first time.
    pub fn first(&self) -> Option<u64> {
        self.by_time.first().map(|(at_us, _)| *at_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_one_time_and_they_come_in_order() {
        let mut deadlines = Deadlines::default();
        for (group, at_us) in [("a", 5), ("b", 3), ("a", 4), ("c", 9)] {
            deadlines.set(group, Some(at_us));
        }
        deadlines.set("c", None);
        assert_eq!((deadlines.first(), deadlines.pop_due(2)), (Some(3), None));
        let due: Vec<String> = std::iter::from_fn(|| deadlines.pop_due(7)).collect();
        assert_eq!((due, deadlines.first()), (vec!["b".into(), "a".into()], None));
    }
}
