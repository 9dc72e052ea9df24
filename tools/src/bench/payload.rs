//! What is produced: batches that are made once, and sent again and again.
//!
//! A batch without a producer's id holds nothing that changes from one time to the next, so the
//! load pays for its making and for its CRC once. Its records are letters drawn by a fixed seed, or
//! the lines of a file.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use duramen_protocol::batch::{BatchBuilder, Codec};

use super::error::{BenchError, Result, Tried};

/// Batches that are made of a file's lines at most; then they repeat.
const BATCHES_MAX: usize = 64;

/// What the records hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// So many bytes each.
    Fixed(usize),
    /// The lines of a file, again and again.
    Lines(PathBuf),
}

/// One batch.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// As it is sent.
    pub(crate) bytes: Bytes,
    /// How many records.
    pub(crate) records: u64,
    /// Bytes of their values.
    pub(crate) value_bytes: u64,
}

/// Batches to send in turn, at least one.
#[derive(Clone, Debug)]
pub(crate) struct Payload(Vec<Batch>);

impl Payload {
    /// Batches of at most `records` records and about `batch_bytes` bytes of values.
    ///
    /// # Errors
    /// When the file can't be read or is empty, or the codec fails.
    pub(crate) fn new(
        content: &Content,
        records: usize,
        batch_bytes: usize,
        codec: Codec,
    ) -> Result<Payload> {
        let values = match content {
            Content::Fixed(bytes) => {
                let fit = (batch_bytes / (*bytes).max(1)).clamp(1, records.max(1));
                let mut random = fastrand::Rng::with_seed(1);
                let value = |_| (0..*bytes).map(|_| random.alphanumeric() as u8).collect();
                (0..fit).map(value).collect()
            }
            Content::Lines(path) => lines(path)?,
        };
        let mut batches = Vec::new();
        let mut left = &values[..];
        while !left.is_empty() && batches.len() < BATCHES_MAX {
            let taken = fit(left, records, batch_bytes);
            batches.push(batch(&left[..taken], codec)?);
            left = &left[taken..];
        }
        Ok(Payload(batches))
    }

    /// One batch of `records` records of `bytes` bytes.
    ///
    /// # Errors
    /// When that is more than a batch takes.
    pub(crate) fn fixed(bytes: usize, records: usize) -> Result<Payload> {
        Payload::new(&Content::Fixed(bytes), records, usize::MAX, Codec::None)
    }

    /// The batch of this turn.
    pub(crate) fn batch(&self, turn: usize) -> &Batch {
        &self.0[turn % self.0.len()]
    }

    /// Records of a batch, the mean of all.
    pub(crate) fn records_a_batch(&self) -> f64 {
        self.0.iter().map(|batch| batch.records).sum::<u64>() as f64 / self.0.len() as f64
    }
}

/// How many of `values` make the next batch.
fn fit(values: &[Vec<u8>], records: usize, batch_bytes: usize) -> usize {
    let mut bytes = 0;
    let fits = |value: &&Vec<u8>| {
        bytes += value.len();
        bytes <= batch_bytes
    };
    values.iter().take(records.max(1)).take_while(fits).count().max(1)
}

fn batch(values: &[Vec<u8>], codec: Codec) -> Result<Batch> {
    let mut builder = BatchBuilder::new(codec);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for value in values {
        let added = builder.append(since.as_millis() as i64, None, Some(value), &[]);
        added.map_err(|error| BenchError::Usage(format!("no such batch: {error}")))?;
    }
    let bytes = builder.finish();
    let bytes = bytes.map_err(|error| BenchError::Usage(format!("no such batch: {error}")))?;
    let value_bytes = values.iter().map(|value| value.len() as u64).sum();
    Ok(Batch { bytes: bytes.into(), records: values.len() as u64, value_bytes })
}

fn lines(path: &PathBuf) -> Result<Vec<Vec<u8>>> {
    let text = fs::read(path).tried(|| format!("cannot read {}", path.display()))?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    if text.is_empty() {
        return Err(BenchError::Usage(format!("{} is empty", path.display())));
    }
    Ok(text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use duramen_protocol::batch::BatchView;

    use super::*;

    #[test]
    fn batches_hold_what_fits_by_records_and_by_bytes() {
        let payload = Payload::fixed(1000, 3).unwrap();
        let batch = payload.batch(5);
        assert_eq!((batch.records, batch.value_bytes), (3, 3000));
        assert_eq!(BatchView::parse(&batch.bytes).unwrap().records().unwrap().iter().count(), 3);
        let by_bytes = Payload::new(&Content::Fixed(100), 1000, 1050, Codec::None).unwrap();
        assert_eq!(by_bytes.records_a_batch(), 10.0);
        let huge = Payload::new(&Content::Fixed(100), 1000, 10, Codec::None).unwrap();
        assert_eq!(huge.records_a_batch(), 1.0, "a record is larger than a batch should be");
    }

    #[test]
    fn lines_of_a_file_make_batches_in_turn() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\ntwo\n\nfour\n").unwrap();
        let content = Content::Lines(file.path().to_owned());
        let payload = Payload::new(&content, 3, 1000, Codec::Lz4).unwrap();
        let records = |turn| payload.batch(turn).records;
        assert_eq!((records(0), records(1), records(2)), (3, 1, 3));
        assert_eq!((payload.batch(0).value_bytes, payload.batch(1).value_bytes), (6, 4));
        let empty = tempfile::NamedTempFile::new().unwrap();
        let content = Content::Lines(empty.path().to_owned());
        assert!(Payload::new(&content, 3, 1000, Codec::None).is_err());
    }
}
