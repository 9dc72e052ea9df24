//! The gate for produced batches: what passes, what is refused, and with which code.

use bytes::BufMut;
use duramen_protocol::batch::{
    Attributes, BatchBuilder, BatchError, BatchHeader, Codec, ProduceError, ProduceLimits,
    TimestampType, check_produce, layout, stamp_max_timestamp,
};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::wire::Writer;

const NOW_MS: i64 = 1_750_000_000_000;

fn limits() -> ProduceLimits {
    ProduceLimits {
        max_message_bytes: 1 << 20,
        now_ms: NOW_MS,
        before_max_ms: i64::MAX,
        after_max_ms: 3_600_000,
        timestamp_type: TimestampType::CreateTime,
        compacted: false,
    }
}

fn builder(codec: Codec) -> BatchBuilder {
    let mut builder = BatchBuilder::new(codec);
    builder.append(NOW_MS, Some(b"k0"), Some(b"v0"), &[("h", Some(b"x")), ("n", None)]).unwrap();
    builder.append(NOW_MS + 5, Some(b"k1"), None, &[]).unwrap();
    builder.append(NOW_MS - 5, Some(b""), Some(&[0; 500]), &[]).unwrap();
    builder
}

fn batch() -> Vec<u8> {
    builder(Codec::None).finish().unwrap()
}

/// The batch with other bytes at `at`, and a CRC that fits.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut batch = batch();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    sealed(batch)
}

/// The batch with a length and a CRC that fit.
fn sealed(mut batch: Vec<u8>) -> Vec<u8> {
    let length = (batch.len() - layout::LOG_OVERHEAD) as i32;
    batch[layout::LENGTH..][..4].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[layout::ATTRIBUTES..]);
    batch[layout::CRC..][..4].copy_from_slice(&crc.to_be_bytes());
    batch
}

/// The batch with records as `write` writes them, and a header that counts `count`.
fn with_records(count: i32, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut batch = with(layout::COUNT, &count.to_be_bytes());
    batch[layout::LAST_OFFSET_DELTA..][..4].copy_from_slice(&(count - 1).to_be_bytes());
    batch[layout::MAX_TIMESTAMP..][..8].copy_from_slice(&NOW_MS.to_be_bytes());
    batch.truncate(layout::HEADER_LEN);
    write(&mut batch);
    sealed(batch)
}

/// A record of 7 bytes, with nothing in it.
fn put_record(out: &mut Vec<u8>, offset_delta: i32) {
    out.put_varint(6);
    out.put_i8(0);
    out.put_varlong(0);
    out.put_varint(offset_delta);
    out.put_varint(-1);
    out.put_varint(-1);
    out.put_varint(0);
}

fn refusal(batch: &[u8]) -> ProduceError {
    check_produce(batch, &limits()).unwrap_err()
}

#[test]
fn whole_batches_pass_with_every_codec() {
    for codec in Codec::ALL {
        let batch = builder(codec).finish().unwrap();
        assert_eq!(
            check_produce(&batch, &limits()),
            BatchHeader::parse(&batch).map_err(ProduceError::Batch)
        );
    }
    let two = with_records(2, |out| (0..2).for_each(|delta| put_record(out, delta)));
    assert_eq!(check_produce(&two, &limits()).unwrap().count, 2);
}

#[test]
fn exactly_one_batch_is_taken() {
    let mut two = batch();
    two.extend(batch());
    assert_eq!(refusal(&two), ProduceError::TrailingBytes(batch().len()));
    assert!(matches!(refusal(&[]), ProduceError::Batch(BatchError::Truncated { .. })));
    let whole = batch();
    for n in 0..whole.len() {
        let error = refusal(&whole[..n]);
        assert!(matches!(error, ProduceError::Batch(BatchError::Truncated { .. })), "{n}: {error}");
        assert_eq!(error.code(), ErrorCode::INVALID_RECORD);
    }
}

#[test]
fn damage_and_size_have_codes_of_their_own() {
    let mut damaged = batch();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(refusal(&damaged).code(), ErrorCode::CORRUPT_MESSAGE);

    let small = ProduceLimits { max_message_bytes: 100, ..limits() };
    let size = batch().len();
    let error = check_produce(&batch(), &small).unwrap_err();
    assert_eq!(error, ProduceError::TooLarge { size, max: 100 });
    assert_eq!(error.code(), ErrorCode::MESSAGE_TOO_LARGE);
    let exact = ProduceLimits { max_message_bytes: size, ..limits() };
    assert!(check_produce(&batch(), &exact).is_ok());
}

