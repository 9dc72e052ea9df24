//! The logs of a store, by id. An id is never given out twice.

use super::log::{Log, LogId};

/// Logs by id.
#[derive(Debug, Default)]
pub struct Logs(Vec<Option<Log>>);

impl Logs {
    pub fn insert(&mut self, log: Log) -> LogId {
        self.0.push(Some(log));
        LogId(self.0.len() as u32 - 1)
    }

    pub fn get(&self, id: LogId) -> Option<&Log> {
        self.0.get(id.0 as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: LogId) -> Option<&mut Log> {
        self.0.get_mut(id.0 as usize)?.as_mut()
    }

    pub fn remove(&mut self, id: LogId) -> Option<Log> {
        self.0.get_mut(id.0 as usize)?.take()
    }

    pub fn iter(&self) -> impl Iterator<Item = (LogId, &Log)> {
        let slots = self.0.iter().enumerate();
        slots.filter_map(|(i, log)| Some((LogId(i as u32), log.as_ref()?)))
    }

    pub fn ids(&self) -> impl Iterator<Item = LogId> + '_ {
        self.iter().map(|(id, _)| id)
    }
}
