//! Index files in memory, a bounded number of bytes, the oldest leaving first.

use std::collections::{BTreeMap, VecDeque};

use duramen_protocol::files::segment::SegmentFile;

use super::log::LogId;
use crate::limits;

type Key = (LogId, u64, &'static str);

/// Index files by log, segment and kind.
#[derive(Debug, Default)]
pub struct IndexCache {
    files: BTreeMap<Key, Vec<u8>>,
    order: VecDeque<Key>,
    bytes: usize,
}

impl IndexCache {
    /// A file that was loaded, when it is still there and has `len` bytes at least, or was found
    /// to have fewer.
    pub fn find(&self, log: LogId, base: u64, kind: SegmentFile, len: u32) -> Option<&[u8]> {
        let bytes = self.files.get(&(log, base, kind.extension()))?;
        // Empty stands for a file that can't be read.
        (bytes.is_empty() || bytes.len() >= len as usize).then_some(bytes)
    }

    /// Drops a segment's files: they are being made again.
    pub fn forget(&mut self, log: LogId, base: u64) {
        for kind in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
            let key = (log, base, kind.extension());
            self.bytes -= self.files.remove(&key).map_or(0, |b| b.len());
            self.order.retain(|k| *k != key);
        }
    }

    /// Keeps a file's bytes.
    pub fn put(&mut self, log: LogId, base: u64, kind: SegmentFile, bytes: Vec<u8>) {
        let key = (log, base, kind.extension());
        self.bytes += bytes.len();
        match self.files.insert(key, bytes) {
            Some(old) => self.bytes -= old.len(),
            None => self.order.push_back(key),
        }
        while self.bytes > limits::INDEX_CACHE_BYTES && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.files.remove(&oldest).map_or(0, |b| b.len());
        }
    }
}