#[test]
fn headers_that_no_producer_may_send() {
    let attributes = |bits: Attributes| refusal(&with(layout::ATTRIBUTES, &bits.0.to_be_bytes()));
    let none = Attributes::default();
    let transactional = attributes(none.with_transactional(true));
    assert_eq!(transactional, ProduceError::Transactional);
    assert_eq!(transactional.code(), ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_eq!(attributes(none.with_control(true)), ProduceError::Control);
    assert_eq!(attributes(Attributes(1 << 6)), ProduceError::DeleteHorizon);
    let append_time = attributes(none.with_timestamp_type(TimestampType::LogAppendTime));
    assert_eq!(append_time.code(), ErrorCode::INVALID_TIMESTAMP);
    for codec in 5..8 {
        assert_eq!(attributes(Attributes(codec)).code(), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }
    assert_eq!(
        refusal(&with(layout::BASE_OFFSET, &5i64.to_be_bytes())),
        ProduceError::BaseOffset(5)
    );
    assert_eq!(
        refusal(&with(layout::LAST_OFFSET_DELTA, &3i32.to_be_bytes())),
        ProduceError::Count { count: 3, last_offset_delta: 3 }
    );
    assert_eq!(
        refusal(&with(layout::COUNT, &0i32.to_be_bytes())),
        ProduceError::Count { count: 0, last_offset_delta: 2 }
    );
    assert_eq!(refusal(&with(layout::MAGIC_BYTE, &[1])).code(), ErrorCode::INVALID_RECORD);
}

#[test]
fn a_producer_id_needs_an_epoch_and_a_sequence() {
    for (id, epoch, sequence, accepted) in [
        (7, 0, 0, true),
        (7, -1, 0, false),
        (7, 0, -1, false),
        (-1, -1, -1, true),
        (0, 3, i32::MAX, true),
    ] {
        let mut builder = builder(Codec::None);
        builder.set_producer(id, epoch, sequence);
        let checked = check_produce(&builder.finish().unwrap(), &limits());
        assert_eq!(checked.is_ok(), accepted, "{id} {epoch} {sequence}");
    }
}

#[test]
fn compacted_topics_need_keys() {
    let compacted = ProduceLimits { compacted: true, ..limits() };
    assert!(check_produce(&batch(), &compacted).is_ok());
    let mut builder = builder(Codec::None);
    builder.append(NOW_MS, None, Some(b"v"), &[]).unwrap();
    let error = check_produce(&builder.finish().unwrap(), &compacted).unwrap_err();
    assert_eq!(error, ProduceError::Keyless(3));
}

#[test]
fn timestamps_stay_within_the_topics_bounds() {
    let bounded = ProduceLimits { before_max_ms: 1_000, after_max_ms: 2_000, ..limits() };
    let check = |codec, offset_ms: i64, limits: &ProduceLimits| {
        let mut builder = BatchBuilder::new(codec);
        builder.append(NOW_MS, None, None, &[]).unwrap();
        builder.append(NOW_MS + offset_ms, None, None, &[]).unwrap();
        check_produce(&builder.finish().unwrap(), limits).map(|_| ()).map_err(|error| error.code())
    };
    let out_of_range = Err(ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(check(Codec::None, -1_000, &bounded), Ok(()));
    assert_eq!(check(Codec::None, -1_001, &bounded), out_of_range);
    assert_eq!(check(Codec::None, 2_000, &bounded), Ok(()));
    assert_eq!(check(Codec::None, 2_001, &bounded), out_of_range);
    // Of closed records the header alone is known: the largest.
    assert_eq!(check(Codec::Gzip, 2_001, &bounded), out_of_range);
    assert_eq!(check(Codec::None, -NOW_MS, &limits()), Ok(()), "time 0 with no bound in the past");
    assert_eq!(check(Codec::None, -NOW_MS - 1, &bounded), Ok(()), "no timestamp");
    let append_time = ProduceLimits { timestamp_type: TimestampType::LogAppendTime, ..bounded };
    assert_eq!(check(Codec::None, 2_001, &append_time), Ok(()));
}

#[test]
fn the_headers_largest_timestamp_is_the_records() {
    let mut unset = with(layout::MAX_TIMESTAMP, &(-1i64).to_be_bytes());
    let error = refusal(&unset);
    assert_eq!(error, ProduceError::MaxTimestamp { header: -1, records: NOW_MS + 5 });
    stamp_max_timestamp(&mut unset, NOW_MS + 5);
    assert!(check_produce(&unset, &limits()).is_ok());
}

#[test]
fn records_fit_exactly() {
    let wrong = |count, write: fn(&mut Vec<u8>)| refusal(&with_records(count, write));
    let more = wrong(1, |out| (0..2).for_each(|delta| put_record(out, delta)));
    assert!(matches!(more, ProduceError::Record { index: 1, .. }), "{more}");
    let fewer = wrong(3, |out| (0..2).for_each(|delta| put_record(out, delta)));
    assert!(matches!(fewer, ProduceError::Record { index: 2, .. }), "{fewer}");
    let order = wrong(2, |out| [1, 0].into_iter().for_each(|delta| put_record(out, delta)));
    assert_eq!(order, ProduceError::OffsetDelta { index: 0, offset_delta: 1 });
    let longer = wrong(1, |out| {
        put_record(out, 0);
        let start = out.len() - 7;
        out[start] += 2;
        out.put_u8(0);
    });
    assert!(matches!(longer, ProduceError::Record { index: 0, .. }), "{longer}");
    for error in [more, fewer, order, longer] {
        assert_eq!(error.code(), ErrorCode::INVALID_RECORD);
    }
}

#[test]
fn lengths_that_lie_are_errors() {
    for length in [-2, i32::MIN, 100, i32::MAX] {
        for field in 0..3 {
            let lying = with_records(1, |out| {
                out.put_varint(16);
                out.put_i8(0);
                out.put_varlong(0);
                out.put_varint(0);
                for _ in 0..field {
                    out.put_varint(-1);
                }
                out.put_varint(length);
                out.put_slice(&[0; 12]);
            });
            assert!(
                matches!(refusal(&lying), ProduceError::Record { index: 0, .. }),
                "{length} {field}"
            );
        }
    }
}
