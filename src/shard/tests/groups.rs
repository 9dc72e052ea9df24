//! Groups on a shard: what is held back, what is durable, what a new start finds.

use bytes::Bytes;
use duramen_protocol::codes::ErrorCode;

use super::*;
use crate::broker::catalog::CONSUMER_OFFSETS_PARTITIONS;
use crate::broker::groups::{GroupState, Join, Joined, Leaver, Membership, Sync};
use crate::broker::offsets::CommitOffset;
use crate::broker::placement::partition_for_group;
use crate::shard::groups::{GroupAnswer, GroupAsk};

const OFFSETS: TopicId = TopicId([8; 16]);
const GROUP: &str = "g";

/// A shard that coordinates groups, with none.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let created = bench.catalog.create_consumer_offsets(OFFSETS, &TopicLimits::default());
    let Ok(Created::New(catalog)) = created else { panic!("{created:?}") };
    bench.catalog = catalog.clone();
    bench.shard.offsets.settings.initial_rebalance_delay_ms = 0;
    bench.shard.apply(Arc::new(catalog));
    bench.ticks(50);
    bench
}

fn key() -> PartitionKey {
    let partition = partition_for_group(GROUP, CONSUMER_OFFSETS_PARTITIONS);
    PartitionKey { topic_id: OFFSETS, partition }
}

/// The shard begins anew with what the store has.
fn reload(bench: Bench) -> Bench {
    let Bench { shard: Shard { store, .. }, catalog, now, released, calls } = bench;
    let shard = Shard::new(store, 0, 1, Arc::new(catalog.clone()), GroupSettings::default());
    let mut bench = Bench { shard, catalog, now, released, calls };
    bench.ticks(50);
    bench
}

impl Bench {
    fn group(&mut self, ask: GroupAsk) -> u32 {
        self.ask(Ask::Group { key: key(), ask: Box::new(ask) })
    }

