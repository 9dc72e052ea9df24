//! Named consumers: where they go on, and what a crash costs them.

use std::io::Read;

use rustix::process::Signal;

use crate::command::Site;

/// Bytes of a record that a pipe does not hold: a consumer that nobody reads gets stuck in it.
const LARGE: usize = 300_000;

/// How many of those there are.
const RECORDS: usize = 10;

#[test]
fn a_group_goes_on_where_it_has_stopped() {
    let site = Site::with_topic("events", 2);
    site.produce(&["events", "--partition", "1"], b"a\nb\nc\nd\ne");
    let consume = |group: &str, words: &[&str]| {
        let base = ["consume", "events", "--group", group, "--from", "beginning"];
        site.text(&[&base, words].concat())
    };
    for commit in ["after", "before"] {
        assert_eq!(consume(commit, &["--max", "2", "--commit", commit]), "a\nb\n");
        assert_eq!(consume(commit, &["--max", "1", "--commit", commit]), "c\n");
        assert_eq!(consume(commit, &["--until-end"]), "d\ne\n");
        assert_eq!(consume(commit, &["--until-end"]), "");
    }
    assert_eq!(consume("another", &["--until-end"]).lines().count(), 5);
}

#[test]
fn a_group_that_starts_at_the_end_misses_nothing_from_then_on() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events"], b"before");
    assert_eq!(site.text(&["consume", "events", "--group", "g", "--until-end"]), "");
    site.produce(&["events"], b"after");
    assert_eq!(site.text(&["consume", "events", "--group", "g", "--until-end"]), "after\n");
}

#[test]
fn a_signal_commits_what_was_printed() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events"], b"a\nb");
    let mut consumer = site.spawn(&["consume", "events", "--group", "g", "--from", "beginning"]);
    assert_eq!((consumer.line(), consumer.line()), ("a".into(), "b".into()));
    consumer.signal(Signal::INT);
    assert_eq!(consumer.end().0.code(), Some(0));
    site.produce(&["events"], b"c");
    assert_eq!(site.text(&["consume", "events", "--group", "g", "--until-end"]), "c\n");
}

/// What two consumers of a group print, the first of which is killed while it prints the first
/// record. Each record begins with its number.
fn killed_and_resumed(commit: &str) -> (String, String) {
    let site = Site::with_topic("events", 1);
    let record = |number| format!("{number}:{}\n", "x".repeat(LARGE));
    site.produce(&["events"], (0..RECORDS).map(record).collect::<String>().as_bytes());
    let base = ["consume", "events", "--group", "g", "--from", "beginning", "--commit", commit];
    let mut first = site.spawn(&base);
    let mut printed = vec![0];
    first.stdout.read_exact(&mut printed).unwrap();
    printed.extend(first.kill());
    assert!(printed.len() < LARGE, "the first consumer was not stuck");
    let second = site.text(&[&base[..], &["--until-end"]].concat());
    (String::from_utf8(printed).unwrap(), second)
}

#[test]
fn committing_after_printing_loses_nothing() {
    let (_, second) = killed_and_resumed("after");
    assert_eq!(second.lines().count(), RECORDS);
    assert!(second.starts_with("0:"), "the record that was cut off is lost");
}

#[test]
fn committing_before_printing_repeats_nothing() {
    let (first, second) = killed_and_resumed("before");
    assert!(first.starts_with("0:"));
    assert!(!second.starts_with("0:"), "what was begun before is printed again");
}

#[test]
fn groups_are_listed_described_and_deleted() {
    let site = Site::with_topic("events", 1);
    assert_eq!(site.text(&["group", "list"]), "");
    let missing = site.run(&["group", "describe", "readers"]).failed(1);
    assert!(missing.contains("there is no group \"readers\": `duramen group list`"), "{missing}");
    site.produce(&["events"], b"a\nb\nc");
    let consume = ["consume", "events", "--group", "readers", "--from", "beginning", "--max", "1"];
    assert_eq!(site.text(&consume), "a\n");
    assert_eq!(site.text(&["group", "list"]), "group    state\nreaders  Empty\n");
    let described = site.text(&["group", "describe", "readers"]);
    let row: Vec<&str> = described.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(row, ["events", "0", "1", "3", "2"], "{described}");
    let topic = site.text(&["topic", "describe", "events"]);
    let row = topic.lines().find(|line| line.starts_with("readers")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["readers", "0", "1", "2"], "{topic}");
    assert_eq!(site.text(&["group", "delete", "readers"]), "deleted group readers\n");
    assert_eq!(site.text(&["group", "list"]), "");
    assert_eq!(site.text(&consume), "a\n", "it begins anew");
}

#[test]
fn offsets_are_moved_after_a_look_at_what_would_change() {
    let site = Site::with_topic("events", 2);
    site.produce(&["events", "--partition", "1"], b"a\nb\nc\nd");
    let consume = ["consume", "events", "--group", "g", "--from", "beginning", "--until-end"];
    assert_eq!(site.text(&consume).lines().count(), 4);
    let reset = |words: &[&str]| {
        let base = ["group", "reset-offsets", "g", "--json"];
        let text = site.text(&[&base, words].concat());
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let rows: Vec<serde_json::Value> = lines.collect();
        let moved = |row: &serde_json::Value| (row["before"].as_i64(), row["after"].as_i64());
        rows.iter().filter(|row| row["partition"] == 1).map(moved).next_back().unwrap()
    };
    assert_eq!(reset(&["--to-earliest", "--dry-run"]), (Some(4), Some(0)));
    assert_eq!(site.text(&consume), "", "nothing was changed");
    assert_eq!(reset(&["--by-shift", "-3"]), (Some(4), Some(1)));
    assert_eq!(site.text(&consume), "b\nc\nd\n");
    assert_eq!(reset(&["--to-offset", "2", "--topic", "events"]), (Some(4), Some(2)));
    assert_eq!(reset(&["--to-offset", "99"]), (Some(2), Some(4)), "no further than there are");
    assert_eq!(reset(&["--by-shift", "-99"]), (Some(4), Some(0)));
    assert_eq!(reset(&["--to-latest"]), (Some(0), Some(4)));
    assert_eq!(reset(&["--to-timestamp", "0"]), (Some(4), Some(0)));
    assert_eq!(reset(&["--to-timestamp", "9000000000000"]), (Some(0), Some(4)));
    let usage = site.run(&["group", "reset-offsets", "g"]).failed(2);
    assert!(usage.contains("--to-earliest"), "{usage}");
    let new = ["group", "reset-offsets", "new", "--to-offset", "3"];
    let unknown = site.run(&new).failed(1);
    assert!(unknown.contains("there is no group"), "{unknown}");
    site.text(&[&new[..], &["--topic", "events", "--partition", "1"]].concat());
    let of_new = ["consume", "events", "--group", "new", "--from", "end", "--until-end"];
    assert_eq!(site.text(&of_new), "d\n");
}
