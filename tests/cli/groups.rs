//! Named consumers: where they go on, and what a crash costs them.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::command::Site;

/// More than a pipe and the readers' buffers hold: a consumer that nobody reads gets stuck in it.
const LINES: usize = 50_000;

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

/// What two consumers of a group print, the first of which is killed while it prints.
fn killed_and_resumed(commit: &str) -> (Vec<usize>, Vec<usize>) {
    let site = Site::with_topic("events", 1);
    let text: String = (0..LINES).map(|i| format!("{i}\n")).collect();
    site.produce(&["events"], text.as_bytes());
    let base = ["consume", "events", "--group", "g", "--from", "beginning", "--commit", commit];
    let mut first = site.spawn(&base);
    let mut printed = first.line() + "\n";
    // The line that was cut off was not printed.
    let rest = String::from_utf8(first.kill()).unwrap();
    printed += &rest[..rest.rfind('\n').map_or(0, |at| at + 1)];
    let second = site.text(&[&base[..], &["--until-end"]].concat());
    let numbers = |text: &str| text.lines().map(|line| line.parse().unwrap()).collect();
    (numbers(&printed), numbers(&second))
}

#[test]
fn committing_after_printing_loses_nothing() {
    let (first, second) = killed_and_resumed("after");
    assert!(first.len() < LINES, "the first consumer was not killed in the middle");
    let all: BTreeSet<usize> = first.iter().chain(&second).copied().collect();
    assert_eq!(all.len(), LINES);
    assert!(second.is_sorted());
}

#[test]
fn committing_before_printing_repeats_nothing() {
    let (first, second) = killed_and_resumed("before");
    assert!(first.len() < LINES, "the first consumer was not killed in the middle");
    assert!(second.first().is_none_or(|next| next > first.last().unwrap()));
}
