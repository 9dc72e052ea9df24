//! What goes wrong is said on standard error, with the right exit code, and with what to do.

use crate::command::{Site, feed, run};
use crate::support::server::serve;

#[test]
fn wrong_usage_is_2() {
    for words in [
        &[][..],
        &["nonsense"],
        &["produce"],
        &["produce", "t", "--acks", "2"],
        &["produce", "t", "--key", "k", "--key-separator", ":"],
        &["produce", "t", "--key-separator", ""],
        &["produce", "t", "--compression", "rar"],
        &["produce", "t", "--batch-bytes", "0"],
        &["consume", "t", "--from", "yesterday"],
        &["consume", "t", "--from", "-5"],
        &["consume", "t", "--format", "xml"],
        &["consume", "t", "--format", "%x"],
        &["consume", "t", "--commit", "after"],
        &["consume", "t", "--retry-for", "5"],
        &["topic", "create", "t", "--config", "retention.ms"],
        &["topic", "create", "t", "--partitions", "0"],
        &["topic", "alter", "t"],
        &["dump"],
        &["dump", "--offsets", "5-3", "x"],
        &["verify"],
        &["completions", "cmd"],
        &["recover"],
        &["serve", "--cores", "0"],
        &["serve", "--config", "/nowhere/at/all.toml"],
    ] {
        let done = run(words);
        assert_eq!(done.code, Some(2), "{words:?}: {}", done.stderr);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn help_teaches_by_example() {
    for command in [
        &[][..],
        &["serve"],
        &["topic"],
        &["topic", "create"],
        &["topic", "alter"],
        &["produce"],
        &["consume"],
        &["dump"],
        &["verify"],
        &["config"],
        &["completions"],
        &["recover"],
    ] {
        let help = String::from_utf8(run(&[command, &["--help"]].concat()).ok()).unwrap();
        assert!(help.contains("Examples:\n  "), "{command:?}: {help}");
    }
    let version = String::from_utf8(run(&["--version"]).ok()).unwrap();
    assert_eq!(version, concat!("duramen ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn no_server_is_1_once_the_time_is_up() {
    // Nobody listens on port 1.
    for command in [&["topic", "list"][..], &["produce", "t"], &["consume", "t"]] {
        let words = [command, &["--server", "127.0.0.1:1", "--retry-for", "20ms"]].concat();
        let error = run(&words).failed(1);
        assert!(error.contains("cannot reach 127.0.0.1:1: "), "{error}");
        assert!(error.contains("`duramen serve`"), "{error}");
    }
}

#[test]
fn an_unknown_topic_or_partition_is_named() {
    let site = Site::with_topic("events", 2);
    for command in [&["produce", "nope"][..], &["consume", "nope"]] {
        let error = site.feed(command, b"x").failed(1);
        assert!(error.contains("there is no topic \"nope\""), "{error}");
        assert!(error.contains("`duramen topic create`"), "{error}");
    }
    let error = site.feed(&["produce", "events", "--partition", "2"], b"x").failed(1);
    assert!(error.contains("partitions 0 to 1, not 2"), "{error}");
    let error = site.run(&["consume", "events", "--partition", "2"]).failed(1);
    assert!(error.contains('2'), "{error}");
}

#[test]
fn a_record_that_cannot_be_sent_is_named_by_its_number() {
    let site = Site::with_topic("events", 1);
    let mut text = b"a\nb\n".to_vec();
    text.resize(text.len() + 2_000_000, b'x');
    text.extend_from_slice(b"\nd\n");
    let error = site.feed(&["produce", "events"], &text).failed(1);
    assert!(error.contains("record 3: ") && error.contains("max.message.bytes"), "{error}");
    assert!(error.contains("; acknowledged: 2"), "{error}");
    assert_eq!(site.consume(&["events"]), b"a\nb\n");
    let error = site.feed(&["produce", "events", "--key-separator", ":"], b"k:v\nkv\n").failed(1);
    assert!(error.contains("record 2: the separator"), "{error}");
    assert_eq!(site.consume(&["events", "--format", "%k%v;"]), b"a;b;kv;");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let site = Site::with_topic("events", 1);
    let error = site.run(&["produce", "events", "--file", "/nowhere/at/all"]).failed(1);
    assert!(error.contains("cannot open /nowhere/at/all: No such file"), "{error}");
    let error = site.run(&["produce", "events", "--file", "/"]).failed(1);
    assert!(error.contains("cannot read /: Is a directory"), "{error}");
}

#[test]
fn a_configuration_file_is_checked_line_by_line() {
    let folder = crate::support::server::folder();
    let file = folder.path().join("duramen.toml");
    for (text, expected) in [
        ("cores = 1\nio = \"magic\"\n", "duramen.toml: line 2: io=magic: "),
        (
            "\n[journal]\nbites = 1\n",
            "duramen.toml: line 3: unknown configuration \"journal.bites\"",
        ),
        ("cores = \n", "duramen.toml: line 1: this is no TOML: "),
    ] {
        std::fs::write(&file, text).unwrap();
        let mut command = serve(&folder.path().join("data"));
        let error = feed(command.arg("--config").arg(&file), b"").failed(2);
        assert!(error.contains(expected), "{error}");
    }
}
