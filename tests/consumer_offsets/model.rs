//! What a table must show, kept the simplest way: the durable state, and every change since.

use std::collections::BTreeMap;

use duramen::broker::catalog::Catalog;
use duramen::broker::offsets::{OffsetKey, OffsetValue};
use duramen_protocol::batch::{BatchView, Record};

/// Whose value: an offset's, or another record's by its key's bytes.
pub type Key = Result<OffsetKey, Vec<u8>>;

/// An offset in the log, and the key's value from there on; none removes the key.
pub type Change = (i64, Key, Option<Vec<u8>>);

/// The value of each key.
pub type State = BTreeMap<Key, Vec<u8>>;

#[derive(Default)]
pub struct Model {
    durable: State,
    in_flight: Vec<Change>,
}

impl Model {
    /// Notes what an appended batch changes.
    pub fn note(&mut self, batch: &BatchView<'_>) {
        self.in_flight.extend(changes(batch));
    }

    /// What lies below `end` is durable.
    pub fn advance(&mut self, end: i64) {
        let durable = self.in_flight.extract_if(.., |(offset, ..)| *offset < end);
        apply(&mut self.durable, durable);
    }

    /// Forgets what is not durable.
    pub fn crash(&mut self) {
        self.in_flight.clear();
    }

    /// The state with all that was appended.
    pub fn latest(&self) -> State {
        let mut state = self.durable.clone();
        apply(&mut state, self.in_flight.iter().cloned());
        state
    }

    /// The offsets that a group is shown.
    pub fn shown(&self, catalog: &Catalog, group: &str) -> Vec<(OffsetKey, OffsetValue)> {
        let offsets = self.durable.iter().filter_map(|(key, value)| {
            let key = key.as_ref().ok().filter(|key| key.group == group)?;
            Some((key.clone(), OffsetValue::decode(value).unwrap()))
        });
        offsets.filter(|(key, value)| is_current(catalog, key, value)).collect()
    }
}

pub fn is_current(catalog: &Catalog, key: &OffsetKey, value: &OffsetValue) -> bool {
    catalog.topic(&key.topic).is_some_and(|topic| topic.id == value.topic_id)
}

/// What a batch changes.
pub fn changes(batch: &BatchView<'_>) -> Vec<Change> {
    let change = |record: Record<'_>| {
        let bytes = record.key.unwrap();
        let key = OffsetKey::decode(bytes).unwrap().ok_or(bytes.to_vec());
        (record.offset, key, record.value.map(<[u8]>::to_vec))
    };
    batch.records().unwrap().iter().map(|record| change(record.unwrap())).collect()
}

/// The state that a whole log gives.
pub fn state_of<'a>(log: impl Iterator<Item = BatchView<'a>>) -> State {
    let mut state = State::new();
    log.for_each(|batch| apply(&mut state, changes(&batch)));
    state
}

fn apply(state: &mut State, changes: impl IntoIterator<Item = Change>) {
    for (_, key, value) in changes {
        match value {
            Some(value) => state.insert(key, value),
            None => state.remove(&key),
        };
    }
}
