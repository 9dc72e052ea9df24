//! Hello, topics, appending and reading.

use duramen_protocol::native::ErrorCode;
use duramen_protocol::native::messages::{
    AlterTopic, ConfigChange, CreateTopic, DeleteTopic, DescribeTopic, ListTopics, Open,
    OpenAnswer, Ping, ReadHead, Stats,
};

use crate::support::server::{Server, folder};
use crate::support::wire::{Wire, batch, texts};

/// Opens the one of two partitions that this connection's core owns.
fn open_own(wire: &mut Wire, topic: &str) -> OpenAnswer {
    let opened = (0..2).find_map(|partition| wire.call(0, &Open::plain(topic, partition)).ok());
    opened.expect("of two partitions each core owns one")
}

#[test]
fn what_is_appended_is_read_back_also_after_a_stop() {
    let dir = folder();
    let server = Server::start(dir.path());
    let (mut wire, hello) = Wire::connect_to(server.address, 0);
    assert_eq!((hello.core, hello.cores, hello.version), (0, 2, 1));
    let ping = Ping { echo: b"anybody there?".to_vec() };
    assert_eq!(wire.call(0, &ping), Ok(ping));
    assert!(wire.create("events", 2).created);
    for core in 0..2 {
        let (mut wire, hello) = Wire::connect_to(server.address, core);
        assert_eq!(hello.core, core);
        let opened = open_own(&mut wire, "events");
        assert_eq!((opened.core, opened.log_start, opened.durable_end), (core, 0, 0));
        let handle = opened.handle;
        let first = wire.append(handle, &batch(&["one", "two"])).unwrap();
        let second = wire.append(handle, &batch(&["three"])).unwrap();
        assert_eq!((first.base_offset, second.base_offset), (0, 2));
        let (head, bytes) = wire.read(handle, 0).unwrap();
        assert_eq!(head, ReadHead { log_start: 0, durable_end: 3 });
        assert_eq!(texts(&bytes), [(0, "one"), (1, "two"), (2, "three")].map(owned));
    }
    assert!(server.stop().success());

    let server = Server::start(dir.path());
    let (mut wire, again) = Wire::connect_to(server.address, 1);
    assert_eq!(again.server_id, hello.server_id);
    assert_eq!(again.start_epoch, hello.start_epoch + 1);
    let opened = open_own(&mut wire, "events");
    assert_eq!(opened.durable_end, 3);
    let (_, bytes) = wire.read(opened.handle, 1).unwrap();
    assert_eq!(texts(&bytes).len(), 3, "from the batch on that holds the offset");
}

fn owned((offset, text): (i64, &str)) -> (i64, String) {
    (offset, text.to_owned())
}

#[test]
fn a_partition_of_another_core_is_named_with_its_owner() {
    let dir = folder();
    let server = Server::start(dir.path());
    let (mut wire, _) = Wire::connect_to(server.address, 0);
    wire.create("events", 2);
    let errors: Vec<_> =
        (0..2).filter_map(|p| wire.call(0, &Open::plain("events", p)).err()).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let owner = duramen_protocol::native::ErrorDetail::Owner { core: 1 };
    assert_eq!(errors[0].detail, owner);
    let error = wire.call(0, &Open::plain("events", 2)).unwrap_err();
    assert_eq!(error.code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(error.message.contains("from 0 on"), "{error}");
}

#[test]
fn topics_are_made_listed_altered_and_deleted() {
    let dir = folder();
    let server = Server::start(dir.path());
    let mut wire = Wire::connect(server.address);
    let made = wire.create("a", 3);
    let again = CreateTopic { name: "a".into(), ..CreateTopic::default() };
    assert_eq!(wire.call(0, &again).unwrap_err().code, ErrorCode::TOPIC_ALREADY_EXISTS);
    let fine = wire.call(0, &CreateTopic { if_not_exists: true, ..again }).unwrap();
    assert_eq!((fine.topic_id, fine.partitions, fine.created), (made.topic_id, 3, false));
    let bad = CreateTopic { name: "a b".into(), ..CreateTopic::default() };
    assert_eq!(wire.call(0, &bad).unwrap_err().code, ErrorCode::INVALID_TOPIC_EXCEPTION);

    let set = |value: &str| ConfigChange { name: "retention.ms".into(), value: Some(value.into()) };
    let alter =
        |value, partitions| AlterTopic { name: "a".into(), set: vec![set(value)], partitions };
    assert!(wire.call(0, &alter("9", 4)).is_ok());
    assert_eq!(wire.call(0, &alter("x", 5)).unwrap_err().code, ErrorCode::INVALID_CONFIG);
    assert_eq!(wire.call(0, &alter("8", 2)).unwrap_err().code, ErrorCode::INVALID_PARTITIONS);
    let described = wire.call(0, &DescribeTopic { name: "a".into() }).unwrap();
    assert_eq!(described.partitions.len(), 4, "all or nothing");
    let row = described.configs.iter().find(|row| row.name == "retention.ms").unwrap();
    assert_eq!((row.value.as_str(), row.is_default), ("9", false));

    let names = |wire: &mut Wire| {
        let listed = wire.call(0, &ListTopics {}).unwrap().topics;
        listed.into_iter().map(|topic| topic.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut wire), ["a"]);
    assert!(wire.call(0, &DeleteTopic { name: "a".into() }).is_ok());
    assert!(names(&mut wire).is_empty());
    let gone = wire.call(0, &DescribeTopic { name: "a".into() }).unwrap_err();
    assert_eq!(gone.code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let new = wire.create("a", 1);
    assert_ne!(new.topic_id, made.topic_id);
}

#[test]
fn a_handle_is_stale_once_its_topic_is_deleted() {
    let dir = folder();
    let server = Server::start(dir.path());
    let (mut wire, _) = Wire::connect_to(server.address, 0);
    wire.create("events", 2);
    let old = open_own(&mut wire, "events").handle;
    wire.append(old, &batch(&["gone"])).unwrap();
    wire.call(0, &DeleteTopic { name: "events".into() }).unwrap();
    wire.create("events", 2);
    for result in [wire.append(old, &batch(&["x"])).err(), wire.read(old, 0).err()] {
        assert_eq!(result.unwrap().code, ErrorCode::STALE_HANDLE);
    }
    let new = open_own(&mut wire, "events");
    assert_eq!(new.durable_end, 0);
    assert_eq!(wire.append(new.handle, &batch(&["new"])).unwrap().base_offset, 0);
}

#[test]
fn the_figures_tell_what_happened() {
    let dir = folder();
    let server = Server::start(dir.path());
    let (mut wire, _) = Wire::connect_to(server.address, 0);
    wire.create("events", 2);
    let handle = open_own(&mut wire, "events").handle;
    wire.append(handle, &batch(&["one", "two"])).unwrap();
    let stats = wire.call(0, &Stats {}).unwrap();
    assert!(!stats.no_sync && ["uring", "blocking"].contains(&stats.io_engine.as_str()));
    let value = |name: &str, core: u16| {
        let found = stats.metrics.iter().find(|m| m.name == name && m.core == core);
        found.unwrap_or_else(|| panic!("no {name}")).value
    };
    use duramen_protocol::native::messages::MetricValue::Count;
    assert_eq!(value("duramen_records_total", 0), Count(2));
    assert_eq!(value("duramen_records_total", 1), Count(0));
    assert_eq!(value("duramen_append_to_durable_us_count", 0), Count(1));
}