    fn group_answer(&mut self, ask: GroupAsk) -> GroupAnswer {
        let call = self.group(ask);
        match self.wait(call) {
            Ok(Answer::Group(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(&mut self, call: u32) -> ErrorCode {
        match self.wait(call) {
            Err(AskError::Refused(refusal)) => refusal.code,
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, id: &str) -> Joined {
        match self.group_answer(GroupAsk::Join(join(id))) {
            GroupAnswer::Joined(Ok(joined)) => joined,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, member: Membership, offset: i64) -> u32 {
        let offsets = vec![CommitOffset {
            topic: "events".into(),
            partition: 1,
            offset,
            leader_epoch: 3,
            metadata: "mine".into(),
            retention_ms: None,
        }];
        self.ask(Ask::CommitOffsets { key: key(), member, offsets })
    }

    fn committed(&mut self) -> Option<i64> {
        let fetch = Ask::FetchOffsets { key: key(), group: GROUP.into(), partitions: None };
        let call = self.ask(fetch);
        match self.wait(call) {
            Ok(Answer::Positions(positions)) => positions.first().map(|position| position.offset),
            other => panic!("{other:?}"),
        }
    }

    fn state(&mut self) -> Option<GroupState> {
        match self.group_answer(GroupAsk::Describe { group: GROUP.into() }) {
            GroupAnswer::Described(described) => described.map(|group| group.state),
            other => panic!("{other:?}"),
        }
    }

    /// A member that joins an empty group, and syncs.
    fn member(&mut self, id: &str) -> Membership {
        let joined = self.join(id);
        match self.group_answer(GroupAsk::Sync(sync(&joined))) {
            GroupAnswer::Synced(Ok(synced)) => assert_eq!(synced.assignment, id.as_bytes()),
            other => panic!("{other:?}"),
        }
        membership(&joined)
    }
}

fn join(id: &str) -> Join {
    Join {
        group: GROUP.into(),
        member_id: String::new(),
        new_member_id: id.into(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"\0\0\0\0\0\x01\0\x06events"))],
        takes_member_id: false,
        may_skip_assignment: true,
    }
}

fn membership(joined: &Joined) -> Membership {
    Membership {
        group: GROUP.into(),
        generation: joined.generation,
        member_id: joined.member_id.clone(),
        instance_id: None,
    }
}

fn sync(joined: &Joined) -> Sync {
    let to = |id: &String| (id.clone(), Bytes::copy_from_slice(id.as_bytes()));
    let assignments = joined.members.iter().map(|member| to(&member.member_id)).collect();
    Sync { member: membership(joined), protocol_type: None, protocol: None, assignments }
}

fn outside() -> Membership {
    Membership { group: GROUP.into(), generation: -1, ..Membership::default() }
}

#[test]
fn an_assignment_is_told_when_it_is_durable_and_not_before() {
    let mut bench = bench();
    let joined = bench.join("a");
    let hold = bench.disk().hold(Filter::kind(Kind::Write).path("journal"));
    let call = bench.group(GroupAsk::Sync(sync(&joined)));
    bench.ticks(100);
    assert!(bench.outcome(call).is_none());
    assert_eq!(bench.state(), Some(GroupState::CompletingRebalance));
    bench.disk().release(hold);
    let told = bench.wait(call);
    assert!(matches!(told, Ok(Answer::Group(GroupAnswer::Synced(Ok(_))))), "{told:?}");
    assert_eq!(bench.state(), Some(GroupState::Stable));
}

#[test]
fn commits_are_checked_against_the_group_and_kept_with_it() {
    let mut bench = bench();
    let call = bench.commit(Membership { generation: 3, member_id: "a".into(), ..outside() }, 1);
    assert_eq!(bench.refusal(call), ErrorCode::GROUP_ID_NOT_FOUND);
    let call = bench.commit(outside(), 5);
    assert!(matches!(bench.wait(call), Ok(Answer::Committed)));
    assert_eq!((bench.state(), bench.committed()), (Some(GroupState::Empty), Some(5)));
    let member = bench.member("a");
    let call = bench.commit(outside(), 6);
    assert_eq!(bench.refusal(call), ErrorCode::UNKNOWN_MEMBER_ID);
    let old = Membership { generation: member.generation - 1, ..member.clone() };
    let call = bench.commit(old, 6);
    assert_eq!(bench.refusal(call), ErrorCode::ILLEGAL_GENERATION);
    let call = bench.commit(member, 7);
    assert!(matches!(bench.wait(call), Ok(Answer::Committed)));
    assert_eq!(bench.committed(), Some(7));
}

#[test]
fn a_new_start_finds_members_generation_and_offsets() {
    let mut bench = bench();
    let member = bench.member("a");
    let call = bench.commit(member.clone(), 7);
    assert!(matches!(bench.wait(call), Ok(Answer::Committed)));
    let mut bench = reload(bench);
    assert_eq!((bench.state(), bench.committed()), (Some(GroupState::Stable), Some(7)));
    let alive = bench.group_answer(GroupAsk::Heartbeat(member.clone()));
    assert!(matches!(alive, GroupAnswer::Alive(Ok(()))), "{alive:?}");
    let call = bench.commit(member.clone(), 8);
    assert!(matches!(bench.wait(call), Ok(Answer::Committed)));
    // Of a member that is silent from then on, the deadline tells.
    bench.now.monotonic_us += 11_000_000;
    bench.ticks(50);
    let alive = bench.group_answer(GroupAsk::Heartbeat(member));
    assert!(matches!(alive, GroupAnswer::Alive(Err(ErrorCode::UNKNOWN_MEMBER_ID))), "{alive:?}");
    let mut bench = reload(bench);
    assert_eq!((bench.state(), bench.committed()), (Some(GroupState::Empty), Some(8)));
}

#[test]
fn groups_are_listed_and_deleted_once_nobody_is_in_them() {
    let mut bench = bench();
    let delete = || GroupAsk::Delete { group: GROUP.into() };
    let call = bench.group(delete());
    assert_eq!(bench.refusal(call), ErrorCode::GROUP_ID_NOT_FOUND);
    let member = bench.member("a");
    let call = bench.commit(member.clone(), 7);
    assert!(matches!(bench.wait(call), Ok(Answer::Committed)));
    let listed = bench.group_answer(GroupAsk::List);
    let GroupAnswer::Listed(rows) = listed else { panic!("{listed:?}") };
    assert_eq!((rows.len(), &*rows[0].group, &*rows[0].protocol_type), (1, GROUP, "consumer"));
    let call = bench.group(delete());
    assert_eq!(bench.refusal(call), ErrorCode::NON_EMPTY_GROUP);
    let partitions = [("events", 1), ("nothing", 0)].map(|(topic, p)| (topic.to_owned(), p));
    let remove =
        || GroupAsk::DeleteOffsets { group: GROUP.into(), partitions: partitions.to_vec() };
    let removed = bench.group_answer(remove());
    let GroupAnswer::OffsetsDeleted(results) = removed else { panic!("{removed:?}") };
    let unknown = Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(results, [Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC), unknown]);
    let leavers = vec![Leaver { member_id: member.member_id, instance_id: None }];
    let left = bench.group_answer(GroupAsk::Leave { group: GROUP.into(), leavers });
    assert!(matches!(&left, GroupAnswer::Left(left) if left == &[Ok(())]), "{left:?}");
    let removed = bench.group_answer(remove());
    let GroupAnswer::OffsetsDeleted(results) = removed else { panic!("{removed:?}") };
    assert_eq!((results, bench.committed()), (vec![Ok(()), unknown], None));
    assert_eq!(bench.state(), Some(GroupState::Empty));
    let deleted = bench.group_answer(delete());
    assert!(matches!(deleted, GroupAnswer::Deleted), "{deleted:?}");
    assert_eq!(bench.state(), None);
    let mut bench = reload(bench);
    assert_eq!((bench.state(), bench.committed()), (None, None));
}

#[test]
fn a_group_is_forgotten_with_its_last_offset() {
    let mut bench = bench();
    let member = bench.member("a");
    let call = bench.commit(member.clone(), 7);
    assert!(matches!(bench.wait(call), Ok(Answer::Committed)));
    let week_ms = 8 * 24 * 60 * 60 * 1000;
    // As long as it lives, whatever the age.
    bench.now.wall_ms += week_ms;
    let alive = |bench: &mut Bench| {
        bench.now.monotonic_us += 9_000_000;
        let alive = bench.group_answer(GroupAsk::Heartbeat(member.clone()));
        assert!(matches!(alive, GroupAnswer::Alive(Ok(()))), "{alive:?}");
    };
    (0..70).for_each(|_| alive(&mut bench));
    assert_eq!(bench.committed(), Some(7));
    // It dies; its offsets age from then on.
    let sweep_us = (limits::OFFSET_SWEEP_MS + 1) * 1000;
    bench.now.monotonic_us += sweep_us;
    bench.ticks(50);
    assert_eq!((bench.state(), bench.committed()), (Some(GroupState::Empty), Some(7)));
    bench.now.wall_ms += week_ms;
    // Its offsets, then the group itself; a sweep that can't append, since the log begins a segment,
    // is made again by the next.
    for _ in 0..6 {
        bench.now.monotonic_us += sweep_us;
        bench.ticks(50);
    }
    assert_eq!(bench.committed(), None);
    assert_eq!(bench.state(), None);
    let bench = reload(bench);
    assert!(bench.shard.offsets.logs.values().all(|log| log.table.bytes() == 0));
}

#[test]
fn a_stop_answers_whoever_is_held_back() {
    let mut bench = bench();
    bench.shard.offsets.settings.initial_rebalance_delay_ms = 0;
    let a = bench.member("a");
    let held = bench.group(GroupAsk::Join(join("b")));
    bench.ticks(50);
    assert!(bench.outcome(held).is_none(), "a has to come first");
    bench.shard.begin_shutdown();
    let outcome = bench.wait(held);
    let Ok(Answer::Group(GroupAnswer::Joined(Err(refused)))) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refused.code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    let late = bench.group(GroupAsk::Join(join(&a.member_id)));
    assert!(matches!(bench.wait(late), Err(AskError::ShuttingDown)));
    (0..2_000)
        .find(|_| {
            bench.ticks(1);
            bench.shard.shut_down()
        })
        .expect("it stops");
}

#[test]
fn a_failed_disk_leaves_nobody_waiting() {
    let mut bench = bench();
    let joined = bench.join("a");
    bench.disk().fail_for_good(Filter::kind(Kind::Write).path("journal"), ErrorKind::Failed);
    for _ in ["with what fails", "later"] {
        let call = bench.group(GroupAsk::Sync(sync(&joined)));
        let outcome = bench.wait(call);
        let refused = matches!(outcome, Ok(Answer::Group(GroupAnswer::Synced(Err(_)))));
        assert!(refused, "{outcome:?}");
    }
    let call = bench.commit(membership(&joined), 1);
    assert!(bench.wait(call).is_err());
}
