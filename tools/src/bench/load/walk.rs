//! Counts what a log brings: every batch follows the one before, or records are missing.
//!
//! It looks at the headers of batches alone and steps over what they hold, so that a reader costs
//! little more than the bytes' way through the socket.

use duramen_protocol::batch::{BatchHeader, HEADER_LEN, LOG_OVERHEAD};

use crate::bench::error::{BenchError, Result};

/// A log that is read from an offset on.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The header of a batch that is not all there.
    held: Vec<u8>,
    /// Bytes of the last batch that are yet to come.
    left: usize,
    /// The offset that comes next; `None` before the first batch, which may begin earlier.
    next: Option<i64>,
    start: i64,
    records: u64,
}

impl Walk {
    /// From `start` on.
    pub(crate) fn new(start: i64) -> Walk {
        Walk { held: Vec::new(), left: 0, next: None, start, records: 0 }
    }

    /// Records at or after the start whose batches have begun.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Whether every record below `end` has come, with all of its bytes.
    pub(crate) fn has_reached(&self, end: i64) -> bool {
        self.left == 0 && self.held.is_empty() && self.next_offset() >= end
    }

    /// The offset that is to be asked for next.
    pub(crate) fn next_offset(&self) -> i64 {
        self.next.unwrap_or(self.start)
    }

    /// Takes the whole batches that `bytes` begin with, and tells how many bytes that were; a cut
    /// one behind them comes again.
    ///
    /// # Errors
    /// As for [`Walk::feed`].
    pub(crate) fn feed_whole(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut taken = 0;
        while let Some(header) = bytes[taken..].get(..HEADER_LEN) {
            let batch = parse(header)?;
            let len = LOG_OVERHEAD + batch.length as usize;
            if len > bytes.len() - taken {
                break;
            }
            self.begin(&batch)?;
            self.left = 0;
            taken += len;
        }
        Ok(taken)
    }

    /// Takes the log's next bytes.
    ///
    /// # Errors
    /// When they are no batch, or not the next one.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let used = if self.left > 0 {
                let n = self.left.min(bytes.len());
                self.left -= n;
                n
            } else if self.held.is_empty() && bytes.len() >= HEADER_LEN {
                self.begin(&parse(&bytes[..HEADER_LEN])?)?;
                HEADER_LEN
            } else {
                let n = (HEADER_LEN - self.held.len()).min(bytes.len());
                self.held.extend_from_slice(&bytes[..n]);
                if self.held.len() == HEADER_LEN {
                    let header = std::mem::take(&mut self.held);
                    self.begin(&parse(&header)?)?;
                }
                n
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    fn begin(&mut self, batch: &BatchHeader) -> Result<()> {
        let end = batch.base_offset + i64::from(batch.last_offset_delta) + 1;
        let expected = match self.next {
            Some(next) => batch.base_offset == next,
            None => batch.base_offset <= self.start && self.start < end,
        };
        if !expected {
            let wanted = self.next_offset();
            let what = format!("offset {} came where {wanted} was due", batch.base_offset);
            return Err(BenchError::Missing(what));
        }
        self.records += (end - batch.base_offset.max(self.start)) as u64;
        self.next = Some(end);
        self.left = LOG_OVERHEAD + batch.length as usize - HEADER_LEN;
        Ok(())
    }
}

fn parse(header: &[u8]) -> Result<BatchHeader> {
    BatchHeader::parse(header).map_err(|error| BenchError::Missing(format!("no batch: {error}")))
}

#[cfg(test)]
mod tests {
    use duramen_protocol::batch::stamp;

    use super::*;
    use crate::bench::payload::Payload;

    fn log(batches: &[(i64, usize)]) -> Vec<u8> {
        let batch = |&(offset, records): &(i64, usize)| {
            let mut bytes = Payload::fixed(10, records).unwrap().batch(0).bytes.to_vec();
            stamp(&mut bytes, offset, 1);
            bytes
        };
        batches.iter().flat_map(batch).collect()
    }

    #[test]
    fn a_log_is_counted_however_its_bytes_come() {
        let log = log(&[(0, 3), (3, 1), (4, 5)]);
        for piece in 1..=log.len() {
            let mut walk = Walk::new(2);
            log.chunks(piece).for_each(|piece| walk.feed(piece).unwrap());
            assert_eq!(walk.records(), 7, "pieces of {piece}");
            assert!(walk.has_reached(9) && !walk.has_reached(10));
        }
        let mut cut = Walk::new(0);
        cut.feed(&log[..log.len() - 1]).unwrap();
        assert!(!cut.has_reached(9), "the last byte has not come");
    }

    #[test]
    fn of_batches_that_are_cut_the_whole_ones_are_taken() {
        let log = log(&[(0, 3), (3, 1), (4, 5)]);
        for cut in 0..=log.len() {
            let mut walk = Walk::new(2);
            let taken = walk.feed_whole(&log[..cut]).unwrap();
            assert!(taken <= cut && walk.left == 0 && walk.held.is_empty(), "cut at {cut}");
            assert_eq!(walk.feed_whole(&log[taken..]).unwrap(), log.len() - taken);
            assert_eq!((walk.records(), walk.next_offset()), (7, 9), "cut at {cut}");
        }
    }

    #[test]
    fn a_gap_a_repetition_and_noise_are_told() {
        let missing = |log: &[u8]| Walk::new(0).feed(log).unwrap_err().to_string();
        assert!(missing(&log(&[(0, 3), (4, 1)])).contains("offset 4 came where 3 was due"));
        assert!(missing(&log(&[(0, 3), (0, 3)])).contains("offset 0 came where 3 was due"));
        assert!(missing(&log(&[(5, 1)])).contains("where 0 was due"), "it starts too late");
        assert!(missing(&[7; 100]).contains("no batch"));
        let whole = |log: &[u8]| Walk::new(0).feed_whole(log).unwrap_err().to_string();
        assert!(whole(&log(&[(0, 3), (4, 1)])).contains("offset 4 came where 3 was due"));
        assert!(whole(&[7; 100]).contains("no batch"));
    }
}
