//! Servers and signals that come in between.

use rustix::process::Signal;

use crate::command::{Site, duramen};
use crate::support::server::Server;

#[test]
fn a_producer_rides_out_a_killed_server() {
    let site = Site::with_topic("events", 2);
    let half =
        |from: usize| -> String { (from..from + 20_000).map(|i| format!("{i}\r\n")).collect() };
    let mut producer = site.spawn(&["produce", "events", "--partition", "1"]);
    producer.write(half(0).as_bytes());
    // Once the first records are there, it is in the middle of it.
    site.ok(&["consume", "events", "--partition", "1", "--from", "beginning", "--max", "1"]);
    let (address, data) = (site.server.address.to_string(), site.data());
    let Site { server, folder } = site;
    server.kill();
    producer.write(half(20_000).as_bytes());
    let mut serve = duramen(["serve", "--kafka", "none", "--listen", &address, "--data"]);
    let site = Site { server: Server::spawn(serve.arg(data)).unwrap(), folder };
    assert_eq!(producer.end().0.code(), Some(0));
    let expected = half(0) + &half(20_000);
    assert!(site.consume(&["events"]) == expected.as_bytes(), "lost, doubled or out of order");
}

#[test]
fn a_consumer_goes_on_after_a_killed_server() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events"], b"before");
    let mut tail = site.spawn(&["consume", "events", "--from", "beginning"]);
    assert_eq!(tail.line(), "before");
    let (address, data) = (site.server.address.to_string(), site.data());
    let Site { server, folder } = site;
    server.kill();
    let mut serve = duramen(["serve", "--kafka", "none", "--listen", &address, "--data"]);
    let site = Site { server: Server::spawn(serve.arg(data)).unwrap(), folder };
    site.produce(&["events"], b"after");
    assert_eq!(tail.line(), "after");
    tail.signal(Signal::TERM);
    assert_eq!(tail.end().0.code(), Some(0));
}

#[test]
fn a_server_that_stays_away_fails_what_was_not_acknowledged() {
    let site = Site::with_topic("events", 1);
    let mut producer = site.spawn(&["produce", "events", "--retry-for", "100ms"]);
    producer.write(b"a\n");
    site.ok(&["consume", "events", "--from", "beginning", "--max", "1"]);
    site.server.kill();
    producer.write(b"b\n");
    assert_eq!(producer.end().0.code(), Some(1));
}

#[test]
fn a_signal_delivers_the_whole_lines_that_were_read() {
    let site = Site::with_topic("events", 1);
    // An hour: only the signal's flush sends a batch that isn't full.
    let produce = ["produce", "events", "--linger-ms", "3600000", "--batch-bytes", "1000"];
    let mut producer = site.spawn(&produce);
    let mut tail = site.spawn(&["consume", "events", "--from", "beginning"]);
    // Few enough bytes that they are read as one piece, and enough for some full batches.
    let lines: String = (0..500).map(|i| format!("{i}\n")).collect();
    producer.write((lines.clone() + "unfinished").as_bytes());
    assert_eq!(tail.line(), "0");
    producer.signal(Signal::INT);
    assert_eq!(producer.wait().0.code(), Some(0));
    assert!(site.consume(&["events"]) == lines.as_bytes());
    tail.signal(Signal::TERM);
    tail.end();
}
