//! Groups over the wire: members that share partitions, die, and outlive their server.

use std::collections::BTreeSet;

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::join_group::JoinGroupRequestProtocol;
use duramen_protocol::kafka::messages::leave_group::MemberIdentity;
use duramen_protocol::kafka::messages::offset_commit::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use duramen_protocol::kafka::messages::offset_delete::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use duramen_protocol::kafka::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use duramen_protocol::kafka::messages::sync_group::SyncGroupRequestAssignment;
use duramen_protocol::kafka::messages::*;

use rdkafka::Offset;

use crate::librdkafka::read;
use crate::support::kafka_wire::KafkaWire;
use crate::support::server::{Server, folder, serve};

const TOPIC: &str = "events";
const PARTITIONS: i32 = 12;
const GROUP: &str = "readers";

/// A member, on a connection of its own to whoever coordinates its group.
pub struct Member {
    wire: KafkaWire,
    id: String,
    generation: i32,
    leads: bool,
    members: Vec<String>,
    /// What it is assigned.
    partitions: BTreeSet<u8>,
}

/// A server whose groups do not wait for more members, and the folder with its data.
pub fn group_server() -> (tempfile::TempDir, Server) {
    let dir = folder();
    std::fs::write(dir.path().join("knobs.toml"), "group.initial.rebalance.delay.ms = 0").unwrap();
    let server = start(&dir);
    KafkaWire::connect(server.kafka[0]).create(TOPIC, PARTITIONS, &[]);
    (dir, server)
}

fn start(dir: &tempfile::TempDir) -> Server {
    let mut command = serve(&dir.path().join("data"));
    command.args(["--kafka", "127.0.0.1:0", "--config"]).arg(dir.path().join("knobs.toml"));
    Server::spawn(&mut command).unwrap()
}

/// A connection to the coordinator of a group.
fn coordinator(server: &Server, group: &str) -> KafkaWire {
    let find = FindCoordinatorRequest { coordinator_keys: vec![group], ..Default::default() };
    let mut wire = KafkaWire::connect(server.kafka[0]);
    let port = wire.call(6, &find, |answer: FindCoordinatorResponse<'_>| {
        assert!(answer.coordinators[0].error_code.is_ok(), "{answer:?}");
        answer.coordinators[0].port
    });
    let address = server.kafka.iter().find(|address| i32::from(address.port()) == port);
    KafkaWire::connect(*address.expect("one of the advertised brokers"))
}

impl Member {
    /// Somebody who is told an id, and not yet in the group.
    pub fn new(server: &Server) -> Member {
        let mut member = Member {
            wire: coordinator(server, GROUP),
            id: String::new(),
            generation: -1,
            leads: false,
            members: Vec::new(),
            partitions: BTreeSet::new(),
        };
        let number = member.send_join();
        assert_eq!(member.joined(number), ErrorCode::MEMBER_ID_REQUIRED);
        member
    }

    pub fn send_join(&mut self) -> i32 {
        let protocol =
            JoinGroupRequestProtocol { name: "range", metadata: b"\0\0\0\0\0\x01\0\x06events" };
        let id = self.id.clone();
        self.wire.send(
            9,
            &JoinGroupRequest {
                group_id: GROUP,
                session_timeout_ms: 6_000,
                rebalance_timeout_ms: 30_000,
                member_id: &id,
                protocol_type: "consumer",
                protocols: vec![protocol],
                ..Default::default()
            },
        )
    }

    pub fn joined(&mut self, number: i32) -> ErrorCode {
        let frame = self.wire.receive().expect("an answer");
        let answer: JoinGroupResponse<'_> = KafkaWire::answer(&frame, number, 9);
        self.id = answer.member_id.to_owned();
        self.generation = answer.generation_id;
        self.leads = answer.leader == answer.member_id;
        self.members = answer.members.iter().map(|member| member.member_id.to_owned()).collect();
        answer.error_code
    }

