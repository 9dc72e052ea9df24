//! Rebalances: who waits for whom, and for how long.

use super::*;

#[test]
fn an_empty_group_waits_for_more_as_long_as_some_come() {
    let delay_ms = 3_000;
    let settings =
        GroupSettings { initial_rebalance_delay_ms: delay_ms, ..GroupSettings::default() };
    let mut bench = Bench::with(settings);
    let join = |id| Join { rebalance_timeout_ms: 8_000, ..new(id) };
    let a = bench.join(join("a"));
    bench.pass_ms(2_999);
    let b = bench.join(join("b"));
    bench.pass_ms(1);
    let c = bench.join(join("c"));
    bench.pass_ms(2_999);
    assert!(bench.joined.is_empty(), "b came, so it was put off");
    bench.pass_ms(1);
    // 8,000 ms in all: the last wait is the 2,000 that are left.
    assert!(bench.joined.is_empty(), "c came, so it was put off again");
    bench.pass_ms(2_000);
    let joined = [a, b, c].map(|call| bench.answer(call));
    assert!(joined.iter().all(|member| member.generation == 1 && member.leader == "a"));
    assert_eq!(joined.map(|member| member.members.len()), [3, 0, 0]);
}

#[test]
fn a_rebalance_waits_for_every_member_and_drops_whoever_does_not_come() {
    let mut bench = Bench::new();
    let [a, b] = bench.stable([new("a"), new("b")]);
    let c = bench.join(new("c"));
    assert_eq!(bench.heartbeat(&a), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let again = bench.join(known("a"));
    for _ in 0..59 {
        bench.pass_ms(1_000);
        assert_eq!(bench.heartbeat(&b), Err(ErrorCode::REBALANCE_IN_PROGRESS), "b lives");
    }
    assert!(!bench.joined.contains_key(&c) && !bench.joined.contains_key(&again));
    bench.pass_ms(1_000);
    let (a, c) = (bench.answer(again), bench.answer(c));
    assert_eq!((a.generation, c.generation), (b.generation + 1, b.generation + 1));
    assert_eq!(a.members.iter().map(|m| &*m.member_id).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(bench.heartbeat(&b), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn a_silent_member_dies_and_the_others_rebalance_without_it() {
    let mut bench = Bench::new();
    let [a, b] = bench.stable([new("a"), new("b")]);
    bench.pass_ms(9_000);
    assert_eq!(bench.heartbeat(&b), Ok(()));
    bench.pass_ms(1_000);
    assert_eq!(bench.heartbeat(&a), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(bench.heartbeat(&b), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let again = bench.join(known("b"));
    let alone = bench.answer(again);
    assert_eq!((alone.leader.as_str(), alone.members.len()), ("b", 1));
    // While its join is held back, silence is no death.
    let c = bench.join(new("c"));
    bench.pass_ms(30_000);
    assert!(bench.coordinator.describe(GROUP).unwrap().members.len() < 3, "{c}");
}

#[test]
fn syncs_are_held_back_until_the_assignment_is_durable() {
    let mut bench = Bench::new();
    let [a, _] = bench.stable([new("a"), new("b")]);
    bench.in_flight = Some(Vec::new());
    let (again_a, again_b) = (bench.join(known("a")), bench.join(known("b")));
    let (leader, other) = (bench.answer(again_a), bench.answer(again_b));
    let follows = bench.sync(assign(&other));
    let leads = bench.sync(assign(&leader));
    assert!(!bench.synced.contains_key(&follows) && !bench.synced.contains_key(&leads));
    assert_eq!(bench.heartbeat(&leader), Ok(()));
    bench.settle_all();
    for (call, id) in [(leads, "a"), (follows, "b")] {
        let synced = bench.synced[&call].as_ref().unwrap();
        assert_eq!(synced.assignment, assigned(id, a.generation + 1));
    }
}

#[test]
fn what_was_assigned_in_a_generation_that_is_over_is_told_to_nobody() {
    let mut bench = Bench::new();
    bench.stable([new("a"), new("b")]);
    bench.in_flight = Some(Vec::new());
    let calls = [bench.join(known("a")), bench.join(known("b"))];
    let [a, b] = calls.map(|call| bench.answer(call));
    let syncs = [bench.sync(assign(&a)), bench.sync(assign(&b))];
    let c = bench.join(new("c"));
    for call in syncs {
        assert_eq!(bench.synced[&call], Err(ErrorCode::REBALANCE_IN_PROGRESS));
    }
    let calls = [bench.join(known("a")), bench.join(known("b"))];
    let [a, b, c] = [calls[0], calls[1], c].map(|call| bench.answer(call));
    let syncs = [a, b, c].map(|member| bench.sync(assign(&member)));
    // What becomes durable first is of the generation before: it is not what they wait for.
    let (group, record, id) = bench.in_flight.as_mut().unwrap().remove(0);
    bench.store(group, record, id);
    assert!(syncs.iter().all(|call| !bench.synced.contains_key(call)));
    assert_eq!(bench.coordinator.describe(GROUP).unwrap().state, GroupState::CompletingRebalance);
    bench.settle_all();
    assert!(syncs.iter().all(|call| bench.synced[call].is_ok()));
}

#[test]
fn an_assignment_that_cannot_be_stored_is_refused_and_assigned_anew() {
    let mut bench = Bench::new();
    bench.in_flight = Some(Vec::new());
    let call = bench.join(new("a"));
    let a = bench.answer(call);
    let sync = bench.sync(assign(&a));
    let (group, _, id) = bench.in_flight.as_mut().unwrap().pop().unwrap();
    bench.settle(&group, id, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    assert_eq!(bench.synced[&sync], Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    assert_eq!(bench.heartbeat(&a), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let again = bench.join(known("a"));
    assert_eq!(bench.answer(again).generation, a.generation + 1);
}

#[test]
fn a_member_that_does_not_sync_is_out_after_the_rebalance_timeout() {
    let mut bench = Bench::new();
    let [_, b] = bench.stable([new("a"), new("b")]);
    let calls = [bench.join(known("a")), bench.join(known("b"))];
    let [a, b_again] = calls.map(|call| bench.answer(call));
    let sync = bench.sync(assign(&a));
    assert!(bench.synced[&sync].is_ok());
    for _ in 0..12 {
        bench.pass_ms(5_000);
        let _ = (bench.heartbeat(&a), bench.heartbeat(&b_again));
    }
    assert_eq!(bench.heartbeat(&b_again), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(bench.heartbeat(&a), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    assert_eq!(bench.heartbeat(&b), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn the_leader_begins_a_rebalance_by_joining_and_others_only_with_news() {
    let mut bench = Bench::new();
    let [a, b] = bench.stable([new("a"), new("b")]);
    let same = bench.join(known("b"));
    assert_eq!(bench.answer(same).generation, b.generation);
    assert_eq!(bench.heartbeat(&a), Ok(()));
    let news = vec![("range".to_owned(), subscription(&["t", "u"]))];
    bench.join(Join { protocols: news, ..known("b") });
    assert_eq!(bench.heartbeat(&a), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let again = bench.join(known("a"));
    assert_eq!(bench.answer(again).generation, a.generation + 1);
    let before_sync = bench.join(known("a"));
    assert_eq!(bench.answer(before_sync).generation, a.generation + 1, "its answer got lost");
    bench.join(known("a"));
    assert_eq!(bench.coordinator.describe(GROUP).unwrap().state, GroupState::CompletingRebalance);
}

#[test]
fn the_protocol_is_what_all_know_and_most_like_best() {
    let mut bench = Bench::with(GroupSettings::default());
    let like = |id, names: &[&str]| Join { protocols: protocols(names), ..new(id) };
    let calls = [
        bench.join(like("a", &["sticky", "range", "mine"])),
        bench.join(like("b", &["range", "sticky"])),
        bench.join(like("c", &["theirs", "range", "sticky"])),
    ];
    (0..20).for_each(|_| bench.pass_ms(3_000));
    for call in calls {
        assert_eq!(bench.answer(call).protocol, "range");
    }
}

#[test]
fn a_full_group_takes_no_more_members() {
    let settings =
        GroupSettings { members_max: 2, initial_rebalance_delay_ms: 0, ..GroupSettings::default() };
    let mut bench = Bench::with(settings);
    let [a, _] = bench.stable([new("a"), new("b")]);
    let c = bench.join(new("c"));
    assert_eq!(bench.refusal(c), ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(bench.heartbeat(&a), Ok(()), "the others do not notice");
}

#[test]
fn an_id_that_was_given_out_is_waited_for_no_longer_than_a_session() {
    let mut bench = Bench::new();
    let [a] = bench.stable([new("a")]);
    bench.join(Join { takes_member_id: true, ..new("lost") });
    let b = bench.join(new("b"));
    let again = bench.join(known("a"));
    bench.pass_ms(9_999);
    assert!(!bench.joined.contains_key(&b));
    bench.pass_ms(1);
    assert_eq!(bench.answer(b).generation, a.generation + 1);
    assert_eq!(bench.answer(again).members.len(), 2);
    let late = bench.join(known("lost"));
    assert_eq!(bench.refusal(late), ErrorCode::UNKNOWN_MEMBER_ID);
    // And a group that nobody else came to is not there any more.
    let mut bench = Bench::new();
    bench.join(Join { takes_member_id: true, ..new("lost") });
    assert!(!bench.coordinator.is_idle(GROUP));
    bench.pass_ms(10_000);
    assert_eq!((bench.coordinator.list().count(), bench.coordinator.bytes), (0, 0));
}

#[test]
fn a_new_member_whose_client_may_be_gone_is_not_kept_for_good() {
    let mut bench = Bench::new();
    let slow = Join { rebalance_timeout_ms: 3_600_000, ..new("a") };
    let [a] = bench.stable([slow]);
    let b = bench.join(new("b"));
    for _ in 0..60 {
        assert_eq!(bench.heartbeat(&a), Err(ErrorCode::REBALANCE_IN_PROGRESS));
        assert!(!bench.joined.contains_key(&b));
        bench.pass_ms(5_000);
    }
    assert_eq!(bench.refusal(b), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn after_a_restart_the_group_goes_on_in_its_generation() {
    let mut bench = Bench::new();
    let [a, b] = bench.stable([new("a"), new("b")]);
    bench.restart();
    assert_eq!((bench.heartbeat(&a), bench.heartbeat(&b)), (Ok(()), Ok(())));
    let call = bench.sync(assign(&b));
    assert_eq!(bench.synced[&call].as_ref().unwrap().assignment, assigned("b", b.generation));
    bench.pass_ms(9_999);
    assert_eq!(bench.heartbeat(&b), Ok(()));
    bench.pass_ms(1);
    assert_eq!(bench.heartbeat(&a), Err(ErrorCode::UNKNOWN_MEMBER_ID), "not heard of since");
    // A rebalance that was under way: those that wait ask again, and are known.
    bench.restart();
    let calls = [bench.join(known("a")), bench.join(known("b"))];
    assert_eq!(bench.answer(calls[1]).generation, b.generation + 1);
    assert_eq!(bench.answer(calls[0]).leader, "a");
    // An empty group is empty, and remembers its generation.
    let leavers = ["a", "b"].map(|id| Leaver { member_id: id.into(), instance_id: None });
    bench.leave(&leavers);
    bench.restart();
    let described = bench.coordinator.describe(GROUP).unwrap();
    assert_eq!((described.state, described.members.len()), (GroupState::Empty, 0));
    let [c] = bench.stable([new("c")]);
    assert_eq!(c.generation, b.generation + 3);
}

#[test]
fn memory_is_accounted_for_and_bounded() {
    let mut bench = Bench::new();
    let large: Bytes = vec![0; 200 << 10].into();
    let heavy = |n: u32| {
        let protocols = vec![("range".to_owned(), large.clone())];
        Join { group: format!("g{n}"), protocols, ..new("a") }
    };
    let calls: Vec<u32> = (0..100).map(|n| bench.join(heavy(n))).collect();
    let full = calls.iter().filter(|call| bench.joined[call].is_err()).count();
    assert!(full > 0 && full < 50, "{full}");
    assert!(bench.coordinator.bytes <= limits::GROUPS_BYTES_MAX);
    assert_eq!(bench.refusal(calls[99]), ErrorCode::GROUP_MAX_SIZE_REACHED);
    bench.pass_ms(60_000);
    for n in 0..100 {
        bench.coordinator.forget(&format!("g{n}"));
    }
    assert_eq!(bench.coordinator.bytes, 0);
    let huge = vec![("range".to_owned(), Bytes::from(vec![0; limits::GROUP_MEMBER_BYTES_MAX]))];
    let call = bench.join(Join { protocols: huge, ..new("a") });
    assert_eq!(bench.refusal(call), ErrorCode::GROUP_MAX_SIZE_REACHED);
}
