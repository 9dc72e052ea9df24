//! Our records of offsets against Kafka's.

use std::fs;
use std::path::PathBuf;

use duramen::broker::offsets::{CommitOffset, OffsetKey, OffsetTable, OffsetValue};
use duramen::io::Now;
use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchView, batches};
use serde_json::Value;

use super::log::catalog_with;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/kafka/coordinator").join(name)
}

/// The records of `api`, with the version in front of their bytes, as it is in the log.
fn golden(api: &str, version_in_log: impl Fn(&Value) -> i64) -> Vec<(Value, Vec<u8>)> {
    let text = fs::read_to_string(fixture("records.jsonl")).unwrap();
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let cases = cases.filter(|case| case["api"] == api).map(|case| {
        let mut bytes = (version_in_log(&case) as i16).to_be_bytes().to_vec();
        bytes.extend(unhex(case["hex"].as_str().unwrap()));
        (case, bytes)
    });
    let cases: Vec<_> = cases.collect();
    assert!(!cases.is_empty(), "{api}");
    cases
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn keys_are_kafkas() {
    for (case, bytes) in golden("OffsetCommitKey", |_| 1) {
        let json = &case["json"];
        let key = OffsetKey {
            group: json["group"].as_str().unwrap().into(),
            topic: json["topic"].as_str().unwrap().into(),
            partition: json["partition"].as_i64().unwrap() as i32,
        };
        assert_eq!(key.encode(), bytes, "{case}");
        assert_eq!(OffsetKey::decode(&bytes), Ok(Some(key.clone())), "{case}");
        let mut legacy = bytes;
        legacy[1] = 0;
        assert_eq!(OffsetKey::decode(&legacy), Ok(Some(key)), "{case}");
    }
    for (case, bytes) in golden("GroupMetadataKey", |_| 2) {
        assert_eq!(OffsetKey::decode(&bytes), Ok(None), "{case}");
    }
}

#[test]
fn values_are_kafkas() {
    for (case, bytes) in golden("OffsetCommitValue", |case| case["version"].as_i64().unwrap()) {
        let json = &case["json"];
        let number = |name: &str| json[name].as_i64();
        let value = OffsetValue {
            offset: number("offset").unwrap(),
            leader_epoch: number("leaderEpoch").unwrap_or(-1) as i32,
            metadata: json["metadata"].as_str().unwrap().into(),
            commit_timestamp_ms: number("commitTimestamp").unwrap(),
            expire_timestamp_ms: number("expireTimestamp").filter(|&ms| ms != -1),
            topic_id: json["topicId"].as_str().map_or(TopicId::ZERO, |id| id.parse().unwrap()),
        };
        assert_eq!(OffsetValue::decode(&bytes), Ok(value.clone()), "{case}");
        let newest = case["version"] == 4 && case["case"] != "unknown_tags";
        if newest || value.expire_timestamp_ms.is_some() {
            assert_eq!(value.encode(), bytes, "{case}");
        } else {
            assert_eq!(OffsetValue::decode(&value.encode()), Ok(value), "{case}");
        }
    }
}

#[test]
fn cut_bytes_are_errors() {
    for (case, bytes) in golden("OffsetCommitValue", |case| case["version"].as_i64().unwrap()) {
        for len in 0..bytes.len() {
            assert!(OffsetValue::decode(&bytes[..len]).is_err(), "{len} bytes of {case}");
        }
    }
    for (case, bytes) in golden("OffsetCommitKey", |_| 1) {
        for len in 0..bytes.len() {
            assert!(OffsetKey::decode(&bytes[..len]).is_err(), "{len} bytes of {case}");
        }
    }
}

#[test]
fn hostile_bytes_are_errors_and_no_more() {
    let mut random = fastrand::Rng::with_seed(1);
    let values = golden("OffsetCommitValue", |case| case["version"].as_i64().unwrap());
    for _ in 0..20_000 {
        let mut bytes = values[random.usize(..values.len())].1.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        if let Ok(value) = OffsetValue::decode(&bytes) {
            assert_eq!(OffsetValue::decode(&value.encode()), Ok(value));
        }
        let _ = OffsetKey::decode(&bytes);
    }
}

/// A segment that a broker wrote: a commit, then its deletion together with its group's. Our own
/// commit makes the same record.
#[test]
fn a_log_of_kafkas_is_a_table() {
    let bytes = fs::read(fixture("consumer-offsets.log")).unwrap();
    let batches: Vec<BatchView<'_>> = batches(&bytes).map(|(_, batch)| batch.unwrap()).collect();
    let id: TopicId = "2ypnSGSQS5ubWbpCv0hDkw".parse().unwrap();
    let catalog = catalog_with(&[("h-multi", 1, id)]);

    let mut table = OffsetTable::default();
    table.replay(&batches[0]).unwrap();
    let value = table.fetch(&catalog, "h-gone", "h-multi", 0).unwrap();
    assert_eq!((value.offset, value.metadata.as_str()), (3, "to be deleted"));
    table.replay(&batches[1]).unwrap();
    assert_eq!(table.fetch(&catalog, "h-gone", "h-multi", 0), None);
    assert_eq!(table.bytes(), 0);

    let commit = CommitOffset {
        topic: "h-multi".into(),
        partition: 0,
        offset: 3,
        leader_epoch: -1,
        metadata: "to be deleted".into(),
        retention_ms: None,
    };
    let now = Now { monotonic_us: 0, wall_ms: 1_795_532_014_193 };
    let plan = table.commit(&catalog, "h-gone", vec![commit], now).unwrap().unwrap();
    let ours = plan.to_batch(now);
    let ours = BatchView::parse(&ours).unwrap();
    assert_eq!(ours.record_bytes(), batches[0].record_bytes());
}
