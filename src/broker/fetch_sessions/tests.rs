use super::*;

const SLOTS: usize = 3;
const STALE_US: u64 = limits::FETCH_SESSION_STALE_MS * 1000;

fn at(monotonic_us: u64) -> Now {
    Now { monotonic_us, wall_ms: 0 }
}

fn place(partition: i32) -> Place {
    Place { topic: TopicName::Name("events".into()), partition }
}

fn wanted(partition: i32, offset: i64) -> Wanted {
    Wanted { place: place(partition), offset, max_bytes: 1000, leader_epoch: -1 }
}

fn all(partitions: std::ops::Range<i32>) -> Vec<Wanted> {
    partitions.map(|partition| wanted(partition, 0)).collect()
}

fn quiet(high_watermark: i64) -> Standing {
    Standing { is_error: false, any_records: false, high_watermark, log_start: 0 }
}

/// A session over as many partitions, all of them empty.
fn create(sessions: &mut FetchSessions, id: i32, partitions: i32, now: Now) -> i32 {
    let (kind, named) = sessions.begin((0, 0), false, all(0..partitions), &[], now).unwrap();
    assert_eq!(kind, Kind::Full);
    sessions.create(named.into_iter().map(|wanted| (wanted, quiet(0))), now, std::iter::once(id))
}

/// A request that names nothing: the partitions that are read.
fn go_on(
    sessions: &mut FetchSessions,
    session: (i32, i32),
    now: Now,
) -> Result<Vec<i32>, ErrorCode> {
    ongoing(sessions, session, now).map(|(_, partitions)| partitions)
}

fn ongoing(
    sessions: &mut FetchSessions,
    session: (i32, i32),
    now: Now,
) -> Result<(Ongoing, Vec<i32>), ErrorCode> {
    let (kind, wanted) = sessions.begin(session, false, Vec::new(), &[], now)?;
    let Kind::Incremental(ongoing) = kind else { panic!("{kind:?}") };
    assert_eq!((ongoing.id, ongoing.epoch), (session.0, session.1 + 1));
    Ok((ongoing, wanted.iter().map(|wanted| wanted.place.partition).collect()))
}

