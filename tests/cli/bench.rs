//! `bench`: figures that add up, and no figures where they don't.

use std::path::Path;

use duramen_protocol::native::messages::{MetricValue, Stats};
use serde_json::Value;

use crate::command::{Site, duramen, feed};
use crate::support::server::folder;
use crate::support::wire::Wire;

/// A load that is soon over. What is sent first counts, so that something does also where the disk
/// then stands still for long.
const TINY: [&str; 9] =
    ["bench", "produce", "--for", "1s", "--warm-up", "0ms", "--rounds", "1", "--dir"];

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn produce_gives_rows_beside_their_limits_and_leaves_nothing_behind() {
    let dir = folder();
    let (file, work) = (dir.path().join("rows.json"), dir.path().join("work"));
    std::fs::create_dir(&work).unwrap();
    let mut command = duramen(TINY);
    command.arg(&work).args(["--partitions", "3", "--producers", "2", "--batch-records", "10"]);
    command.arg("--json").arg(&file).arg("--hdr").arg(dir.path().join("times.hlog"));
    let printed = String::from_utf8(feed(&mut command, b"").ok()).unwrap();
    assert!(printed.lines().any(|line| line.starts_with("produce.p99 ")), "{printed}");

    let json = json(&file);
    assert!(json["machine"]["kernel"].is_string(), "{json}");
    let row = |id: &str| {
        let rows = json["rows"].as_array().unwrap();
        rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no {id} in {json}"))
    };
    let rate = row("produce.rate");
    assert!(rate["value"].as_f64().unwrap() > 0.0, "{rate}");
    assert_eq!((&rate["unit"], &rate["median_of"]), (&"records/s".into(), &1.into()));
    for id in ["produce.bytes", "produce.p50", "produce.p99", "produce.p9999"] {
        let [value, limit, ratio] =
            ["value", "limit", "ratio"].map(|name| row(id)[name].as_f64().unwrap());
        assert!((value / limit / ratio - 1.0).abs() < 1e-9, "{}", row(id));
    }
    let log = std::fs::read_to_string(dir.path().join("times.hlog")).unwrap();
    assert!(log.contains("Tag=produce,"), "{log}");
    assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0, "the folder is removed");
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let dir = folder();
    let file = dir.path().join("rows.json");
    let mut command = duramen(TINY);
    command.arg(dir.path()).args(["--rate", "2000", "--linger-ms", "5"]).arg("--json").arg(&file);
    feed(&mut command, b"").ok();
    let rows = json(&file)["rows"].clone();
    let rate = rows.as_array().unwrap().iter().find(|row| row["id"] == "produce.rate").unwrap();
    // The window may begin and end between two batches, and a stall moves some out of it; what must
    // not be is a closed loop's rate, which is far higher.
    assert!(rate["value"].as_f64().unwrap() < 4000.0, "{rate}");
}

/// Nobody answers, and all the same everything that was sent is waited for and counted.
#[test]
fn a_load_without_answers_is_counted_where_it_arrives() {
    let dir = folder();
    let file = dir.path().join("rows.json");
    let mut command = duramen(TINY);
    command.arg(dir.path()).args(["--acks", "0"]).arg("--json").arg(&file);
    feed(&mut command, b"").ok();
    let rows = json(&file)["rows"].clone();
    let rate = rows.as_array().unwrap().iter().find(|row| row["id"] == "produce.rate").unwrap();
    assert!(rate["value"].as_f64().unwrap() > 0.0, "{rate}");
}

/// Rows of a benchmark with those arguments.
fn rows(words: &[&str]) -> Vec<Value> {
    let dir = folder();
    let file = dir.path().join("rows.json");
    let mut command = duramen(words);
    command.arg("--dir").arg(dir.path()).arg("--json").arg(&file);
    feed(&mut command, b"").ok();
    json(&file)["rows"].as_array().unwrap().clone()
}