    /// A leader assigns the partitions in turn.
    fn send_sync(&mut self) -> i32 {
        let count = self.members.len().max(1);
        let share = |index: usize| (0..PARTITIONS as u8).skip(index).step_by(count).collect();
        let shares: Vec<Vec<u8>> = (0..self.members.len()).map(share).collect();
        let assignments = self
            .members
            .iter()
            .zip(&shares)
            .map(|(member_id, share)| SyncGroupRequestAssignment { member_id, assignment: share });
        let request = SyncGroupRequest {
            group_id: GROUP,
            generation_id: self.generation,
            member_id: &self.id,
            protocol_type: Some("consumer"),
            protocol_name: Some("range"),
            assignments: assignments.collect(),
            ..Default::default()
        };
        self.wire.send(5, &request)
    }

    fn synced(&mut self, number: i32) -> ErrorCode {
        let frame = self.wire.receive().expect("an answer");
        let answer: SyncGroupResponse<'_> = KafkaWire::answer(&frame, number, 5);
        self.partitions = answer.assignment.iter().copied().collect();
        answer.error_code
    }

    pub fn heartbeat(&mut self) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: GROUP,
            generation_id: self.generation,
            member_id: &self.id,
            ..Default::default()
        };
        self.wire.call(4, &request, |answer: HeartbeatResponse| answer.error_code)
    }

    fn commit(&mut self, partition: i32, offset: i64) -> ErrorCode {
        commit(&mut self.wire, &self.id, self.generation, partition, offset)
    }
}

fn commit(
    wire: &mut KafkaWire,
    id: &str,
    generation: i32,
    partition: i32,
    offset: i64,
) -> ErrorCode {
    let place = OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        committed_leader_epoch: 1,
        committed_metadata: Some("here"),
    };
    let topic =
        OffsetCommitRequestTopic { name: TOPIC, partitions: vec![place], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: GROUP,
        generation_id_or_member_epoch: generation,
        member_id: id,
        topics: vec![topic],
        ..Default::default()
    };
    wire.call(9, &request, |answer: OffsetCommitResponse<'_>| {
        answer.topics[0].partitions[0].error_code
    })
}

/// The offset, leader epoch and metadata of a partition.
fn committed(wire: &mut KafkaWire, partition: i32) -> (i64, i32, String) {
    let topic = OffsetFetchRequestTopics {
        name: TOPIC,
        partition_indexes: vec![partition],
        ..Default::default()
    };
    let group = OffsetFetchRequestGroup {
        group_id: GROUP,
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let request =
        OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() };
    wire.call(9, &request, |answer: OffsetFetchResponse<'_>| {
        assert!(answer.groups[0].error_code.is_ok(), "{answer:?}");
        let found = &answer.groups[0].topics[0].partitions[0];
        let metadata = found.metadata.unwrap_or_default().to_owned();
        (found.committed_offset, found.committed_leader_epoch, metadata)
    })
}

/// All join anew, and sync; each partition is with one of them.
fn rebalance(members: &mut [Member]) {
    // A follower that comes before there is a rebalance is told what it has already; so the leader
    // begins one, or somebody new, and the others hear of it.
    let first = members.iter().position(|member| member.leads).unwrap_or(members.len() - 1);
    let mut joins = vec![(first, members[first].send_join())];
    for (i, member) in members.iter_mut().enumerate().filter(|(i, _)| *i != first) {
        while member.generation >= 0 && member.heartbeat().is_ok() {
            std::thread::yield_now();
        }
        joins.push((i, member.send_join()));
    }
    for (i, join) in joins {
        assert_eq!(members[i].joined(join), ErrorCode::NONE);
    }
    let syncs: Vec<i32> = members.iter_mut().map(Member::send_sync).collect();
    for (member, sync) in members.iter_mut().zip(syncs) {
        assert_eq!(member.synced(sync), ErrorCode::NONE);
    }
    assert_eq!(members.iter().filter(|member| member.leads).count(), 1);
    let assigned: Vec<u8> = members.iter().flat_map(|member| member.partitions.clone()).collect();
    let all: BTreeSet<u8> = assigned.iter().copied().collect();
    assert_eq!((assigned.len(), all.len()), (PARTITIONS as usize, PARTITIONS as usize));
}

/// Three members of the group, each with its partitions.
pub fn three(server: &Server) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for _ in 0..3 {
        members.push(Member::new(server));
        // Whoever is there comes again.
        rebalance(&mut members);
    }
    members
}

