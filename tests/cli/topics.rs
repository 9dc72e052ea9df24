//! `topic`, from making one to deleting it.

use crate::command::Site;

#[test]
fn the_life_of_a_topic() {
    let site = Site::new();
    let events =
        ["topic", "create", "events", "--partitions", "3", "--config", "retention.ms=5000"];
    assert_eq!(site.text(&events), "created topic events, 3 partitions\n");
    let again = [&events[..], &["--if-not-exists"]].concat();
    assert_eq!(site.text(&again), "topic events was there before, 3 partitions\n");
    assert!(site.run(&events).failed(1).contains("--if-not-exists"));

    let described = site.text(&["topic", "describe", "events"]);
    assert!(described.contains("* retention.ms"), "{described}");
    assert!(!described.contains("not durable"), "{described}");

    site.ok(&["topic", "alter", "events", "--unset", "retention.ms", "--partitions", "4"]);
    let json: serde_json::Value =
        serde_json::from_slice(&site.ok(&["topic", "describe", "events", "--json"])).unwrap();
    assert_eq!(json["partitions"].as_array().unwrap().len(), 4);
    let configs = json["configs"].as_array().unwrap();
    assert!(configs.iter().all(|config| config["is_default"] == true), "{json}");

    assert!(site.text(&["topic", "list"]).contains("events"));
    assert_eq!(site.text(&["topic", "delete", "events"]), "deleted topic events\n");
    assert!(!site.text(&["topic", "list", "--json"]).contains("events"));
}

#[test]
fn figures_follow_what_is_produced() {
    let site = Site::with_topic("events", 1);
    site.produce(&["events"], b"a\nb\nc");
    let json: serde_json::Value =
        serde_json::from_slice(&site.ok(&["topic", "describe", "events", "--json"])).unwrap();
    assert_eq!(json["partitions"][0]["durable_end"], 3);
    assert_eq!(json["partitions"][0]["log_start"], 0);
}

#[test]
fn refusals_name_what_is_wanted() {
    let site = Site::with_topic("events", 2);
    let refused = |words: &[&str]| site.run(&[&["topic"], words].concat()).failed(1);
    let error = refused(&["alter", "events", "--config", "segment.bytes=1"]);
    assert!(error.contains("segment.bytes=1: a whole number from"), "{error}");
    let error = refused(&["create", "x", "--config", "retention.sec=1"]);
    assert!(error.contains("retention.sec") && error.contains("duramen config"), "{error}");
    let error = refused(&["alter", "events", "--partitions", "1"]);
    assert!(error.contains('2') && error.contains('1'), "{error}");
    assert!(refused(&["create", "a/b"]).contains("'/'"));
    assert!(refused(&["delete", "nope"]).contains("\"nope\""));
    assert!(refused(&["describe", "nope"]).contains("\"nope\""));
}
