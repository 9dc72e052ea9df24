//! Numbers for the partitions that a connection has opened.
//!
//! A number is used again only when all have been used, and then the one that was given back first:
//! a late request on an old handle is far more likely to be told that than to hit another partition.

use std::collections::VecDeque;

use crate::limits;
use crate::storage::LogId;

/// A connection's handles. Handle `n` stands at index `n - 1`, as 0 is none.
#[derive(Default)]
pub struct Handles {
    logs: Vec<Option<LogId>>,
    closed: VecDeque<u32>,
}

impl Handles {
    /// A handle for a partition; `None` when too many are open.
    pub fn open(&mut self, log: LogId) -> Option<u32> {
        if self.logs.len() < limits::HANDLES {
            self.logs.push(Some(log));
            return Some(self.logs.len() as u32);
        }
        let handle = self.closed.pop_front()?;
        self.logs[handle as usize - 1] = Some(log);
        Some(handle)
    }

    /// The partition of a handle.
    pub fn get(&self, handle: u32) -> Option<LogId> {
        *self.logs.get((handle as usize).checked_sub(1)?)?
    }

    /// Gives a handle back. Whether it was open.
    pub fn close(&mut self, handle: u32) -> bool {
        let index = (handle as usize).checked_sub(1);
        let slot = index.and_then(|index| self.logs.get_mut(index));
        let was_open = slot.is_some_and(|slot| slot.take().is_some());
        if was_open {
            self.closed.push_back(handle);
        }
        was_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_never_zero_and_come_back_last() {
        let mut handles = Handles::default();
        assert_eq!((handles.open(LogId(7)), handles.open(LogId(8))), (Some(1), Some(2)));
        assert_eq!((handles.get(1), handles.get(0), handles.get(3)), (Some(LogId(7)), None, None));
        assert!(handles.close(1) && !handles.close(1) && !handles.close(0) && !handles.close(9));
        assert_eq!((handles.get(1), handles.open(LogId(9))), (None, Some(3)));
        for _ in 3..limits::HANDLES {
            assert!(handles.open(LogId(0)).is_some());
        }
        assert_eq!((handles.open(LogId(5)), handles.open(LogId(5))), (Some(1), None));
    }
}
