//! Our dumps against those of Kafka's own tool: from our JSON, Kafka's listing is written anew,
//! line for line, and must be the very text beside the files.
//!
//! The selection in `tests/fixtures` is always there; all of it where the reference data lies
//! beside the workspace.

mod support;

use std::fmt::Write as _;
use std::path::Path;

use duramen_tools::dump;
use serde_json::Value;

/// Kafka's listing of a file, made from our dump of it.
fn listing(file: &Path) -> String {
    let options = dump::Options { json: true, ..Default::default() };
    let mut lines = String::new();
    for object in support::dump_json(file, &options) {
        let line = match object["type"].as_str().unwrap() {
            "batch" => batch(&object),
            "record" => record(&object),
            "index" => format!("offset: {} position: {}", object["offset"], object["position"]),
            "timeindex" => {
                format!("timestamp: {} offset: {}", object["timestamp_ms"], object["offset"])
            }
            "producer" => producer(&object),
            "aborted_txn" => format!(
                "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                object["producer_id"],
                object["first_offset"],
                object["last_offset"],
                object["last_stable_offset"]
            ),
            _ => continue,
        };
        lines += &line;
        lines += "\n";
    }
    lines
}

fn batch(b: &Value) -> String {
    let optional_long = |value: &Value| match value {
        Value::Null => "OptionalLong.empty".to_owned(),
        value => format!("OptionalLong[{value}]"),
    };
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} \
         deleteHorizonMs: {} position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} \
         isvalid: {}",
        b["base_offset"],
        b["last_offset"],
        b["count"],
        b["base_sequence"],
        b["last_sequence"],
        b["producer_id"],
        b["producer_epoch"],
        b["partition_leader_epoch"],
        b["is_transactional"],
        b["is_control"],
        optional_long(&b["delete_horizon_ms"]),
        b["position"],
        text(&b["timestamp_type"]),
        b["max_timestamp_ms"],
        b["size"],
        b["magic"],
        text(&b["compresscodec"]),
        b["crc"],
        b["isvalid"],
    )
}

fn record(r: &Value) -> String {
    let names: Vec<String> =
        r["headers"].as_array().unwrap().iter().map(|header| text(&header["key"])).collect();
    let mut line = format!(
        "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
        r["offset"],
        text(&r["timestamp_type"]),
        r["timestamp_ms"],
        r["key_size"],
        r["value_size"],
        r["sequence"],
        names.join(",")
    );
    if let Some(marker) = r.get("end_txn_marker") {
        let _ = write!(
            line,
            " endTxnMarker: {} coordinatorEpoch: {}",
            text(marker),
            r["coordinator_epoch"]
        );
        return line;
    }
    for (name, value) in [("key", &r["key"]), ("payload", &r["value"])] {
        if !value.is_null() {
            let _ = write!(line, " {name}: {}", text(value));
        }
    }
    line
}

fn producer(p: &Value) -> String {
    let open = match &p["current_txn_first_offset"] {
        Value::Null => "OptionalLong.empty".to_owned(),
        offset => format!("OptionalLong[{offset}]"),
    };
    let mut line = format!(
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {open} \
         lastTimestamp: {}",
        p["producer_id"], p["producer_epoch"], p["coordinator_epoch"], p["last_timestamp_ms"],
    );
    if !p["last_offset"].is_null() {
        let _ = write!(
            line,
            " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
            p["first_sequence"],
            p["last_sequence"],
            p["last_offset"],
            p["offset_delta"],
            p["last_timestamp_ms"]
        );
    }
    line
}

/// A string, or bytes that are none as Java shows them.
fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => String::from_utf8_lossy(&support::bytes(value)).into_owned(),
    }
}

/// What Kafka's tool says of the file's content; the rest is about what it makes of it.
fn kafkas_listing(path: &Path) -> String {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let mut lines = String::new();
    for line in text.lines() {
        // From here on it complains: of itself, of a torn tail, of compaction's gaps.
        let ends =
            ["EXCEPTION", "Found ", "Non-consecutive offsets", "The following indexed offsets"];
        if ends.iter().any(|end| line.starts_with(end)) {
            break;
        }
        let heading = line.starts_with("Dumping ") || line.starts_with("Log starting offset: ");
        if !heading && !line.ends_with(" is empty.") {
            lines += line;
            lines += "\n";
        }
    }
    lines
}

/// Java and Rust agree on which bytes are no UTF-8, but not on how many question marks that makes;
/// and Java's line ends are more than the line feed.
fn comparable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| !matches!(c, '\r' | '\n')) {
        if c != char::REPLACEMENT_CHARACTER || !out.ends_with(char::REPLACEMENT_CHARACTER) {
            out.push(c);
        }
    }
    out
}

/// Compares each file that has a listing; says how many there were.
fn compare_all(segments: &Path) -> usize {
    let mut compared = 0;
    for listing_path in support::files_below(&segments.join("dumps")) {
        let relative = listing_path.strip_prefix(segments.join("dumps")).unwrap();
        // Listings by the decoders for internal topics show other things.
        let name = relative.to_str().unwrap().strip_suffix(".txt").unwrap();
        if name.ends_with(".offsets") || name.ends_with(".transactions") {
            continue;
        }
        let (kafkas, ours) = (kafkas_listing(&listing_path), listing(&segments.join(name)));
        // Where Kafka's tool failed, it said less.
        let failed = std::fs::read(&listing_path).unwrap().windows(10).any(|w| w == b"\nEXCEPTION");
        let (kafkas, ours) = (comparable(&kafkas), comparable(&ours));
        if failed && name.ends_with("index") {
            assert!(ours.starts_with(&kafkas), "{name}");
        } else {
            assert_eq!(ours, kafkas, "{name}");
        }
        compared += 1;
    }
    compared
}

#[test]
fn our_dumps_say_what_kafkas_say() {
    assert!(compare_all(&support::fixtures()) > 20);
}

#[test]
fn our_dumps_say_what_kafkas_say_of_all_reference_data() {
    if let Some(segments) = support::reference() {
        assert_eq!(compare_all(&segments), 274);
    }
}
