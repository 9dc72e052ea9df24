//! A map in two views: as the log has it once all is durable that was appended, and as it is
//! durable now.
//!
//! ```text
//!   log        k=1        k=2   k=3          durable ends behind k=1
//!                    │
//!   latest     k=3   what a snapshot or an expiry must go by: it is appended behind all of them
//!   durable    k=1   what a reader may be shown
//!   in flight  k     2 changes, durable value 1
//! ```
//!
//! Both views matter for safety. Shown before it is durable, a value may be lost in a crash after
//! it was seen. And a tombstone or a snapshot made from the durable view would be appended
//! *behind* a change in flight and undo it, though that change is acknowledged in between.
//!
//! Only keys with changes in flight take memory twice.

use std::collections::BTreeMap;

/// What an entry takes up.
pub trait LogBytes {
    /// Bytes of the key or the value in its record.
    fn log_bytes(&self) -> usize;
}

/// What an entry is reckoned with besides its key and value: the record around them in the log,
/// pointers in memory.
const ENTRY_BYTES: u64 = 96;

/// See the module.
#[derive(Clone, Debug)]
pub struct StagedMap<K, V> {
    latest: BTreeMap<K, V>,
    in_flight: BTreeMap<K, InFlight<V>>,
    latest_bytes: u64,
}

#[derive(Clone, Debug)]
struct InFlight<V> {
    changes: u32,
    durable: Option<V>,
}

impl<K, V> Default for StagedMap<K, V> {
    fn default() -> Self {
        StagedMap { latest: BTreeMap::new(), in_flight: BTreeMap::new(), latest_bytes: 0 }
    }
}

impl<K: Ord + Clone + LogBytes, V: Clone + LogBytes> StagedMap<K, V> {
    /// A change was appended; a value of none removes the key.
    pub fn stage(&mut self, key: &K, value: Option<&V>) {
        let before = self.set_latest(key, value);
        let first = || InFlight { changes: 0, durable: before };
        self.in_flight.entry(key.clone()).or_insert_with(first).changes += 1;
    }

    /// A change that was staged is durable. Changes of a key become so in the order in which they
    /// were staged.
    ///
    /// # Panics
    /// When the change was not staged.
    pub fn settle(&mut self, key: &K, value: Option<V>) {
        let entry = self.in_flight.get_mut(key).expect("a change is staged before it is durable");
        entry.changes -= 1;
        entry.durable = value;
        if entry.changes == 0 {
            self.in_flight.remove(key);
        }
    }

    /// Takes in a change that is durable already, from a log that is read.
    ///
    /// # Panics
    /// While changes are in flight.
    pub fn replay(&mut self, key: &K, value: Option<&V>) {
        assert!(self.in_flight.is_empty(), "a log is read before anything is appended to it");
        self.set_latest(key, value);
    }

    fn set_latest(&mut self, key: &K, value: Option<&V>) -> Option<V> {
        let before = match value {
            Some(value) => self.latest.insert(key.clone(), value.clone()),
            None => self.latest.remove(key),
        };
        self.latest_bytes += value.map_or(0, |v| entry_bytes(key, v));
        self.latest_bytes -= before.as_ref().map_or(0, |v| entry_bytes(key, v));
        before
    }

    /// The value as far as it is durable.
    pub fn durable(&self, key: &K) -> Option<&V> {
        match self.in_flight.get(key) {
            Some(entry) => entry.durable.as_ref(),
            None => self.latest.get(key),
        }
    }

    /// The durable keys and values from `first` on, in order, while `wanted`.
    pub fn durable_while<'a>(
        &'a self,
        first: &K,
        wanted: impl Fn(&K) -> bool,
    ) -> BTreeMap<&'a K, &'a V> {
        let latest = self.latest.range(first..).map(|(key, _)| key).take_while(|key| wanted(key));
        let kept = self.in_flight.range(first..).map(|(key, _)| key).take_while(|key| wanted(key));
        latest.chain(kept).filter_map(|key| Some((key, self.durable(key)?))).collect()
    }

    /// What the log says, whether durable or not.
    pub fn latest(&self) -> &BTreeMap<K, V> {
        &self.latest
    }

    /// Bytes of [`StagedMap::latest`] in log and memory, roughly.
    pub fn latest_bytes(&self) -> u64 {
        self.latest_bytes
    }
}

/// What an entry is reckoned with.
pub fn entry_bytes<K: LogBytes, V: LogBytes>(key: &K, value: &V) -> u64 {
    ENTRY_BYTES + (key.log_bytes() + value.log_bytes()) as u64
}

impl LogBytes for Vec<u8> {
    fn log_bytes(&self) -> usize {
        self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(k: u8) -> Vec<u8> {
        vec![k]
    }

    fn durable(map: &StagedMap<Vec<u8>, Vec<u8>>) -> Vec<(u8, u8)> {
        map.durable_while(&vec![], |_| true).into_iter().map(|(k, v)| (k[0], v[0])).collect()
    }

    #[test]
    fn each_change_shows_when_it_is_durable() {
        let mut map = StagedMap::default();
        map.replay(&key(1), Some(&vec![10]));
        map.stage(&key(1), Some(&vec![11]));
        map.stage(&key(2), Some(&vec![20]));
        map.stage(&key(1), None);
        assert_eq!(durable(&map), [(1, 10)]);
        assert_eq!(map.latest().keys().collect::<Vec<_>>(), [&key(2)]);
        map.settle(&key(1), Some(vec![11]));
        assert_eq!(durable(&map), [(1, 11)]);
        map.settle(&key(2), Some(vec![20]));
        assert_eq!(durable(&map), [(1, 11), (2, 20)]);
        map.settle(&key(1), None);
        assert_eq!(durable(&map), [(2, 20)]);
        assert!(map.in_flight.is_empty());
    }

    #[test]
    fn bytes_follow_the_latest_view() {
        let mut map = StagedMap::default();
        map.stage(&key(1), Some(&vec![0; 10]));
        map.stage(&key(2), Some(&vec![0; 20]));
        map.stage(&key(1), Some(&vec![0; 5]));
        assert_eq!(map.latest_bytes(), 2 * ENTRY_BYTES + 2 + 25);
        map.stage(&key(1), None);
        map.stage(&key(2), None);
        map.stage(&key(2), None);
        assert_eq!(map.latest_bytes(), 0);
    }
}
