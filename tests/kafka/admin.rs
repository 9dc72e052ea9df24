//! Administration, request by request: what can be checked without being done, what is refused.

use duramen_protocol::TopicId;
use duramen_protocol::batch::Codec;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::create_topics::CreatableTopic;
use duramen_protocol::kafka::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use duramen_protocol::kafka::messages::describe_configs::DescribeConfigsResource;
use duramen_protocol::kafka::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig,
};
use duramen_protocol::kafka::messages::metadata::MetadataRequestTopic;
use duramen_protocol::kafka::messages::offset_for_leader_epoch::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use duramen_protocol::kafka::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
    DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse, MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
};

use crate::support::kafka_wire::KafkaWire;
use crate::{batch, connect, kafka_server};

fn topic_names(wire: &mut KafkaWire) -> Vec<String> {
    let request = MetadataRequest { topics: None, ..Default::default() };
    wire.call(9, &request, |answer: MetadataResponse<'_>| {
        answer.topics.iter().map(|topic| topic.name.unwrap().to_owned()).collect()
    })
}

#[test]
fn topics_are_checked_before_they_are_made() {
    let (mut wire, _server) = connect();
    let asked = |name, num_partitions, replication_factor| CreatableTopic {
        name,
        num_partitions,
        replication_factor,
        ..Default::default()
    };
    let mut codes = |validate_only| {
        let topics = vec![
            asked("good", -1, -1),
            asked("..", 1, 1),
            asked("none", 0, 1),
            asked("copies", 1, 2),
            asked("twice", 1, 1),
            asked("twice", 2, 1),
        ];
        let request = CreateTopicsRequest { topics, validate_only, ..Default::default() };
        wire.call(7, &request, |answer: CreateTopicsResponse<'_>| {
            let good = &answer.topics[0];
            if good.error_code.is_ok() {
                assert_eq!((good.num_partitions, good.replication_factor), (1, 1));
                assert_eq!(good.configs.as_ref().unwrap().len(), 37);
                assert_eq!(good.topic_id.is_zero(), validate_only);
            }
            assert!(answer.topics[1..].iter().all(|topic| topic.error_message.is_some()));
            answer.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>()
        })
    };
    let wanted = [
        ErrorCode::NONE,
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        ErrorCode::INVALID_PARTITIONS,
        ErrorCode::INVALID_REPLICATION_FACTOR,
        ErrorCode::INVALID_REQUEST,
        ErrorCode::INVALID_REQUEST,
    ];
    assert_eq!(codes(true), wanted);
    assert_eq!(codes(false), wanted, "what was only checked is not there");
    assert_eq!(codes(true)[0], ErrorCode::TOPIC_ALREADY_EXISTS);
    assert_eq!(topic_names(&mut wire), ["good"]);
}

#[test]
fn topics_are_made_when_asked_about_unless_that_is_turned_off() {
    let asked = |name, allow_auto_topic_creation| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { name: Some(name), ..Default::default() }]),
        allow_auto_topic_creation,
        ..Default::default()
    };
    let code = |wire: &mut KafkaWire, request: &MetadataRequest<'_>| {
        wire.call(9, request, |answer: MetadataResponse<'_>| answer.topics[0].error_code)
    };
    let (mut wire, (dir, server)) = connect();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(code(&mut wire, &asked("a", false)), unknown);
    assert_eq!(code(&mut wire, &asked("a b", true)), ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!(code(&mut wire, &asked("a", true)), ErrorCode::NONE);
    assert_eq!(topic_names(&mut wire), ["a"]);
    drop((wire, server));
    let file = dir.path().with_extension("toml");
    std::fs::write(&file, "auto.create.topics.enable = false\n").unwrap();
    let (_dir, server) = kafka_server(&["--config", file.to_str().unwrap()]);
    std::fs::remove_file(file).unwrap();
    let mut wire = KafkaWire::connect(server.kafka[0]);
    assert_eq!(code(&mut wire, &asked("a", true)), unknown);
    assert_eq!(wire.produce("a", 0, &batch(Codec::None, &["x"])), (unknown, -1));
}

#[test]
fn a_topic_is_asked_for_by_its_id_whatever_name_stands_beside_it() {
    let (mut wire, _server) = connect();
    wire.create("events", 1, &[]);
    let mut ask = |name, topic_id| {
        let topics = Some(vec![MetadataRequestTopic { topic_id, name }]);
        let request = MetadataRequest { topics, ..Default::default() };
        wire.call(13, &request, |answer: MetadataResponse<'_>| {
            let topic = &answer.topics[0];
            (topic.error_code, topic.name.map(str::to_owned), topic.topic_id)
        })
    };
    let (_, name, id) = ask(Some("events"), TopicId::default());
    for beside in [None, Some(""), Some("others")] {
        assert_eq!(ask(beside, id), (ErrorCode::NONE, name.clone(), id));
        let nobody = TopicId([9; 16]);
        assert_eq!(ask(beside, nobody), (ErrorCode::UNKNOWN_TOPIC_ID, None, nobody));
    }
}

fn alter(wire: &mut KafkaWire, name: &str, operation: i8, value: &str) -> ErrorCode {
    let config = AlterableConfig { name, config_operation: operation, value: Some(value) };
    let resource =
        AlterConfigsResource { resource_type: 2, resource_name: "events", configs: vec![config] };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    wire.call(1, &request, |answer: IncrementalAlterConfigsResponse<'_>| {
        answer.responses[0].error_code
    })
}

