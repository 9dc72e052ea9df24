//! A record on its way out.

use bytes::Bytes;

/// A record to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutRecord {
    /// Records with the same key go to the same partition.
    pub key: Option<Bytes>,
    /// What is said; none is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Names and values beside it.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// In ms since 1970; the time of sending if there is none.
    pub timestamp_ms: Option<i64>,
    /// The partition, whatever the key says.
    pub partition: Option<u32>,
}

impl OutRecord {
    /// A record with a value and no key.
    pub fn new(value: impl Into<Bytes>) -> Self {
        OutRecord { value: Some(value.into()), ..OutRecord::default() }
    }

    /// The same with a key.
    pub fn with_key(self, key: impl Into<Bytes>) -> Self {
        OutRecord { key: Some(key.into()), ..self }
    }

    /// The same for one partition.
    pub fn with_partition(self, partition: u32) -> Self {
        OutRecord { partition: Some(partition), ..self }
    }

    /// The same with a timestamp in ms since 1970.
    pub fn with_timestamp(self, timestamp_ms: i64) -> Self {
        OutRecord { timestamp_ms: Some(timestamp_ms), ..self }
    }

    /// The same with one more header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }
}
