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
