//! Static members: those with a name, who come and go without a rebalance.

use super::*;

fn named(name: &str, member: &Joined) -> Membership {
    Membership { instance_id: Some(name.into()), ..membership(member) }
}

#[test]
fn a_static_member_that_restarts_goes_on_without_a_rebalance() {
    let mut bench = Bench::new();
    let [a, b] = bench.stable([new("a"), static_new("s", "s-1")]);
    let call = bench.join(static_new("s", "s-2"));
    let back = bench.answer(call);
    assert_eq!((back.generation, &*back.member_id, &*back.leader), (b.generation, "s-2", "a"));
    assert_eq!((back.skip_assignment, back.members.len()), (false, 0));
    assert_eq!(bench.heartbeat(&a), Ok(()));
    let call = bench.sync(assign(&back));
    assert_eq!(bench.synced[&call].as_ref().unwrap().assignment, assigned("s-1", b.generation));
    // The old one is fenced, by whatever it asks with its name.
    let (now, old) = (bench.now, named("s", &b));
    assert_eq!(bench.coordinator.heartbeat(&old, now), Err(ErrorCode::FENCED_INSTANCE_ID));
    assert_eq!(bench.coordinator.check_commit(&old, now), Some(Err(ErrorCode::FENCED_INSTANCE_ID)));
    let call = bench.sync(Sync { member: old, ..assign(&b) });
    assert_eq!(bench.synced[&call], Err(ErrorCode::FENCED_INSTANCE_ID));
    let call = bench.join(Join { member_id: "s-1".into(), ..static_new("s", "unused") });
    assert_eq!(bench.refusal(call), ErrorCode::FENCED_INSTANCE_ID);
    let leaver = |id: &str| Leaver { member_id: id.into(), instance_id: Some("s".into()) };
    assert_eq!(bench.leave(&[leaver("s-1")]), [Err(ErrorCode::FENCED_INSTANCE_ID)]);
    assert_eq!(bench.heartbeat(&b), Err(ErrorCode::UNKNOWN_MEMBER_ID), "without its name");
}

#[test]
fn a_leader_that_restarts_skips_the_assignment_or_is_told_that_another_leads() {
    for may_skip in [true, false] {
        let mut bench = Bench::new();
        bench.stable([static_new("s", "s-1"), new("b")]);
        let back = Join { may_skip_assignment: may_skip, ..static_new("s", "s-2") };
        let call = bench.join(back);
        let joined = bench.answer(call);
        assert_eq!(joined.skip_assignment, may_skip);
        assert_eq!(joined.leader, if may_skip { "s-2" } else { "s-1" });
        assert_eq!(joined.members.len(), if may_skip { 2 } else { 0 });
        // It leads in truth: when it joins again, all assign anew.
        let again = bench.join(known("s-2"));
        let b = bench.join(known("b"));
        assert_eq!(
            (bench.answer(again).leader, bench.answer(b).leader),
            ("s-2".into(), "s-2".into())
        );
    }
}

#[test]
fn a_new_id_is_told_once_it_is_durable_and_survives() {
    let mut bench = Bench::new();
    let [_, s] = bench.stable([new("a"), static_new("s", "s-1")]);
    bench.in_flight = Some(Vec::new());
    let call = bench.join(static_new("s", "s-2"));
    assert!(!bench.joined.contains_key(&call));
    // It is replaced again, before the first was told.
    let newer = bench.join(static_new("s", "s-3"));
    assert_eq!(bench.refusal(call), ErrorCode::FENCED_INSTANCE_ID);
    bench.settle_all();
    assert_eq!(bench.answer(newer).member_id, "s-3");
    bench.restart();
    assert_eq!(bench.heartbeat(&Joined { member_id: "s-3".into(), ..s.clone() }), Ok(()));
    // What can't be stored is refused.
    bench.in_flight = Some(Vec::new());
    let call = bench.join(static_new("s", "s-4"));
    let (group, _, id) = bench.in_flight.as_mut().unwrap().pop().unwrap();
    bench.settle(&group, id, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    assert_eq!(bench.refusal(call), ErrorCode::COORDINATOR_NOT_AVAILABLE);
}

#[test]
fn a_static_member_that_comes_back_amid_a_rebalance_is_in_it() {
    let mut bench = Bench::new();
    let [a, s] = bench.stable([new("a"), static_new("s", "s-1")]);
    bench.in_flight = Some(Vec::new());
    let back = bench.join(static_new("s", "s-2"));
    let c = bench.join(new("c"));
    bench.settle_all();
    let again = bench.join(known("a"));
    assert_eq!(bench.answer(back).generation, s.generation + 1);
    let (a_now, c) = (bench.answer(again), bench.answer(c));
    assert_eq!((a_now.generation, c.generation), (a.generation + 1, a.generation + 1));
    assert_eq!(a_now.members.len(), 3);
    // Told the leader with a new id amid the assignment, all start anew.
    let back = bench.join(static_new("s", "s-3"));
    assert_eq!(bench.heartbeat(&a_now), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    bench.join(known("a"));
    bench.join(known("c"));
    assert_eq!(bench.answer(back).generation, a.generation + 2);
}

#[test]
fn a_static_member_may_be_away_for_a_session_but_no_longer() {
    let mut bench = Bench::new();
    let patient = Join { session_timeout_ms: 120_000, ..static_new("s", "s-1") };
    let [a, _] = bench.stable([new("a"), patient]);
    let b = bench.join(new("b"));
    let again = bench.join(known("a"));
    bench.pass_ms(60_000);
    let (mut a_now, b) = (bench.answer(again), bench.answer(b));
    assert_eq!((a_now.generation, a_now.members.len()), (a.generation + 1, 3), "s is kept");
    for member in [&a_now, &b] {
        let call = bench.sync(assign(member));
        assert!(bench.synced[&call].is_ok());
    }
    for second in 60..120 {
        assert_eq!(bench.heartbeat(&a_now), Ok(()), "{second}");
        assert_eq!(bench.heartbeat(&b), Ok(()), "{second}");
        bench.pass_ms(1_000);
    }
    assert_eq!(bench.heartbeat(&a_now), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let (again, _) = (bench.join(known("a")), bench.join(known("b")));
    a_now = bench.answer(again);
    assert_eq!(a_now.members.len(), 2);
}

#[test]
fn an_administrator_takes_static_members_out_by_name() {
    let mut bench = Bench::new();
    bench.stable([new("a"), static_new("s", "s-1"), static_new("t", "t-1")]);
    let by_name = |name: &str| Leaver { member_id: String::new(), instance_id: Some(name.into()) };
    let left = bench.leave(&[by_name("s"), by_name("nobody"), Leaver::default(), by_name("t")]);
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(left, [Ok(()), unknown, unknown, Ok(())]);
    let again = bench.join(known("a"));
    assert_eq!(bench.answer(again).members.len(), 1);
}