#[test]
fn members_share_the_partitions_and_take_over_those_of_one_that_dies() {
    let (_dir, server) = group_server();
    let mut members = three(&server);
    assert!(members.iter().all(|member| member.partitions.len() == 4));
    let dead = members.remove(0);
    drop(dead);
    // The others live, until they hear that one does not any more.
    while members.iter_mut().all(|member| member.heartbeat().is_ok()) {
        std::thread::yield_now();
    }
    rebalance(&mut members);
    assert!(members.iter().all(|member| member.partitions.len() == 6));
}

#[test]
fn a_killed_server_finds_its_members_and_their_offsets_again() {
    let (dir, server) = group_server();
    let mut members = three(&server);
    for member in &mut members {
        for partition in member.partitions.clone() {
            assert!(member.commit(partition.into(), i64::from(partition) + 100).is_ok());
        }
    }
    server.kill();
    let server = start(&dir);
    for member in &mut members {
        member.wire = coordinator(&server, GROUP);
        assert!(member.heartbeat().is_ok());
        let again = member.partitions.clone();
        let sync = member.send_sync();
        assert_eq!(member.synced(sync), ErrorCode::NONE);
        assert_eq!(member.partitions, again);
        for partition in member.partitions.clone() {
            let expected = (i64::from(partition) + 100, 1, "here".to_owned());
            assert_eq!(committed(&mut member.wire, partition.into()), expected);
        }
    }
    rebalance(&mut members);
    assert!(server.stop().success());
}

