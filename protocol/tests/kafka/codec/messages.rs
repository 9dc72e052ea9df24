//! Every message and version, both ways, against Kafka's own bytes.

use base64::prelude::*;
use duramen_protocol::kafka::messages::ProduceRequest;
use duramen_protocol::kafka::{ApiKey, Message, Records};
use duramen_protocol::wire::Reader;
use serde_json::Value;

use super::any::{self, AnyMessage};
use super::debug_text;
use super::golden::{Golden, bodies, listing};

/// Camel case, as Kafka's JSON has it, of a field's name.
fn kafka_name(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |all, word| {
        let (initial, rest) = word.split_at(1);
        all + &initial.to_uppercase() + rest
    })
}

fn assert_same(place: &str, ours: &Value, kafkas: &Value) {
    match (ours, kafkas) {
        (Value::Object(ours), Value::Object(kafkas)) => {
            let names: Vec<String> = ours.keys().map(|name| kafka_name(name)).collect();
            for name in kafkas.keys() {
                assert!(names.contains(name), "{place}: we have no {name}");
            }
            for ((_, ours), name) in ours.iter().zip(names) {
                // What is left out is not in the version, or a tagged field at its default.
                let Some(kafkas) = kafkas.get(&name) else { continue };
                assert_same(&format!("{place}.{name}"), ours, kafkas);
            }
        }
        // Kafka's JSON tells of records only whether they are null; their bytes are checked below.
        (Value::Array(_), Value::String(text)) if place.ends_with(".records") => {
            assert_eq!(text, "", "{place}");
        }
        // Bytes and ids that are numbers here are base64 there.
        (Value::Array(ours), Value::String(text)) => {
            let bytes: Vec<u8> = ours.iter().map(|n| n.as_u64().unwrap() as u8).collect();
            let kafkas = BASE64_STANDARD
                .decode(text)
                .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(text))
                .unwrap();
            assert_eq!(bytes, kafkas, "{place}");
        }
        (Value::Array(ours), Value::Array(kafkas)) => {
            assert_eq!(ours.len(), kafkas.len(), "{place}");
            for (i, (ours, kafkas)) in ours.iter().zip(kafkas).enumerate() {
                assert_same(&format!("{place}[{i}]"), ours, kafkas);
            }
        }
        _ => assert_eq!(ours, kafkas, "{place}"),
    }
}

fn decode(golden: &Golden) -> Box<dyn AnyMessage + '_> {
    let mut reader = Reader::new(&golden.bytes);
    let (message, _) = any::decode(golden.api, golden.is_request, &mut reader, golden.version)
        .unwrap_or_else(|error| panic!("{}: {error}", golden.name()));
    assert_eq!(reader.finish(), Ok(()), "{}", golden.name());
    message
}

#[test]
fn fields_are_what_kafka_says() {
    for golden in bodies() {
        let ours = debug_text::parse(&decode(&golden).text());
        assert_same(&golden.name(), &ours, &golden.json);
    }
}

#[test]
fn bytes_are_those_that_kafka_writes() {
    for golden in bodies() {
        let bytes = decode(&golden)
            .encode(golden.version)
            .unwrap_or_else(|error| panic!("{}: {error}", golden.name()));
        if golden.has_unknown_tags() {
            assert!(
                bytes.len() < golden.bytes.len(),
                "{}: unknown tags are dropped",
                golden.name()
            );
        } else {
            assert_eq!(bytes, golden.bytes, "{}", golden.name());
        }
    }
}

#[test]
fn a_message_that_is_cut_anywhere_is_an_error() {
    for golden in bodies().iter().filter(|golden| golden.bytes.len() < 2000) {
        for end in 0..golden.bytes.len() {
            let mut reader = Reader::new(&golden.bytes[..end]);
            match any::decode(golden.api, golden.is_request, &mut reader, golden.version) {
                Ok(_) => panic!("{} can be read though cut to {end} bytes", golden.name()),
                Err(error) => assert!(error.at <= end, "{}: {error}", golden.name()),
            }
        }
    }
}

#[test]
fn versions_out_of_range_are_refused() {
    for golden in bodies() {
        for version in [golden.api.versions().start() - 1, golden.api.versions().end() + 1] {
            let mut reader = Reader::new(&golden.bytes);
            let read = any::decode(golden.api, golden.is_request, &mut reader, version);
            assert_eq!(read.err().map(|error| error.what), Some("the version is not supported"));
            assert!(decode(&golden).encode(version).is_err());
        }
    }
}

#[test]
fn versions_are_those_that_kafka_has() {
    let Some(lines) = listing("messages/versions.tsv") else { return };
    for &api in ApiKey::ALL {
        let start = format!("{}\t{}\t", api.number(), api.name());
        let line = lines.iter().find_map(|line| line.strip_prefix(&start)).unwrap();
        let columns: Vec<&str> = line.split('\t').collect();
        let (min, max) = columns[0].split_once('-').unwrap();
        let (min, max): (i16, i16) = (min.parse().unwrap(), max.parse().unwrap());
        let latest: i16 = columns[2].parse().unwrap();
        // Kafka itself advertises Produce from 0 on.
        let min = if api.number() == 0 { 0 } else { min };
        assert_eq!(api.versions(), min..=max.min(latest), "{}", api.name());
        let flexible = columns[1].strip_suffix('+').map(|first| first.parse::<i16>().unwrap());
        for version in api.versions() {
            let expected = flexible.is_some_and(|first| version >= first);
            assert_eq!(api.is_flexible(version), expected, "{} v{version}", api.name());
        }
    }
}

#[test]
fn records_are_borrowed_from_the_frame() {
    let is_filled = |golden: &&Golden| {
        golden.api == ApiKey::Produce && golden.is_request && golden.case == "filled"
    };
    for golden in bodies().iter().filter(is_filled) {
        let mut reader = Reader::new(&golden.bytes);
        let request = ProduceRequest::decode(&mut reader, golden.version).unwrap();
        let Records::Bytes(records) = request.topic_data[0].partition_data[0].records else {
            panic!("no records")
        };
        assert!(!records.is_empty());
        assert!(golden.bytes.as_ptr_range().contains(&records.as_ptr()), "{}", golden.name());
    }
}
