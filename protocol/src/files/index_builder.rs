//! Which batches get an entry in a segment's two indexes: the rule, as Kafka has it.
//!
//! Before a batch is counted: if more than `index.interval.bytes` passed since the last entry, the
//! batch gets one in the offset index, and the largest timestamp so far, this batch's included,
//! one in the time index, unless that has it already. When the segment is closed, the time index
//! gets a last entry by the same condition. So the indexes follow from the log alone, and a
//! rebuilt one is the same, byte for byte.

use super::offset_index::OffsetEntry;
use super::time_index::TimeEntry;
use crate::batch::{BatchHeader, NO_TIMESTAMP};

/// The entries that a batch brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexEntries {
    /// One for the offset index.
    pub offset: Option<OffsetEntry>,
    /// One for the time index; only ever together with the other.
    pub time: Option<TimeEntry>,
}

/// What must be remembered of a segment to go on with its indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexState {
    /// Bytes of the segment since the last entry's batch started, that batch included.
    pub bytes_since_entry: u64,
    /// The largest timestamp of the segment, and the last offset of the first batch that has it.
    pub largest: Option<TimeEntry>,
    /// The timestamp of the last entry in the time index, or -1.
    pub last_entry_timestamp: i64,
}

impl Default for IndexState {
    fn default() -> Self {
        IndexState { bytes_since_entry: 0, largest: None, last_entry_timestamp: NO_TIMESTAMP }
    }
}

/// Follows a segment batch by batch and says what its indexes get.
#[derive(Clone, Debug)]
pub struct IndexBuilder {
    interval_bytes: u64,
    state: IndexState,
}

impl IndexBuilder {
    /// For an empty segment, with `index.interval.bytes`.
    pub fn new(interval_bytes: u32) -> Self {
        IndexBuilder::resume(interval_bytes, IndexState::default())
    }

    /// For a segment that has batches already.
    pub fn resume(interval_bytes: u32, state: IndexState) -> Self {
        IndexBuilder { interval_bytes: u64::from(interval_bytes), state }
    }

    /// What [`IndexBuilder::resume`] needs to go on from here.
    pub fn state(&self) -> IndexState {
        self.state
    }

    /// The largest timestamp so far, and the last offset of the first batch that has it.
    pub fn largest(&self) -> Option<TimeEntry> {
        self.state.largest
    }

    /// Counts the next batch of the segment, which starts at the byte `position`, and gives the
    /// entries it brings.
    pub fn add(&mut self, batch: &BatchHeader, position: u32) -> IndexEntries {
        let end = TimeEntry { timestamp: batch.max_timestamp, offset: batch.last_offset() };
        self.count(end, batch.size_in_bytes() as u64, position)
    }

    /// [`IndexBuilder::add`] for who knows the batch's largest timestamp, last offset and size.
    pub fn count(&mut self, end: TimeEntry, size_in_bytes: u64, position: u32) -> IndexEntries {
        let state = &mut self.state;
        if end.timestamp > state.largest.map_or(NO_TIMESTAMP, |largest| largest.timestamp) {
            state.largest = Some(end);
        }
        let mut entries = IndexEntries::default();
        if state.bytes_since_entry > self.interval_bytes {
            state.bytes_since_entry = 0;
            entries.offset = Some(OffsetEntry { offset: end.offset, position });
            entries.time = self.time_entry();
        }
        self.state.bytes_since_entry += size_in_bytes;
        entries
    }

    /// The last entry of the time index, when the segment is closed, if there is one to add.
    pub fn finish(&mut self) -> Option<TimeEntry> {
        self.time_entry()
    }

    fn time_entry(&mut self) -> Option<TimeEntry> {
        let entry = self
            .state
            .largest
            .filter(|largest| largest.timestamp > self.state.last_entry_timestamp)?;
        self.state.last_entry_timestamp = entry.timestamp;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Codec};

    /// A batch of one record and exactly 200 bytes.
    fn batch(offset: i64, timestamp: i64) -> BatchHeader {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(timestamp, None, Some(&[0; 130]), &[]).unwrap();
        let mut header = BatchHeader::parse(&builder.finish().unwrap()).unwrap();
        assert_eq!(header.size_in_bytes(), 200);
        header.base_offset = offset;
        header
    }

    #[test]
    fn an_entry_needs_more_than_the_interval_before_it() {
        let mut builder = IndexBuilder::new(400);
        let positions: Vec<u32> = (0..10u32)
            .filter_map(|i| builder.add(&batch(i.into(), 1_000), i * 200).offset)
            .map(|entry| entry.position)
            .collect();
        assert_eq!(positions, [600, 1_200, 1_800]);
    }

    #[test]
    fn the_time_index_rises_and_ends_with_the_largest() {
        let mut builder = IndexBuilder::new(100);
        let timestamps = [50, 900, 300, 300, 901];
        let mut times = Vec::new();
        for (i, timestamp) in timestamps.into_iter().enumerate() {
            times.extend(builder.add(&batch(i as i64, timestamp), i as u32 * 200).time);
        }
        times.extend(builder.finish());
        assert_eq!(builder.finish(), None, "only once");
        let expected =
            [(900, 1), (901, 4)].map(|(timestamp, offset)| TimeEntry { timestamp, offset });
        assert_eq!(times, expected);
    }

    #[test]
    fn without_timestamps_there_is_no_time_index() {
        let mut builder = IndexBuilder::new(0);
        for i in 0..5 {
            assert_eq!(builder.add(&batch(i, NO_TIMESTAMP), i as u32 * 200).time, None);
        }
        assert_eq!(builder.finish(), None);
    }

    #[test]
    fn resuming_changes_nothing() {
        let mut whole = IndexBuilder::new(300);
        let mut resumed = IndexBuilder::new(300);
        for i in 0..20 {
            resumed = IndexBuilder::resume(300, resumed.state());
            let (batch, position) = (batch(i, 1_000 + i % 7), i as u32 * 200);
            assert_eq!(resumed.add(&batch, position), whole.add(&batch, position));
        }
        assert_eq!(resumed.finish(), whole.finish());
    }
}
