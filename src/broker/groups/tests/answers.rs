//! What a broker of Kafka answers, seen there, is what this one answers.

use super::*;

#[test]
fn a_client_that_takes_an_id_has_to_come_back_with_it() {
    let mut bench = Bench::new();
    let first = bench.join(Join { takes_member_id: true, ..new("client-1") });
    let given = NotJoined { code: ErrorCode::MEMBER_ID_REQUIRED, member_id: "client-1".into() };
    assert_eq!(bench.joined[&first], Err(given));
    let second = bench.join(known("client-1"));
    let joined = bench.answer(second);
    assert_eq!((joined.generation, joined.leader.as_str()), (1, "client-1"));
    // An older one is taken at once.
    let mut bench = Bench::new();
    let call = bench.join(new("client-2"));
    assert_eq!(bench.answer(call).member_id, "client-2");
}

#[test]
fn what_can_be_wrong_with_a_join() {
    let mut bench = Bench::new();
    let refusals = [
        (known("nobody"), ErrorCode::UNKNOWN_MEMBER_ID),
        (Join { group: String::new(), ..new("a") }, ErrorCode::INVALID_GROUP_ID),
        (Join { session_timeout_ms: 1, ..new("a") }, ErrorCode::INVALID_SESSION_TIMEOUT),
        (Join { session_timeout_ms: -1, ..new("a") }, ErrorCode::INVALID_SESSION_TIMEOUT),
        (Join { session_timeout_ms: 1_800_001, ..new("a") }, ErrorCode::INVALID_SESSION_TIMEOUT),
        (Join { protocols: Vec::new(), ..new("a") }, ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
        (Join { protocol_type: String::new(), ..new("a") }, ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
    ];
    for (join, code) in refusals {
        let call = bench.join(join.clone());
        assert_eq!(bench.refusal(call), code, "{join:?}");
    }
    assert_eq!(bench.coordinator.list().count(), 0, "none of them leaves a trace");
    bench.stable([new("a")]);
    let refusals = [
        (known("b"), ErrorCode::UNKNOWN_MEMBER_ID),
        (
            Join { protocol_type: "connect".into(), ..new("b") },
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            Join { protocols: protocols(&["other"]), ..new("b") },
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
    ];
    for (join, code) in refusals {
        let call = bench.join(join.clone());
        assert_eq!(bench.refusal(call), code, "{join:?}");
    }
}

#[test]
fn who_is_not_a_member_is_told() {
    let mut bench = Bench::new();
    let nobody = Joined { member_id: "nobody".into(), ..none() };
    let leaver = Leaver { member_id: "nobody".into(), instance_id: None };
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    for _ in ["no group", "a group"] {
        assert_eq!(bench.heartbeat(&nobody), unknown);
        assert_eq!(bench.leave(std::slice::from_ref(&leaver)), [unknown]);
        let call = bench.sync(assign(&nobody));
        assert_eq!(bench.synced[&call], Err(ErrorCode::UNKNOWN_MEMBER_ID));
        bench.stable([new("a")]);
    }
}

fn none() -> Joined {
    Joined {
        member_id: String::new(),
        generation: 1,
        protocol_type: "consumer".into(),
        protocol: "range".into(),
        leader: String::new(),
        skip_assignment: false,
        members: Vec::new(),
    }
}

#[test]
fn an_old_generation_and_another_protocol_are_refused() {
    let mut bench = Bench::new();
    let [a] = bench.stable([new("a")]);
    let old = Joined { generation: 0, ..a.clone() };
    assert_eq!(bench.heartbeat(&old), Err(ErrorCode::ILLEGAL_GENERATION));
    let call = bench.sync(assign(&old));
    assert_eq!(bench.synced[&call], Err(ErrorCode::ILLEGAL_GENERATION));
    for (protocol_type, protocol) in [("connect", "range"), ("consumer", "sticky")] {
        let other =
            Joined { protocol_type: protocol_type.into(), protocol: protocol.into(), ..a.clone() };
        let call = bench.sync(assign(&other));
        assert_eq!(bench.synced[&call], Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
    }
    let silent = Sync { protocol_type: None, protocol: None, ..assign(&a) };
    let call = bench.sync(silent);
    assert_eq!(bench.synced[&call].as_ref().unwrap().assignment, assigned("a", a.generation));
}

#[test]
fn commits_are_for_members_while_there_are_any() {
    let mut bench = Bench::new();
    let outside = Membership { group: GROUP.into(), generation: -1, ..Membership::default() };
    let now = bench.now;
    assert_eq!(bench.coordinator.check_commit(&outside, now), None, "nothing to say");
    let [a] = bench.stable([new("a")]);
    let mut check = |member: &Membership| bench.coordinator.check_commit(member, now).unwrap();
    let member = membership(&a);
    assert_eq!(check(&member), Ok(()));
    assert_eq!(check(&outside), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    let old = Membership { generation: 0, ..member.clone() };
    assert_eq!(check(&old), Err(ErrorCode::ILLEGAL_GENERATION));
    let stranger = Membership { member_id: "b".into(), ..member.clone() };
    assert_eq!(check(&stranger), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    // A rebalance lets what is read be committed, until the new generation is told.
    let b = bench.join(new("b"));
    assert_eq!(bench.coordinator.check_commit(&member, now), Some(Ok(())));
    let again = bench.join(known("a"));
    let (a, b) = (bench.answer(again), bench.answer(b));
    assert_eq!(
        bench.coordinator.check_commit(&member, now),
        Some(Err(ErrorCode::ILLEGAL_GENERATION))
    );
    for member in [a, b] {
        let checked = bench.coordinator.check_commit(&membership(&member), now);
        assert_eq!(checked, Some(Err(ErrorCode::REBALANCE_IN_PROGRESS)));
    }
    let leavers = ["a", "b"].map(|id| Leaver { member_id: id.into(), instance_id: None });
    assert_eq!(bench.leave(&leavers), [Ok(()), Ok(())]);
    assert_eq!(bench.coordinator.check_commit(&outside, now), Some(Ok(())), "empty again");
    assert_eq!(
        bench.coordinator.check_commit(&member, now),
        Some(Err(ErrorCode::UNKNOWN_MEMBER_ID))
    );
}

#[test]
fn offsets_age_once_nobody_reads_on_from_them() {
    let mut bench = Bench::new();
    assert_eq!(bench.coordinator.offset_age(GROUP, "t"), OffsetAge::SinceCommit);
    let [a] = bench.stable([new("a")]);
    assert_eq!(bench.coordinator.offset_age(GROUP, "t"), OffsetAge::Kept);
    assert_eq!(bench.coordinator.offset_age(GROUP, "other"), OffsetAge::SinceCommit);
    assert_eq!(bench.coordinator.check_delete(GROUP, "t"), Ok(Deletable::Subscribed));
    assert_eq!(bench.coordinator.check_delete(GROUP, "other"), Ok(Deletable::Yes));
    bench.pass_ms(5_000);
    let left_ms = bench.now.wall_ms;
    bench.leave(&[Leaver { member_id: a.member_id, instance_id: None }]);
    assert_eq!(bench.coordinator.offset_age(GROUP, "t"), OffsetAge::SinceEmpty(left_ms));
    assert_eq!(bench.coordinator.check_delete(GROUP, "t"), Ok(Deletable::Yes));
    // Members that are no consumers: nobody knows what they read.
    let mut bench = Bench::new();
    let connect = |id| Join { protocol_type: "connect".into(), ..new(id) };
    bench.stable([connect("w")]);
    assert_eq!(bench.coordinator.offset_age(GROUP, "t"), OffsetAge::Kept);
    assert_eq!(bench.coordinator.check_delete(GROUP, "t"), Err(ErrorCode::NON_EMPTY_GROUP));
}

#[test]
fn descriptions_show_the_members_bytes_while_stable() {
    let mut bench = Bench::new();
    assert_eq!(bench.coordinator.describe(GROUP), None);
    let [a] = bench.stable([new("a")]);
    let described = bench.coordinator.describe(GROUP).unwrap();
    assert_eq!(
        (described.state.name(), described.protocol.as_str(), described.protocol_type.as_str()),
        ("Stable", "range", "consumer")
    );
    let member = &described.members[0];
    assert_eq!(member.assignment, assigned("a", a.generation));
    assert_eq!((&*member.client_host, &member.metadata), ("/127.0.0.1", &subscription(&["t"])));
    bench.join(new("b"));
    let described = bench.coordinator.describe(GROUP).unwrap();
    assert_eq!((described.state.name(), described.protocol.as_str()), ("PreparingRebalance", ""));
    assert!(described.members.iter().all(|m| m.metadata.is_empty() && m.assignment.is_empty()));
    let rows: Vec<_> = bench.coordinator.list().collect();
    assert_eq!(rows, [(GROUP, GroupState::PreparingRebalance, "consumer")]);
}