#[test]
fn epochs_rise_by_one_and_others_are_refused() {
    let mut sessions = FetchSessions::new(SLOTS, 100);
    assert_eq!(create(&mut sessions, 7, 2, at(0)), 7);
    for epoch in 1..4 {
        for wrong in [epoch - 2, epoch + 1].into_iter().filter(|&wrong| wrong > 0) {
            let refused = go_on(&mut sessions, (7, wrong), at(0));
            assert_eq!(refused, Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
        }
        assert_eq!(go_on(&mut sessions, (7, epoch), at(0)), Ok(vec![0, 1]));
    }
    // Two requests at once: the first one's answer comes too late.
    let (first, _) = ongoing(&mut sessions, (7, 4), at(0)).unwrap();
    let (second, _) = ongoing(&mut sessions, (7, 5), at(0)).unwrap();
    let mut tell = |ongoing| sessions.tell(ongoing, [quiet(1), quiet(0)].into_iter());
    assert_eq!(tell(&first), Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    assert_eq!(tell(&second), Ok(vec![true, false]));
    let unknown = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
    assert_eq!(go_on(&mut sessions, (8, 1), at(0)), Err(unknown));
    assert_eq!((next_epoch(i32::MAX), next_epoch(5)), (1, 6));
}

#[test]
fn the_first_and_the_final_epoch_end_a_session() {
    for (epoch, kind) in [(0, Kind::Full), (-1, Kind::Alone)] {
        let mut sessions = FetchSessions::new(SLOTS, 100);
        create(&mut sessions, 7, 2, at(0));
        let begun = sessions.begin((7, epoch), false, all(0..3), &[], at(0)).unwrap();
        assert_eq!(begun, (kind, all(0..3)));
        assert_eq!(sessions.counts(), (0, 0));
        let gone = Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(go_on(&mut sessions, (7, 1), at(0)), gone);
    }
}

#[test]
fn partitions_come_change_and_go() {
    let mut sessions = FetchSessions::new(SLOTS, 100);
    create(&mut sessions, 7, 3, at(0));
    let named = vec![wanted(5, 9), wanted(1, 4)];
    let (_, now) = sessions.begin((7, 1), false, named, &[place(0), place(8)], at(0)).unwrap();
    assert_eq!(now, [wanted(1, 4), wanted(2, 0), wanted(5, 9)]);
    assert_eq!(sessions.counts(), (1, 3));
    // Named and forgotten at once: forgotten, as in Kafka.
    let gone = [place(1), place(2), place(5), place(6)];
    let begun = sessions.begin((7, 2), false, vec![wanted(6, 0)], &gone, at(0)).unwrap();
    assert_eq!(begun, (Kind::Alone, Vec::new()), "a session without partitions ends");
    assert_eq!(sessions.counts(), (0, 0));
}

#[test]
fn a_session_keeps_to_names_or_to_ids() {
    let mut sessions = FetchSessions::new(SLOTS, 100);
    create(&mut sessions, 7, 1, at(0));
    let mixed = sessions.begin((7, 1), true, Vec::new(), &[], at(0));
    assert_eq!(mixed, Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
    assert_eq!(go_on(&mut sessions, (7, 1), at(0)), Ok(vec![0]), "nothing has changed");
}

#[test]
fn only_what_is_new_is_told() {
    let mut sessions = FetchSessions::new(SLOTS, 100);
    create(&mut sessions, 7, 1, at(0));
    let mut epoch = 1;
    let mut tell = |standing: Standing| {
        let (now, _) = ongoing(&mut sessions, (7, epoch), at(0)).unwrap();
        epoch += 1;
        sessions.tell(&now, std::iter::once(standing)).unwrap()[0]
    };
    assert!(!tell(quiet(0)), "it was told so at the start");
    assert!(tell(quiet(3)) && !tell(quiet(3)));
    let cut = Standing { log_start: 2, ..quiet(3) };
    assert!(tell(cut) && !tell(cut));
    let records = Standing { any_records: true, ..cut };
    assert!(tell(records) && tell(records), "whatever else is as it was");
    let error = Standing { is_error: true, any_records: false, high_watermark: -1, log_start: -1 };
    assert!(tell(error) && tell(error), "errors always");
    assert!(tell(cut), "that it is over");
    assert!(!tell(cut));
}

#[test]
fn whoever_gave_records_is_the_last_to_be_read() {
    let mut sessions = FetchSessions::new(SLOTS, 100);
    create(&mut sessions, 7, 4, at(0));
    let (now, _) = ongoing(&mut sessions, (7, 1), at(0)).unwrap();
    let records = Standing { any_records: true, ..quiet(9) };
    let told = sessions.tell(&now, [records, quiet(9), records, quiet(0)].into_iter());
    assert_eq!(told, Ok(vec![true, true, true, false]));
    assert_eq!(go_on(&mut sessions, (7, 2), at(0)), Ok(vec![1, 3, 0, 2]));
    let named = vec![wanted(0, 1)];
    let (_, now) = sessions.begin((7, 3), false, named, &[place(3)], at(0)).unwrap();
    assert_eq!(now, [wanted(1, 0), wanted(0, 1), wanted(2, 0)], "it is the same still");
}

/// Whoever has a place keeps it for a time; then only a larger session, or any, once it is not
/// used, takes it.
#[test]
fn who_gives_way_is_decided_as_in_kafka() {
    let mut sessions = FetchSessions::new(SLOTS, 100);
    for (id, partitions) in [(1, 5), (2, 3), (3, 9)] {
        assert_eq!(create(&mut sessions, id, partitions, at(0)), id);
    }
    assert_eq!(create(&mut sessions, 4, 50, at(STALE_US)), 0, "all are young and used");
    for id in [1, 2, 3] {
        go_on(&mut sessions, (id, 1), at(STALE_US + 1)).unwrap();
    }
    assert_eq!(create(&mut sessions, 4, 3, at(STALE_US + 2)), 0, "none is smaller");
    assert_eq!(create(&mut sessions, 4, 4, at(STALE_US + 2)), 4);
    let gone = Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(go_on(&mut sessions, (2, 2), at(STALE_US + 2)), gone, "the smallest");
    assert_eq!(go_on(&mut sessions, (1, 2), at(STALE_US + 3)), Ok(vec![0, 1, 2, 3, 4]));
    assert_eq!(create(&mut sessions, 5, 1, at(2 * STALE_US + 2)), 5, "one was not used for long");
    assert_eq!(go_on(&mut sessions, (3, 2), at(2 * STALE_US + 2)), gone);
    assert_eq!(sessions.counts(), (3, 10));
}

#[test]
fn partitions_are_bounded() {
    let mut sessions = FetchSessions::new(SLOTS, 10);
    assert_eq!(create(&mut sessions, 1, 11, at(0)), 0);
    assert_eq!(create(&mut sessions, 1, 6, at(0)), 1);
    assert_eq!(create(&mut sessions, 2, 5, at(0)), 0);
    assert_eq!(create(&mut sessions, 2, 4, at(0)), 2);
    let more = sessions.begin((2, 1), false, all(4..5), &[], at(0));
    assert_eq!(more, Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND), "it begins anew, without");
    assert_eq!(sessions.counts(), (1, 6));
    assert_eq!(create(&mut FetchSessions::new(0, 10), 1, 1, at(0)), 0, "there may be none");
}

/// Whatever comes, the sums are right, and the bounds hold.
#[test]
fn counts_and_bounds_hold_whatever_is_asked() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sessions = FetchSessions::new(SLOTS, 20);
        let mut now = 0;
        let mut next_id = 0;
        for _ in 0..300 {
            now += random.u64(0..STALE_US / 4);
            let some = |random: &mut fastrand::Rng| all(0..random.i32(0..9));
            let named = some(&mut random);
            let forgotten: Vec<Place> =
                some(&mut random).into_iter().map(|wanted| wanted.place).collect();
            let session = (random.i32(0..next_id + 2), random.i32(-1..6));
            match sessions.begin(session, false, named, &forgotten, at(now)) {
                Ok((Kind::Full, named)) => {
                    let answered = named.into_iter().map(|wanted| (wanted, quiet(0)));
                    next_id += 1;
                    sessions.create(answered, at(now), std::iter::once(next_id));
                }
                Ok((Kind::Incremental(ongoing), wanted)) => {
                    let told = sessions.tell(&ongoing, wanted.iter().map(|_| quiet(now as i64)));
                    assert_eq!(told.map(|told| told.len()), Ok(wanted.len()), "seed {seed}");
                }
                Ok((Kind::Alone, _)) | Err(_) => {}
            }
            let (count, partitions) = sessions.counts();
            let sum: usize = sessions.sessions.values().map(Session::len).sum();
            assert!(count <= SLOTS && partitions <= 20, "seed {seed}");
            assert_eq!((sum, sessions.used.len()), (partitions, count), "seed {seed}");
            assert!(sessions.evictable.len() <= count, "seed {seed}");
        }
    }
}
