//! Our records of groups against Kafka's.

use serde_json::Value;

use super::super::records::{decode_key, encode_key};
use super::*;

/// The golden records of `api`, each with its version in front, as it is in the log.
fn golden(api: &str, version_in_log: impl Fn(&Value) -> i64) -> Vec<(Value, Vec<u8>)> {
    let text = include_str!("../../../../tests/fixtures/kafka/coordinator/records.jsonl");
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let cases = cases.filter(|case| case["api"] == api).map(|case| {
        let mut bytes = (version_in_log(&case) as i16).to_be_bytes().to_vec();
        let digits = case["hex"].as_str().unwrap();
        let byte = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
        bytes.extend((0..digits.len()).step_by(2).map(byte));
        (case, bytes)
    });
    let cases: Vec<_> = cases.collect();
    assert!(cases.len() > 3, "{api}");
    cases
}

#[test]
fn keys_are_kafkas() {
    for (case, bytes) in golden("GroupMetadataKey", |_| 2) {
        let group = case["json"]["group"].as_str().unwrap();
        assert_eq!(encode_key(group), bytes, "{case}");
        assert_eq!(decode_key(&bytes).unwrap().as_deref(), Some(group), "{case}");
    }
    for (case, bytes) in golden("OffsetCommitKey", |_| 1) {
        assert_eq!(decode_key(&bytes), Ok(None), "{case}");
    }
}

#[test]
fn values_of_every_version_are_kafkas() {
    let mut versions = Vec::new();
    for (case, bytes) in golden("GroupMetadataValue", |case| case["version"].as_i64().unwrap()) {
        let (json, version) = (&case["json"], case["version"].as_i64().unwrap());
        versions.push(version);
        let record = GroupRecord::decode(&bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!(Some(&record.protocol_type), text(&json["protocolType"]).as_ref(), "{case}");
        assert_eq!(json["generation"], record.generation, "{case}");
        assert_eq!(record.protocol, text(&json["protocol"]), "{case}");
        assert_eq!(record.leader, text(&json["leader"]), "{case}");
        let time = json["currentStateTimestamp"].as_i64().unwrap_or(-1);
        assert_eq!(record.state_timestamp_ms, time, "{case}");
        let members = json["members"].as_array().unwrap();
        assert_eq!(record.members.len(), members.len(), "{case}");
        for (member, json) in record.members.iter().zip(members) {
            assert_eq!(Some(&member.member_id), text(&json["memberId"]).as_ref(), "{case}");
            assert_eq!(member.instance_id, text(&json["groupInstanceId"]), "{case}");
            assert_eq!(json["sessionTimeout"], member.session_timeout_ms, "{case}");
            let session = i64::from(member.session_timeout_ms);
            let rebalance = json["rebalanceTimeout"].as_i64().unwrap_or(session);
            assert_eq!(rebalance, i64::from(member.rebalance_timeout_ms), "{case}");
        }
        if version == 3 {
            assert_eq!(record.encode(), bytes, "{case}");
        }
    }
    versions.dedup();
    assert_eq!(versions, [0, 1, 2, 3, 4]);
}

#[test]
fn every_cut_and_every_wrong_byte_is_an_error_or_a_record() {
    for (_, bytes) in golden("GroupMetadataValue", |case| case["version"].as_i64().unwrap()) {
        for end in 0..bytes.len() {
            assert!(GroupRecord::decode(&bytes[..end]).is_err());
        }
        for at in 0..bytes.len() {
            for wrong in [0, 0x7f, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = wrong;
                let _ = GroupRecord::decode(&bytes);
            }
        }
    }
    assert!(GroupRecord::decode(&[0, 5]).is_err(), "a version from later");
}