/// A topic's configuration: value, source, and whether it is read-only.
fn described(wire: &mut KafkaWire, name: &str) -> (String, i8, bool) {
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "events",
        configuration_keys: Some(vec![name]),
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
    wire.call(4, &request, |answer: DescribeConfigsResponse<'_>| {
        let config = &answer.results[0].configs[0];
        assert_eq!(answer.results[0].configs.len(), 1);
        (config.value.unwrap().to_owned(), config.config_source, config.read_only)
    })
}

#[test]
fn configurations_say_what_holds_and_change_one_by_one() {
    let (mut wire, (_dir, server)) = connect();
    wire.create("events", 1, &[("min.insync.replicas", "1")]);
    assert_eq!(described(&mut wire, "cleanup.policy"), ("delete".to_owned(), 5, false));
    assert_eq!(described(&mut wire, "min.insync.replicas"), ("1".to_owned(), 5, true));
    assert_eq!(alter(&mut wire, "cleanup.policy", 2, "compact"), ErrorCode::NONE);
    server.says("cleanup.policy=compact keeps every record", 1);
    assert_eq!(described(&mut wire, "cleanup.policy"), ("delete,compact".to_owned(), 1, false));
    assert_eq!(alter(&mut wire, "cleanup.policy", 3, "delete"), ErrorCode::NONE);
    assert_eq!(described(&mut wire, "cleanup.policy").0, "compact");
    assert_eq!(alter(&mut wire, "cleanup.policy", 1, ""), ErrorCode::NONE);
    assert_eq!(described(&mut wire, "cleanup.policy").1, 5);
    for (name, operation, value) in [
        ("compression.type", 0, "zstd"),
        ("segment.bytes", 0, "1000"),
        ("retention.ms", 2, "5"),
        ("min.insync.replicas", 0, "2"),
        ("no.such", 0, "1"),
    ] {
        assert_eq!(alter(&mut wire, name, operation, value), ErrorCode::INVALID_CONFIG, "{name}");
    }
}

#[test]
fn records_are_deleted_and_epochs_end_where_they_should() {
    let (mut wire, _server) = connect();
    for _ in 0..3 {
        wire.produce("events", 0, &batch(Codec::None, &["a", "b"]));
    }
    let mut delete = |offset| {
        let partitions = vec![DeleteRecordsPartition { partition_index: 0, offset }];
        let topics = vec![DeleteRecordsTopic { name: "events", partitions }];
        let request = DeleteRecordsRequest { topics, ..Default::default() };
        wire.call(2, &request, |answer: DeleteRecordsResponse<'_>| {
            let partition = &answer.topics[0].partitions[0];
            (partition.error_code, partition.low_watermark)
        })
    };
    assert_eq!(delete(3), (ErrorCode::NONE, 3));
    assert_eq!(delete(7), (ErrorCode::OFFSET_OUT_OF_RANGE, -1));
    assert_eq!(delete(-1), (ErrorCode::NONE, 6));
    let mut epoch_end = |leader_epoch| {
        let asked = OffsetForLeaderPartition { leader_epoch, ..Default::default() };
        let topics = vec![OffsetForLeaderTopic { topic: "events", partitions: vec![asked] }];
        let request = OffsetForLeaderEpochRequest { topics, ..Default::default() };
        wire.call(4, &request, |answer: OffsetForLeaderEpochResponse<'_>| {
            let end = &answer.topics[0].partitions[0];
            (end.error_code, end.leader_epoch, end.end_offset)
        })
    };
    assert_eq!(epoch_end(1), (ErrorCode::NONE, 1, 6));
    assert_eq!(epoch_end(99), (ErrorCode::NONE, 1, 6));
    assert_eq!(epoch_end(0), (ErrorCode::NONE, -1, -1));
}

#[test]
fn brokers_tell_of_themselves_once() {
    let (mut wire, (dir, server)) = connect();
    wire.create("events", 4, &[]);
    let mut found = Vec::new();
    for address in &server.kafka {
        let mut wire = KafkaWire::connect(*address);
        wire.call(4, &DescribeLogDirsRequest::default(), |answer: DescribeLogDirsResponse<'_>| {
            let partitions = answer.results[0].topics.iter().flat_map(|topic| &topic.partitions);
            found.extend(partitions.map(|partition| partition.partition_index));
            let (total, usable) = (answer.results[0].total_bytes, answer.results[0].usable_bytes);
            let volume = rustix::fs::statvfs(dir.path()).unwrap();
            assert_eq!(total as u64, volume.f_blocks * volume.f_frsize);
            assert!((1..total).contains(&usable), "{usable} of {total}");
        });
    }
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 3], "each partition is some broker's");
    wire.call(1, &DescribeClusterRequest::default(), |answer: DescribeClusterResponse<'_>| {
        assert_eq!((answer.brokers.len(), answer.controller_id), (2, 0));
    });
    let everything = ListConfigResourcesRequest::default();
    wire.call(1, &everything, |answer: ListConfigResourcesResponse<'_>| {
        let names: Vec<&str> = answer.config_resources.iter().map(|r| r.resource_name).collect();
        assert_eq!(names, ["events", "0", "1"]);
    });
    let page = DescribeTopicPartitionsRequest { response_partition_limit: 3, ..Default::default() };
    wire.call(0, &page, |answer: DescribeTopicPartitionsResponse<'_>| {
        let partitions = &answer.topics[0].partitions;
        assert_eq!(partitions.len(), 3);
        // Null is allowed, and the Java client fails on it.
        assert!(partitions.iter().all(|p| p.eligible_leader_replicas == Some(Vec::new())));
        assert!(partitions.iter().all(|p| p.last_known_elr == Some(Vec::new())));
        assert_eq!(answer.next_cursor.unwrap().partition_index, 3);
    });
}
