//! The positions of named consumers.

use duramen_protocol::native::ErrorCode;
use duramen_protocol::native::messages::{
    CommitOffsets, CommittedOffset, DeleteRecords, DeleteTopic, FetchOffsets, Open, TopicPartition,
};

use crate::support::server::{Server, folder};
use crate::support::wire::{Wire, batch};

fn at(topic: &str, partition: u32, offset: i64) -> CommittedOffset {
    let metadata = format!("note {offset}");
    CommittedOffset { topic: topic.into(), partition, offset, metadata }
}

fn commit(wire: &mut Wire, group: &str, offsets: &[CommittedOffset]) -> Result<(), ErrorCode> {
    let commit = CommitOffsets { group: group.into(), offsets: offsets.to_vec() };
    wire.call(0, &commit).map(|_| ()).map_err(|error| error.code)
}

fn fetch_all(wire: &mut Wire, group: &str) -> Vec<CommittedOffset> {
    wire.call(0, &FetchOffsets { group: group.into(), partitions: None }).unwrap().offsets
}

#[test]
fn positions_are_kept_for_each_consumer_across_a_kill() {
    let dir = folder();
    let server = Server::start(dir.path());
    let mut wire = Wire::connect(server.address);
    wire.create("a", 2);
    wire.create("b", 1);
    assert!(fetch_all(&mut wire, "nobody").is_empty());
    // Several names, so that both cores keep some.
    for n in 0..8 {
        let group = format!("group {n}");
        commit(&mut wire, &group, &[at("a", 0, 1), at("a", 1, n), at("b", 0, 5)]).unwrap();
        commit(&mut wire, &group, &[at("a", 0, 2)]).unwrap();
    }
    let bad = commit(&mut wire, "group 0", &[at("a", 0, 9), at("b", 1, 9)]);
    assert_eq!(bad, Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(commit(&mut wire, "", &[at("a", 0, 9)]), Err(ErrorCode::INVALID_GROUP_ID));
    let negative = commit(&mut wire, "group 0", &[at("a", 0, 9), at("a", 1, -1)]);
    assert_eq!(negative, Err(ErrorCode::INVALID_REQUEST));
    server.kill();

    let server = Server::start(dir.path());
    let mut wire = Wire::connect(server.address);
    for n in 0..8 {
        let expected = [at("a", 0, 2), at("a", 1, n), at("b", 0, 5)];
        assert_eq!(fetch_all(&mut wire, &format!("group {n}")), expected, "all of them or none");
    }
    let asked = [("b", 0), ("a", 1), ("c", 0)]
        .map(|(topic, partition)| TopicPartition { topic: topic.into(), partition });
    let fetch = FetchOffsets { group: "group 3".into(), partitions: Some(asked.into()) };
    assert_eq!(wire.call(0, &fetch).unwrap().offsets, [at("b", 0, 5), at("a", 1, 3)]);

    wire.call(0, &DeleteTopic { name: "a".into() }).unwrap();
    wire.create("a", 2);
    assert_eq!(fetch_all(&mut wire, "group 3"), [at("b", 0, 5)], "of the topic that was there");
}

#[test]
fn the_servers_own_topic_can_be_seen_and_not_changed() {
    let dir = folder();
    let server = Server::start(dir.path());
    let mut wire = Wire::connect(server.address);
    wire.create("a", 1);
    commit(&mut wire, "me", &[at("a", 0, 1)]).unwrap();
    let listed = wire.call(0, &duramen_protocol::native::messages::ListTopics {}).unwrap();
    let own = listed.topics.iter().find(|topic| topic.name == "__consumer_offsets").unwrap();
    assert!(own.internal && own.partitions == 16);
    let delete = DeleteTopic { name: "__consumer_offsets".into() };
    assert_eq!(wire.call(0, &delete).unwrap_err().code, ErrorCode::INVALID_REQUEST);
    for partition in 0..16 {
        let open = Open::plain("__consumer_offsets", partition);
        // Elsewhere, it is another core's.
        let Ok(opened) = wire.call(0, &open) else { continue };
        let refused = wire.append(opened.handle, &batch(&["noise"])).unwrap_err();
        assert_eq!(refused.code, ErrorCode::INVALID_REQUEST, "partition {partition}");
        let cut = DeleteRecords { before: -1 };
        let refused = wire.call(opened.handle, &cut).unwrap_err();
        assert_eq!(refused.code, ErrorCode::INVALID_REQUEST, "partition {partition}");
    }
}
