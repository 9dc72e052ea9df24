//! Where consuming starts and where it ends.

use rustix::process::Signal;

use crate::command::Site;

/// A topic `events` with one partition and the records `0` to `9`.
fn ten() -> Site {
    let site = Site::with_topic("events", 1);
    let text: String = (0..10).map(|i| format!("{i}\n")).collect();
    site.produce(&["events"], text.as_bytes());
    site
}

#[test]
fn from_an_offset_and_no_more_than_asked_for() {
    let site = ten();
    let consume = |words: &[&str]| site.text(&[&["consume", "events"], words].concat());
    assert_eq!(consume(&["--from", "7", "--until-end"]), "7\n8\n9\n");
    assert_eq!(consume(&["--from", "3", "--max", "2"]), "3\n4\n");
    assert_eq!(consume(&["--from", "beginning", "--max", "1"]), "0\n");
    assert_eq!(consume(&["--from", "beginning", "--max", "0"]), "");
    assert_eq!(consume(&["--from", "10", "--until-end"]), "");
    assert_eq!(consume(&["--until-end"]), "", "without --from it starts at the end");
}

#[test]
fn from_a_time() {
    let site = ten();
    let times = site.text(&[
        "consume",
        "events",
        "--from",
        "beginning",
        "--until-end",
        "--format",
        "%T\\n",
    ]);
    let last: i64 = times.lines().last().unwrap().parse().unwrap();
    let consume = |from: &str| site.text(&["consume", "events", "--from", from, "--until-end"]);
    assert_eq!(consume("@0").lines().count(), 10);
    assert_eq!(consume(&format!("@{}", last + 1)), "");
    assert_eq!(consume("-1h").lines().count(), 10);
    assert_eq!(consume("-0s"), "");
}

#[test]
fn an_offset_out_of_range_is_named_with_the_range() {
    let site = ten();
    let error = site.run(&["consume", "events", "--from", "11", "--until-end"]).failed(1);
    assert!(error.contains("11") && error.contains("10"), "{error}");
}

#[test]
fn all_partitions_are_read_each_in_order() {
    let site = Site::with_topic("events", 3);
    for partition in ["0", "1", "2"] {
        let text: String = (0..1_000).map(|i| format!("{i}\n")).collect();
        site.produce(&["events", "--partition", partition], text.as_bytes());
    }
    let printed = site.consume(&["events", "--format", "%p %o %v\\n"]);
    let mut next = [0; 3];
    for line in String::from_utf8(printed).unwrap().lines() {
        let words: Vec<usize> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        assert_eq!((words[1], words[2]), (next[words[0]], next[words[0]]));
        next[words[0]] += 1;
    }
    assert_eq!(next, [1_000; 3]);
    assert_eq!(site.consume(&["events", "--partition", "1"]).len(), 10 + 180 + 2_700 + 1_000);
}

#[test]
fn a_record_that_comes_alone_is_printed_at_once() {
    let site = ten();
    let mut tail = site.spawn(&["consume", "events", "--from", "9"]);
    assert_eq!(tail.line(), "9");
    for word in ["one", "two"] {
        site.produce(&["events"], word.as_bytes());
        assert_eq!(tail.line(), word);
    }
    tail.signal(Signal::TERM);
    let (status, rest) = tail.end();
    assert_eq!((status.code(), rest), (Some(0), Vec::new()));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events"], "a line among many\n".repeat(100_000).as_bytes());
    let mut consume = site.command(&["consume", "events", "--from", "beginning"]);
    let mut child = consume
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
