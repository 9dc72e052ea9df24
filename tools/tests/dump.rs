//! What a dump shows besides what Kafka's own shows: damage, bytes that are no text, our own files.

mod support;

use std::path::Path;

use duramen_protocol::batch::{BatchBuilder, Codec, stamp};
use duramen_protocol::files::journal::{
    self, Entry, EntryBody, GroupHeader, PartitionKey, Successor,
};
use duramen_protocol::files::segment::SegmentFile;
use duramen_tools::Outcome;
use duramen_tools::dump::Options;
use serde_json::{Value, json};
use support::partition::{Partition, TOPIC_ID, headers};
use support::{dump, dump_json};

fn json() -> Options {
    Options { json: true, ..Options::default() }
}

fn types(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["type"].as_str().unwrap()).collect()
}

fn batch_with(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[(&str, Option<&[u8]>)],
) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.append(1_750_000_000_000, key, value, headers).unwrap();
    builder.finish().unwrap().to_vec()
}

fn segment(folder: &Path, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(SegmentFile::Log.name(0));
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn bytes_that_are_no_utf_8_are_base64_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = segment(
        folder.path(),
        &batch_with(Some(b"\xff\x00"), Some("grün\n".as_bytes()), &[("h", Some(b"\xc3"))]),
    );
    let objects = dump_json(&path, &json());
    assert_eq!(types(&objects), ["file", "batch", "record"]);
    let record = &objects[2];
    assert_eq!(record["key"], json!({"base64": "/wA="}));
    assert_eq!(record["value"], "grün\n");
    assert_eq!(record["headers"], json!([{"key": "h", "value": {"base64": "ww=="}}]));
    let path = segment(folder.path(), &batch_with(None, Some(b""), &[("h", None)]));
    let record = &dump_json(&path, &json())[2];
    assert_eq!((&record["key"], &record["value"]), (&Value::Null, &json!("")));
    assert_eq!((&record["key_size"], &record["value_size"]), (&json!(-1), &json!(0)));
    assert_eq!(record["headers"], json!([{"key": "h", "value": null}]));
}

#[test]
fn text_has_a_line_a_batch_and_records_if_asked() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 1);
    let text = dump(&path, &Options::default()).out;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 + 5, "{text}");
    assert_eq!(lines[0], format!("{}: segment, base offset 9, 529 bytes", path.display()));
    assert!(lines[4].contains("lz4"), "{text}");
    assert!(lines[5].ends_with("ok transactional ABORT coordinator epoch 0"), "{text}");
    let columns: Vec<&str> = lines[3].split_whitespace().collect();
    assert_eq!(columns[..5], ["109", "11-12", "2", "109", "none"], "{text}");
    let with_records = dump(&path, &Options { records: true, ..Options::default() }).out;
    assert_eq!(with_records.lines().count(), 2 + 5 + 9);
    assert!(
        with_records.contains(r#"key "key" value "one value" headers "h": null"#),
        "{with_records}"
    );
}

#[test]
fn damage_stands_in_its_place_and_the_dump_goes_on_behind_it() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 1);
    let good = std::fs::read(&path).unwrap();
    let batches = headers(&good);
    // A byte of the records, of the length, of the magic.
    for (at, is_batch) in [(70, true), (11, false), (16, false)] {
        let (position, header) = batches[1];
        let mut bad = good.clone();
        bad[position + at] ^= 0x40;
        std::fs::write(&path, bad).unwrap();
        let ran = dump(&path, &json());
        assert_eq!(ran.outcome, Outcome::Damaged);
        let objects = dump_json(&path, &json());
        let bad: Vec<&Value> = objects.iter().filter(|object| object["type"] == "damage").collect();
        assert_eq!(bad.len(), 1, "{}", ran.out);
        assert_eq!(bad[0]["position"], position);
        assert_eq!(bad[0]["length"], header.size_in_bytes());
        assert_eq!(bad[0]["offset"], header.base_offset);
        let good: Vec<&Value> = objects
            .iter()
            .filter(|object| object["type"] == "batch" && object["isvalid"] == true)
            .collect();
        assert_eq!(good.len(), 4, "{}", ran.out);
        let shown = objects.iter().any(|object| object["isvalid"] == false);
        assert_eq!(shown, is_batch, "{}", ran.out);
    }
}

#[test]
fn a_hole_over_several_batches_is_one_stretch() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 1);
    let mut bytes = std::fs::read(&path).unwrap();
    let batches = headers(&bytes);
    let (from, to) = (batches[1].0, batches[4].0);
    bytes[from..to].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let objects = dump_json(&path, &json());
    let bad: Vec<&Value> = objects.iter().filter(|object| object["type"] == "damage").collect();
    assert_eq!(
        (bad.len(), &bad[0]["position"], &bad[0]["length"]),
        (1, &json!(from), &json!(to - from))
    );
}

#[test]
fn a_batch_inside_of_a_value_is_not_taken_for_one_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut inner = batch_with(None, Some(b"inner"), &[]);
    stamp(&mut inner, 1, 0);
    let mut outer = batch_with(None, Some(&inner), &[]);
    stamp(&mut outer, 1, 0);
    let mut last = batch_with(None, Some(b"last"), &[]);
    stamp(&mut last, 2, 0);
    let mut first = batch_with(None, Some(b"first"), &[]);
    stamp(&mut first, 0, 0);
    let start = first.len();
    let mut bytes = [first, outer, last].concat();
    bytes[start + 16] = 9;
    let objects = dump_json(&segment(folder.path(), &bytes), &json());
    assert_eq!(types(&objects), ["file", "batch", "record", "damage", "batch", "record"]);
    assert_eq!(objects[4]["base_offset"], 2);
}

