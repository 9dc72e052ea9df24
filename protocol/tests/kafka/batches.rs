//! Batches that Kafka's library built, and ours built from the same records.

use duramen_protocol::batch::{
    BatchBuilder, BatchError, BatchHeader, BatchView, Codec, Record, TimestampType, batches, stamp,
    stamp_log_append_time,
};
use serde_json::{Value, json};

use crate::reference::{lines, roots, unhex, unhex_value};

/// A line of `batches.jsonl`: bytes, and what Kafka's reader says of each batch in them.
struct Case {
    name: String,
    bytes: Vec<u8>,
    batches: Vec<Value>,
}

impl Case {
    fn parse(line: &str) -> Case {
        let json: Value = serde_json::from_str(line).unwrap();
        Case {
            name: json["case"].as_str().unwrap().into(),
            bytes: unhex(json["hex"].as_str().unwrap()),
            batches: json["batches"].as_array().unwrap().clone(),
        }
    }

    /// Whether the batches are of the versions before 2, which we refuse.
    fn is_legacy(&self) -> bool {
        self.name.starts_with("legacy/")
    }

    /// The batches as we see them, each with Kafka's description.
    fn views(&self) -> impl Iterator<Item = (BatchView<'_>, &Value)> {
        let views: Vec<_> = batches(&self.bytes).map(|(_, view)| view.expect(&self.name)).collect();
        assert_eq!(views.len(), self.batches.len(), "{}", self.name);
        views.into_iter().zip(&self.batches)
    }
}

fn cases() -> Vec<Case> {
    let all = roots().into_iter().flat_map(|root| lines(&root.join("batches/batches.jsonl")));
    all.map(|line| Case::parse(&line)).collect()
}

fn current_cases() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| !case.is_legacy())
}

fn describe_header(header: &BatchHeader) -> Value {
    let mut json = json!({
        "base_offset": header.base_offset,
        "last_offset": header.last_offset(),
        "next_offset": header.next_offset(),
        "size_in_bytes": header.size_in_bytes(),
        "partition_leader_epoch": header.leader_epoch,
        "magic": header.magic,
        "crc": header.crc,
        "valid": true,
        "compression": header.attributes.codec().unwrap().name(),
        "timestamp_type": format!("{:?}", header.attributes.timestamp_type()),
        "base_timestamp": header.base_timestamp,
        "max_timestamp": header.max_timestamp,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "last_sequence": header.last_sequence(),
        "transactional": header.attributes.is_transactional(),
        "control": header.attributes.is_control(),
        "count": header.count,
    });
    if let Some(horizon) = header.delete_horizon_ms() {
        json["delete_horizon_ms"] = horizon.into();
    }
    json
}

#[test]
fn headers_are_read_as_kafka_reads_them() {
    for case in current_cases() {
        for (view, expected) in case.views() {
            let mut expected = expected.clone();
            expected.as_object_mut().unwrap().remove("records");
            let name = &case.name;
            assert_eq!(describe_header(view.header()), expected, "{name}");
        }
    }
}

fn check_record(name: &str, record: &Record<'_>, expected: &Value) {
    assert_eq!(record.offset, expected["offset"], "{name}");
    assert_eq!(record.timestamp, expected["timestamp"], "{name}");
    assert_eq!(record.sequence, expected["sequence"], "{name}");
    assert_eq!(record.key.map(Vec::from), unhex_value(&expected["key"]), "{name}");
    assert_eq!(record.value.map(Vec::from), unhex_value(&expected["value"]), "{name}");
    let headers: Vec<_> =
        record.headers().map(|h| (Vec::from(h.key), h.value.map(Vec::from))).collect();
    let expected = expected["headers"].as_array().unwrap();
    let expected: Vec<_> = expected
        .iter()
        .map(|h| (h[0].as_str().unwrap().as_bytes().to_vec(), unhex_value(&h[1])))
        .collect();
    assert_eq!(headers, expected, "{name}");
}

#[test]
fn records_are_read_as_kafka_reads_them() {
    for case in current_cases() {
        for (view, expected) in case.views() {
            let records = view.records().unwrap();
            let records: Vec<_> = records.iter().collect::<Result<_, _>>().expect(&case.name);
            let expected = expected["records"].as_array().unwrap();
            assert_eq!(records.len(), expected.len(), "{}", case.name);
            for (record, expected) in records.iter().zip(expected) {
                check_record(&case.name, record, expected);
            }
        }
    }
}

/// Builds the batch anew from its records, not compressed.
fn rebuild(view: &BatchView<'_>) -> Vec<u8> {
    let header = view.header();
    let mut builder = BatchBuilder::new(Codec::None);
    builder.set_producer(header.producer_id, header.producer_epoch, header.base_sequence);
    if header.attributes.is_transactional() {
        builder.set_transactional();
    }
    if header.attributes.is_control() {
        builder.set_control();
    }
    let records = view.records().unwrap();
    for record in records.iter().map(Result::unwrap) {
        let headers: Vec<_> =
            record.headers().map(|h| (std::str::from_utf8(h.key).unwrap(), h.value)).collect();
        let timestamp = header.base_timestamp + record.timestamp_delta;
        builder.append(timestamp, record.key, record.value, &headers).unwrap();
    }
    let mut batch = builder.finish().unwrap();
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        stamp_log_append_time(&mut batch, header.max_timestamp);
    }
    stamp(&mut batch, header.base_offset, header.leader_epoch);
    batch
}

/// What only a compacting server makes: gaps, and horizons in place of base timestamps.
fn is_compacted(header: &BatchHeader) -> bool {
    header.count != header.last_offset_delta + 1 || header.attributes.has_delete_horizon()
}

#[test]
fn the_same_records_give_the_same_bytes() {
    let mut identical = 0;
    for case in current_cases() {
        for (view, _) in case.views().filter(|(view, _)| !is_compacted(view.header())) {
            let rebuilt = rebuild(&view);
            let ours = BatchView::parse(&rebuilt).expect(&case.name);
            let theirs = view.records().unwrap();
            assert!(ours.record_bytes() == theirs.bytes(), "{}: the records differ", case.name);
            // What a codec makes of them is its own affair.
            if view.header().attributes.codec() == Ok(Codec::None) {
                assert!(rebuilt == view.bytes(), "{}: the batch differs", case.name);
                identical += 1;
            }
        }
    }
    assert!(identical >= 20, "only {identical} cases were of use");
}

#[test]
fn batches_of_other_versions_are_refused() {
    for case in cases().into_iter().filter(Case::is_legacy) {
        let magic = case.batches[0]["magic"].as_i64().unwrap() as i8;
        assert_eq!(
            BatchView::parse(&case.bytes).unwrap_err(),
            BatchError::Magic(magic),
            "{}",
            case.name
        );
    }
}

#[test]
fn every_flipped_bit_behind_the_crc_is_noticed() {
    for case in current_cases().filter(|case| case.bytes.len() < 1_000) {
        for (view, _) in case.views() {
            let mut bytes = view.bytes().to_vec();
            // From the CRC field on; the length before it has its own test.
            for bit in 17 * 8..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(BatchView::parse(&bytes).is_err(), "{}: bit {bit}", case.name);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
