//! What is known of a partition's log while its segments are walked over, one after another.

use std::collections::HashMap;

use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::leader_epochs::EpochStart;
use duramen_protocol::files::producer_snapshot::ProducerEntry;

use crate::control::Control;

/// Producers and transactions are followed up to so many, and no more beyond.
const PRODUCERS_MAX: usize = 1 << 20;

/// The log up to where the walk stands.
pub(super) struct Log {
    /// The offset that follows. None before the first segment and behind one that was not seen.
    pub(super) next_offset: Option<i64>,
    /// Whether there were gaps, as compaction leaves them: then not every batch was seen.
    pub(super) has_gaps: bool,
    /// The leader epochs by the partition's own file.
    pub(super) epochs: Vec<EpochStart>,
    /// The leader epoch of the last batch.
    pub(super) last_epoch: i32,
    /// The last batch of each idempotent producer.
    producers: HashMap<i64, LastBatch>,
    /// The first offset of each open transaction, by producer.
    open: HashMap<i64, i64>,
}

struct LastBatch {
    epoch: i16,
    last_sequence: i32,
    last_offset: i64,
}

impl Log {
    /// Nothing has been seen yet.
    pub(super) fn new(epochs: Vec<EpochStart>) -> Log {
        Log {
            next_offset: None,
            has_gaps: false,
            epochs,
            last_epoch: -1,
            producers: HashMap::new(),
            open: HashMap::new(),
        }
    }

    /// Something was not seen: what is known of producers is not all.
    pub(super) fn forget_producers(&mut self) {
        self.producers.clear();
        self.open.clear();
    }

    /// Takes in a good batch.
    pub(super) fn append(&mut self, header: &BatchHeader) {
        if !header.has_producer_id() || header.attributes.is_control() {
            return;
        }
        if self.producers.len() >= PRODUCERS_MAX {
            self.forget_producers();
        }
        let producer_id = header.producer_id;
        let last = LastBatch {
            epoch: header.producer_epoch,
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
        };
        self.producers.insert(producer_id, last);
        if header.attributes.is_transactional() {
            self.open.entry(producer_id).or_insert(header.base_offset);
        }
    }

    /// Takes in a marker; gives back where the transaction started that it ends, if that was seen.
    pub(super) fn end_transaction(
        &mut self,
        header: &BatchHeader,
        control: Control,
    ) -> Option<i64> {
        if !control.ends_transaction() {
            return None;
        }
        self.open.remove(&header.producer_id)
    }

    /// The first offset of an open transaction, as far as they were seen.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.open.values().min().copied()
    }

    /// What in a snapshot contradicts the log, if it was taken where the walk stands.
    pub(super) fn contradiction(&self, entry: &ProducerEntry) -> Option<String> {
        let seen = self.producers.get(&entry.producer_id)?;
        // A marker may have raised the epoch since; then the snapshot has no batch.
        if seen.epoch != entry.producer_epoch || entry.last_offset < 0 {
            return None;
        }
        let same =
            seen.last_offset == entry.last_offset && seen.last_sequence == entry.last_sequence;
        (!same).then(|| {
            format!(
                "producer {} has last sequence {} at offset {}, where the log has {} at {}",
                entry.producer_id,
                entry.last_sequence,
                entry.last_offset,
                seen.last_sequence,
                seen.last_offset
            )
        })
    }

    /// The leader epoch that the partition's own file gives an offset; the last one has no end.
    pub(super) fn epoch_at(&self, offset: i64) -> Option<i32> {
        let after = self.epochs.partition_point(|epoch| epoch.start_offset <= offset);
        Some(self.epochs.get(after.checked_sub(1)?)?.epoch)
    }
}