#[test]
fn torn_and_zeroed_tails_are_no_damage() {
    let partition = Partition::new();
    let path = partition.file(SegmentFile::Log, 2);
    let good = std::fs::read(&path).unwrap();
    for (bytes, kind) in [
        (good[..good.len() - 5].to_vec(), "torn"),
        ([good.as_slice(), &[0; 4096]].concat(), "zeroed"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let ran = dump(&path, &json());
        assert_eq!(ran.outcome, Outcome::Whole);
        let objects = dump_json(&path, &json());
        assert_eq!(objects.last().unwrap()["type"], kind);
        assert_eq!(objects.last().unwrap()["file"], path.to_str().unwrap());
    }
}

#[test]
fn a_range_of_offsets_leaves_the_rest_out() {
    let partition = Partition::new();
    let options = Options { offsets: 12..=14, ..json() };
    let objects = dump_json(&partition.folder(), &options);
    let offsets: Vec<&Value> = objects
        .iter()
        .filter(|object| object["type"] == "record")
        .map(|object| &object["offset"])
        .collect();
    assert_eq!(offsets, [12, 13, 14]);
    let files = objects.iter().filter(|object| object["kind"] == "segment").count();
    assert_eq!(files, 1);
}

#[test]
fn a_folder_is_shown_file_by_file() {
    let partition = Partition::of_ours(27, 18, 0);
    let objects = dump_json(partition.data.path(), &json());
    let kinds: Vec<&str> = objects
        .iter()
        .filter(|o| o["type"] == "file")
        .map(|o| o["kind"].as_str().unwrap())
        .collect();
    let of_segment = ["segment", "offset index", "time index", "transaction index"];
    assert_eq!(kinds[..3], ["catalog", "checkpoint", "journal"]);
    assert_eq!(kinds[3..7], of_segment);
    assert_eq!(kinds[7..12], [&of_segment[..], &["producer snapshot"]].concat());
    assert_eq!(kinds[18..], ["leader epochs", "partition metadata"]);
    let point = objects.iter().find(|o| o["type"] == "checkpoint_partition").unwrap();
    assert_eq!((&point["recovery_point"], &point["segment_base"]), (&json!(27), &json!(18)));
    assert_eq!(point["topic_id"], TOPIC_ID.to_string());
}

/// A group of a journal, with a batch and a moved log start in it.
fn group(generation: u64, sequence: u64) -> Vec<u8> {
    let key = PartitionKey { topic_id: TOPIC_ID, partition: 3 };
    let batches = batch_with(Some(b"key"), Some(b"value"), &[]);
    let mut bytes = vec![0; journal::GROUP_HEADER_LEN];
    for body in [
        EntryBody::Batches { segment_base: 100, position: 5, before: b"start", batches: &batches },
        EntryBody::LogStart { offset: 42 },
        EntryBody::Dropped,
    ] {
        Entry { key, body }.encode(&mut bytes);
    }
    let payload = &bytes[journal::GROUP_HEADER_LEN..];
    let header = GroupHeader {
        header_crc: 0,
        payload_crc: crc32c::crc32c(payload),
        group_len: 4096,
        payload_len: payload.len() as u32,
        entry_count: 3,
        generation,
        sequence,
        acknowledged: sequence - 1,
        previous_crc: 0,
        start_epoch: 1,
        core: 0,
        successor: Some(Successor { file: 2, generation: 9 }),
    };
    header.encode(&mut bytes);
    bytes.resize(4096, 0);
    bytes
}

#[test]
fn journals_show_groups_entries_and_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal-1");
    let mut bytes = [group(5, 1), group(5, 2), vec![0; 8192], group(4, 3)].concat();
    std::fs::write(&path, &bytes).unwrap();
    let objects = dump_json(&path, &json());
    let one_group = ["group", "batches", "batch", "record", "log_start", "dropped"];
    let expected = [&["file"][..], &one_group, &one_group, &["zeroed"], &one_group].concat();
    assert_eq!(types(&objects), expected);
    assert_eq!((&objects[1]["generation"], &objects[1]["successor_file"]), (&json!(5), &json!(2)));
    assert_eq!((&objects[2]["segment_base"], &objects[3]["position"]), (&json!(100), &json!(5)));
    assert_eq!(objects[5]["offset"], 42);
    // Damage in the first group's payload, then in its header.
    for at in [200, 40] {
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let ran = dump(&path, &json());
        assert_eq!(ran.outcome, Outcome::Damaged);
        let objects = dump_json(&path, &json());
        let damage = objects.iter().find(|object| object["type"] == "damage").unwrap();
        assert_eq!((&damage["position"], &damage["length"]), (&json!(0), &json!(4096)));
        assert_eq!(
            objects
                .iter()
                .filter(|object| object["isvalid"] == true && object["type"] == "group")
                .count(),
            2
        );
    }
}

#[test]
fn what_can_not_be_looked_at_is_said_and_the_rest_shown() {
    let partition = Partition::new();
    let paths = [partition.folder().join("nothing"), partition.file(SegmentFile::Log, 0)];
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let outcome = duramen_tools::dump::run(&paths, &json(), &mut out, &mut err).unwrap();
    assert_eq!(outcome, Outcome::CouldNotLook);
    let err = String::from_utf8(err).unwrap();
    assert!(err.starts_with(&format!("{}: ", paths[0].display())), "{err}");
    assert!(out.windows(6).any(|w| w == b"record"));
}
