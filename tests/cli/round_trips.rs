//! What goes in comes out, byte for byte.

use duramen_protocol::murmur2::partition_for_key;

use crate::command::Site;

#[test]
fn lines_come_back_in_order_whatever_their_ends() {
    let site = Site::with_topic("events", 1);
    let mut text: Vec<u8> =
        (0..50_000).flat_map(|i| format!("line {i}\r\n").into_bytes()).collect();
    text.extend_from_slice(b"\n\n\r\nthe last one has no LF");
    site.produce(&["events"], &text);
    text.push(b'\n');
    assert!(site.consume(&["events"]) == text);
}

#[test]
fn bytes_without_lf_are_one_record() {
    let site = Site::with_topic("events", 1);
    let mut random = fastrand::Rng::with_seed(11);
    let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .filter(|&byte| byte != b'\n')
        .take(700_000)
        .collect();
    let file = site.folder.path().join("random");
    std::fs::write(&file, &bytes).unwrap();
    site.produce(&["events", "--file", file.to_str().unwrap()], b"");
    let mut printed = site.consume(&["events"]);
    assert_eq!(printed.pop(), Some(b'\n'));
    assert!(printed == bytes);
    assert_eq!(site.consume(&["events", "--format", "%o"]), b"0");
}

#[test]
fn no_bytes_are_no_record() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events"], b"");
    assert_eq!(site.consume(&["events"]), b"");
    site.produce(&["events"], b"\n");
    assert_eq!(site.consume(&["events", "--format", "%o<%v>"]), b"0<>");
}

#[test]
fn every_codec_and_every_kind_of_acknowledgement() {
    let site = Site::with_topic("events", 1);
    let text: Vec<u8> = (0..1_000).flat_map(|i| format!("{i} and {i}\n").into_bytes()).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        site.produce(&["events", "--compression", codec, "--linger-ms", "5"], &text);
    }
    assert!(site.consume(&["events"]) == text.repeat(5));
    for acks in ["all", "1"] {
        site.produce(&["events", "--acks", acks, "--batch-bytes", "1000"], &text);
    }
    assert!(site.consume(&["events"]) == text.repeat(7));
    site.produce(&["events", "--acks", "0"], b"unasked\n");
}

#[test]
fn keys_find_the_partition_that_kafka_gives_them() {
    let site = Site::with_topic("events", 5);
    let keys: Vec<String> = (0..100).map(|i| format!("key-{i}")).collect();
    let lines: String = keys.iter().map(|key| format!("{key}\tabout\t{key}\n")).collect();
    site.produce(&["events", "--key-separator", "\\t"], lines.as_bytes());
    let format = ["events", "--format", "%k %p %v\\n"];
    let printed = String::from_utf8(site.consume(&format)).unwrap();
    assert_eq!(printed.lines().count(), keys.len());
    for line in printed.lines() {
        let (key, rest) = line.split_once(' ').unwrap();
        let partition = partition_for_key(key.as_bytes(), 5);
        assert_eq!(rest, format!("{partition} about\t{key}"));
    }
    site.produce(&["events", "--key", "key-7"], b"one\ntwo\n");
    let home = partition_for_key(b"key-7", 5).to_string();
    let printed = site.consume(&["events", "--partition", &home, "--format", "%k=%v\\n"]);
    assert!(printed.ends_with(b"\nkey-7=one\nkey-7=two\n"));
}

#[test]
fn json_keeps_bytes_that_are_no_text() {
    let site = Site::with_topic("events", 2);
    site.produce(&["events", "--partition", "1", "--key", "k"], b"gr\xc3\xbcn\r\n\xff\xfe\n");
    let json = String::from_utf8(site.consume(&["events", "--format", "json"])).unwrap();
    let records: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = ["grün\r".into(), serde_json::json!({"base64": "//4="})];
    for (offset, (record, value)) in records.iter().zip(expected).enumerate() {
        assert_eq!(record["value"], value);
        assert_eq!(record["topic"], "events");
        assert_eq!(record["partition"], 1);
        assert_eq!(record["offset"], offset);
        assert_eq!(record["key"], "k");
        assert_eq!(record["headers"], serde_json::json!([]));
        assert!(record["timestamp_ms"].as_i64().unwrap() > 1_700_000_000_000);
    }
    assert_eq!(records.len(), 2);
}