/// Over Kafka's protocol as over the native one: what was acknowledged is held against what is there.
#[test]
fn the_loads_go_over_kafkas_protocol_as_well() {
    let value = |rows: &[Value], id: &str| {
        let row = rows.iter().find(|row| row["id"] == id);
        row.unwrap_or_else(|| panic!("no {id} in {rows:?}"))["value"].as_f64().unwrap()
    };
    let kafka = ["--protocol", "kafka", "--rounds", "1"];
    let short = ["--for", "1s", "--warm-up", "0ms"];
    let load =
        ["bench", "produce", "--partitions", "3", "--producers", "2", "--batch-records", "9"];
    for acks in ["all", "0"] {
        let produced = rows(&[&load[..], &["--acks", acks], &kafka, &short].concat());
        assert!(value(&produced, "produce.rate") > 0.0, "{produced:?}");
    }
    let load = ["bench", "consume", "--log-mb", "2", "--batch-records", "9"];
    let consumed = rows(&[&load[..], &["--fetch-bytes", "100000"], &kafka].concat());
    for id in ["consume.warm", "consume.cold"] {
        assert!(value(&consumed, id) > 0.0, "{consumed:?}");
    }
    let delivered = rows(&[&["bench", "latency"][..], &kafka, &short].concat());
    assert!(value(&delivered, "push.p50") > 0.0, "{delivered:?}");
}

/// A server that runs elsewhere keeps its files to itself: it is filled, and read from its memory.
#[test]
fn a_server_elsewhere_is_filled_and_read() {
    let site = Site::new();
    let dir = folder();
    let mut command = site.command(&[
        "bench",
        "consume",
        "--log-mb",
        "2",
        "--batch-records",
        "9",
        "--rounds",
        "1",
    ]);
    command.arg("--dir").arg(dir.path());
    let printed = String::from_utf8(feed(&mut command, b"").ok()).unwrap();
    assert!(printed.contains("consume.warm") && printed.contains("page cache"), "{printed}");
}

#[test]
fn produce_fails_when_the_server_dies() {
    let site = Site::new();
    let mut command = site.command(&["bench", "produce", "--for", "60s"]);
    command.arg("--dir").arg(site.folder.path());
    let address = site.server.address;
    let bench = std::thread::spawn(move || feed(&mut command, b""));
    let mut wire = Wire::connect(address);
    while records(&mut wire) == 0 && !bench.is_finished() {}
    site.server.kill();
    let said = bench.join().unwrap().failed(1);
    assert!(said.contains("the server closed the connection") || said.contains("broke"), "{said}");
}

/// Records that the server has taken.
fn records(wire: &mut Wire) -> u64 {
    let stats = wire.call(0, &Stats {}).unwrap();
    let taken = stats.metrics.iter().filter(|metric| metric.name == "duramen_records_total");
    let count = |value: &MetricValue| match *value {
        MetricValue::Count(count) => count,
        MetricValue::Real(_) => 0,
    };
    taken.map(|metric| count(&metric.value)).sum()
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    let dir = folder();
    for (words, said) in [
        (&["--rate", "0"][..], "a rate is more than 0"),
        (&["--producers", "0"], "1 at least"),
        (&["--load-cores", "x"], "names no processors"),
        (&["--linger-ms", "-1"], "--linger-ms"),
    ] {
        let mut command = duramen(TINY);
        command.arg(dir.path()).args(words);
        let stderr = feed(&mut command, b"").failed(2);
        assert!(stderr.contains(said), "{words:?}: {stderr}");
    }
    for command in ["limits", "recovery", "all"] {
        let mut command = duramen(["bench", command, "--protocol", "kafka", "--dir"]);
        let stderr = feed(command.arg(dir.path()), b"").failed(2);
        assert!(stderr.contains("`bench "), "{stderr}");
    }
    if Path::new("/dev/shm").exists() {
        let stderr = feed(duramen(TINY).arg("/dev/shm"), b"").failed(2);
        assert!(stderr.contains("is on tmpfs"), "{stderr}");
    }
}