#[test]
fn any_broker_takes_what_is_for_a_group_and_answers_as_kafka_does() {
    let (_dir, server) = group_server();
    let mut wires: Vec<KafkaWire> = server.kafka.iter().map(|at| KafkaWire::connect(*at)).collect();
    assert_eq!(commit(&mut wires[0], "m", 3, 0, 5), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(committed(&mut wires[1], 0), (-1, -1, String::new()));
    assert_eq!(commit(&mut wires[0], "", -1, 0, 5), ErrorCode::NONE);
    assert_eq!(commit(&mut wires[0], "", -1, 99, 5), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for wire in &mut wires {
        assert_eq!(committed(wire, 0), (5, 1, "here".into()));
    }
    let listed: Vec<(String, String, String)> = wires
        .iter_mut()
        .flat_map(|wire| {
            wire.call(5, &ListGroupsRequest::default(), |answer: ListGroupsResponse<'_>| {
                let row = |group: &list_groups::ListedGroup<'_>| {
                    let [group, state, of] =
                        [group.group_id, group.group_state, group.protocol_type];
                    (group.to_owned(), state.to_owned(), of.to_owned())
                };
                answer.groups.iter().map(row).collect::<Vec<_>>()
            })
        })
        .collect();
    assert_eq!(listed, [(GROUP.into(), "Empty".into(), String::new())], "by one broker alone");
    let mut members = vec![Member::new(&server)];
    rebalance(&mut members);
    assert_eq!(commit(&mut wires[1], "", -1, 0, 6), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(members[0].commit(0, 6), ErrorCode::NONE);
    let delete = DeleteGroupsRequest { groups_names: vec![GROUP, "nobody"] };
    let deleted = |wire: &mut KafkaWire| {
        wire.call(2, &delete, |answer: DeleteGroupsResponse<'_>| {
            answer.results.iter().map(|result| result.error_code).collect::<Vec<_>>()
        })
    };
    let not_found = ErrorCode::GROUP_ID_NOT_FOUND;
    assert_eq!(deleted(&mut wires[0]), [ErrorCode::NON_EMPTY_GROUP, not_found]);
    assert_eq!(offset_deleted(&mut wires[0]), ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    let described = describe(&mut wires[0], 5, GROUP);
    assert_eq!(described, (ErrorCode::NONE, "Stable".into(), 1));
    assert_eq!(describe(&mut wires[0], 5, "nobody"), (ErrorCode::NONE, "Dead".into(), 0));
    assert_eq!(describe(&mut wires[0], 6, "nobody"), (not_found, "Dead".into(), 0));
    let identity = |member_id| MemberIdentity { member_id, ..Default::default() };
    let leave = LeaveGroupRequest {
        group_id: GROUP,
        members: vec![identity(&members[0].id), identity("nobody")],
        ..Default::default()
    };
    let left = wires[0].call(5, &leave, |answer: LeaveGroupResponse<'_>| {
        assert!(answer.error_code.is_ok());
        answer.members.iter().map(|member| member.error_code).collect::<Vec<_>>()
    });
    assert_eq!(left, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(offset_deleted(&mut wires[1]), ErrorCode::NONE);
    assert_eq!(committed(&mut wires[1], 0), (-1, -1, String::new()));
    assert_eq!(deleted(&mut wires[1]), [ErrorCode::NONE, not_found]);
    assert_eq!(describe(&mut wires[0], 6, GROUP).0, not_found);
}

/// What brings more than one may is refused, and the log says why: clients say something else.
#[test]
fn a_member_that_brings_too_much_is_refused_and_the_log_says_why() {
    let (_dir, server) = group_server();
    let metadata = vec![0; 300 << 10];
    let protocols = vec![JoinGroupRequestProtocol { name: "range", metadata: &metadata }];
    let join = JoinGroupRequest {
        group_id: GROUP,
        session_timeout_ms: 6_000,
        protocol_type: "consumer",
        protocols,
        ..Default::default()
    };
    let code = coordinator(&server, GROUP)
        .call(9, &join, |answer: JoinGroupResponse<'_>| answer.error_code);
    assert_eq!(code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    server.says("it brings 307", 1);
}

/// Versions 2 to 4 of a commit say how long the offsets are to be kept.
#[test]
fn a_commit_that_says_for_how_long_is_kept_with_its_time() {
    let (_dir, server) = group_server();
    let place = OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() };
    let topic =
        OffsetCommitRequestTopic { name: TOPIC, partitions: vec![place], ..Default::default() };
    let request = OffsetCommitRequest {
        group_id: GROUP,
        generation_id_or_member_epoch: -1,
        retention_time_ms: 90_000,
        topics: vec![topic],
        ..Default::default()
    };
    let mut wire = KafkaWire::connect(server.kafka[0]);
    for version in [4, 5] {
        wire.call(version, &request, |answer: OffsetCommitResponse<'_>| {
            assert!(answer.topics[0].partitions[0].error_code.is_ok(), "{answer:?}");
        });
    }
    let written = read(server.kafka[0], "__consumer_offsets", 16, Offset::Beginning, 2);
    let values: Vec<&[u8]> =
        written.values().flatten().map(|record| record.value.as_deref().unwrap()).collect();
    let number =
        |value: &[u8], at: usize| i64::from_be_bytes(value[at..at + 8].try_into().unwrap());
    // Version, offset, no metadata, the commit's time, the expiry's; later versions have none.
    assert_eq!((values[0][..2].to_vec(), number(values[0], 2)), (vec![0, 1], 5));
    assert_eq!(number(values[0], 20) - number(values[0], 12), 90_000);
    assert_eq!(values[1][..2], [0, 4]);
}

#[test]
fn a_negative_offset_takes_the_committed_one_away() {
    let (_dir, server) = group_server();
    let mut wire = KafkaWire::connect(server.kafka[0]);
    for offset in [-1, 5, -2] {
        assert_eq!(commit(&mut wire, "", -1, 0, offset), ErrorCode::NONE);
        let kept = if offset < 0 { (-1, -1, String::new()) } else { (offset, 1, "here".into()) };
        assert_eq!(committed(&mut wire, 0), kept);
    }
}

fn offset_deleted(wire: &mut KafkaWire) -> ErrorCode {
    let partitions = vec![OffsetDeleteRequestPartition { partition_index: 0 }];
    let topics = vec![OffsetDeleteRequestTopic { name: TOPIC, partitions }];
    let request = OffsetDeleteRequest { group_id: GROUP, topics };
    wire.call(0, &request, |answer: OffsetDeleteResponse<'_>| {
        assert!(answer.error_code.is_ok(), "{answer:?}");
        answer.topics[0].partitions[0].error_code
    })
}

fn describe(wire: &mut KafkaWire, version: i16, group: &str) -> (ErrorCode, String, usize) {
    let request = DescribeGroupsRequest { groups: vec![group], ..Default::default() };
    wire.call(version, &request, |answer: DescribeGroupsResponse<'_>| {
        let group = &answer.groups[0];
        (group.error_code, group.group_state.to_owned(), group.members.len())
    })
}
