//! What the server writes into a batch that it stores: a few fields, in place.

use super::header::{Attributes, TimestampType};
use super::layout;

/// Records longer than this are not hashed again for a change in the header: working out what
/// their checksum contributes then costs less.
const REHASH_MAX_BYTES: usize = 512 << 10;

/// Sets base offset and leader epoch, which no checksum covers.
///
/// # Panics
/// If `batch` is shorter than a header: callers stamp only batches that were checked.
pub fn stamp(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    put(batch, layout::BASE_OFFSET, base_offset.to_be_bytes());
    put(batch, layout::LEADER_EPOCH, leader_epoch.to_be_bytes());
}

/// Gives all records of exactly one whole batch the log's time, `now_ms` in milliseconds since
/// 1970, and mends the CRC, which must have been right.
///
/// # Panics
/// If `batch` is shorter than a header.
pub fn stamp_log_append_time(batch: &mut [u8], now_ms: i64) {
    change_header(batch, |header| {
        let attributes = Attributes(i16::from_be_bytes([
            header[layout::ATTRIBUTES],
            header[layout::ATTRIBUTES + 1],
        ]))
        .with_timestamp_type(TimestampType::LogAppendTime);
        put(header, layout::ATTRIBUTES, attributes.0.to_be_bytes());
        put(header, layout::MAX_TIMESTAMP, now_ms.to_be_bytes());
    });
}

/// Sets the largest timestamp of exactly one whole batch, in milliseconds since 1970, and mends
/// the CRC, which must have been right. For the batches of clients that leave the field empty.
///
/// # Panics
/// If `batch` is shorter than a header.
pub fn stamp_max_timestamp(batch: &mut [u8], max_timestamp: i64) {
    change_header(batch, |header| {
        put(header, layout::MAX_TIMESTAMP, max_timestamp.to_be_bytes());
    });
}

/// Lets `change` change checksummed fields of the header, then mends the CRC.
///
/// CRCs are linear. With `shift` for "as many zero bytes follow as there are records' bytes",
/// `crc = shift(crc(header)) ^ crc(records)`, so that the new CRC is the old one and the shifted
/// difference of the headers' two.
fn change_header(batch: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let (header, records) = batch.split_at_mut(layout::HEADER_LEN);
    let crc_before = crc32c::crc32c(&header[layout::ATTRIBUTES..]);
    change(header);
    let crc_after = crc32c::crc32c(&header[layout::ATTRIBUTES..]);
    let crc = if records.len() <= REHASH_MAX_BYTES {
        crc32c::crc32c_append(crc_after, records)
    } else {
        let stored = u32::from_be_bytes([
            header[layout::CRC],
            header[layout::CRC + 1],
            header[layout::CRC + 2],
            header[layout::CRC + 3],
        ]);
        crc32c::crc32c_combine(crc_before ^ crc_after, stored, records.len())
    };
    put(header, layout::CRC, crc.to_be_bytes());
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

#[cfg(test)]
mod tests {
    use super::super::{BatchBuilder, BatchView, Codec};
    use super::*;

    fn batch(value_bytes: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(1_000, None, Some(&vec![7; value_bytes]), &[]).unwrap();
        builder.append(2_000, Some(b"k"), None, &[]).unwrap();
        builder.finish().unwrap()
    }

    #[test]
    fn offset_and_epoch_leave_the_crc_alone() {
        let mut batch = batch(10);
        stamp(&mut batch, 1 << 40, 7);
        let header = *BatchView::parse(&batch).unwrap().header();
        assert_eq!((header.base_offset, header.leader_epoch), (1 << 40, 7));
    }

    #[test]
    fn the_crc_is_mended_with_and_without_hashing_the_records_again() {
        for value_bytes in [0, 100, REHASH_MAX_BYTES - 1_000, REHASH_MAX_BYTES, 900_000] {
            let mut batch = batch(value_bytes);
            stamp_max_timestamp(&mut batch, 5_000);
            assert_eq!(BatchView::parse(&batch).unwrap().header().max_timestamp, 5_000);
            stamp_log_append_time(&mut batch, 9_000);
            let view = BatchView::parse(&batch).unwrap();
            assert_eq!(view.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
            for record in &view.records().unwrap() {
                assert_eq!(record.unwrap().timestamp, 9_000);
            }
        }
    }
}
