//! What a table refuses, shows and keeps, one rule a test.

use duramen::broker::offsets::{CommitOffset, InvalidLog, OFFSETS_RETENTION_MS, OffsetTable};
use duramen::limits;
use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchBuilder, BatchView, Codec};
use duramen_protocol::codes::ErrorCode;

use super::log::{Log, age, at_ms, catalog_with};

const ID: TopicId = TopicId([1; 16]);

fn commit(partition: u32, offset: i64) -> CommitOffset {
    CommitOffset {
        topic: "logs".into(),
        partition,
        offset,
        leader_epoch: -1,
        metadata: String::new(),
        retention_ms: None,
    }
}

fn refused(group: &str, commits: Vec<CommitOffset>) -> ErrorCode {
    let catalog = catalog_with(&[("logs", 4, ID)]);
    OffsetTable::default().commit(&catalog, group, commits, at_ms(0)).unwrap_err().code
}

#[test]
fn bad_commits_are_refused_as_a_whole() {
    let long = CommitOffset { metadata: "x".repeat(4097), ..commit(0, 1) };
    let unknown = CommitOffset { topic: "none".into(), ..commit(0, 1) };
    for (commits, code) in [
        (vec![commit(1, 1), long], ErrorCode::OFFSET_METADATA_TOO_LARGE),
        (vec![commit(1, 1), unknown], ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (vec![commit(1, 1), commit(4, 1)], ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        (vec![commit(0, 1); 10_000], ErrorCode::INVALID_COMMIT_OFFSET_SIZE),
    ] {
        assert_eq!(refused("g", commits), code);
    }
    assert_eq!(refused("", vec![commit(0, 1)]), ErrorCode::INVALID_GROUP_ID);
    assert_eq!(refused(&"g".repeat(256), vec![commit(0, 1)]), ErrorCode::INVALID_GROUP_ID);
    let catalog = catalog_with(&[]);
    assert!(OffsetTable::default().commit(&catalog, "g", vec![], at_ms(0)).unwrap().is_none());
}

#[test]
fn a_full_table_takes_no_new_keys_but_new_offsets() {
    let catalog = catalog_with(&[("logs", 200, ID)]);
    let (mut table, mut log) = (OffsetTable::default(), Log::default());
    let commits = |offset| -> Vec<CommitOffset> {
        let metadata = "x".repeat(4096);
        (0..200).map(|p| CommitOffset { metadata: metadata.clone(), ..commit(p, offset) }).collect()
    };
    let refusal = (0..)
        .find_map(|n| match table.commit(&catalog, &format!("g{n}"), commits(1), at_ms(0)) {
            Ok(plan) => {
                log.append(&mut table, plan.unwrap(), at_ms(0));
                None
            }
            Err(refusal) => Some(refusal),
        })
        .unwrap();
    assert_eq!(refusal.code, ErrorCode::OVERLOADED);
    assert!(table.bytes() <= limits::OFFSET_TABLE_BYTES_MAX);
    assert!(table.bytes() > limits::OFFSET_TABLE_BYTES_MAX / 2);
    assert!(table.commit(&catalog, "g0", commits(2), at_ms(0)).is_ok());
}

#[test]
fn a_negative_offset_takes_the_committed_one_away() {
    let catalog = catalog_with(&[("logs", 4, ID)]);
    let (mut table, mut log) = (OffsetTable::default(), Log::default());
    for (end, commits) in [(2, [commit(0, 5), commit(1, -2)]), (4, [commit(0, -2), commit(1, 6)])] {
        let plan = table.commit(&catalog, "g", commits.into(), at_ms(0)).unwrap();
        log.append(&mut table, plan.unwrap(), at_ms(0));
        table.advance(end);
    }
    let shown = table.fetch_all(&catalog, "g").map(|(key, value)| (key.partition, value.offset));
    assert_eq!(shown.collect::<Vec<_>>(), [(1, 6)]);
}

#[test]
fn a_commit_shows_once_it_is_durable() {
    let catalog = catalog_with(&[("logs", 4, ID)]);
    let (mut table, mut log) = (OffsetTable::default(), Log::default());
    for offset in [5, 6] {
        let plan = table.commit(&catalog, "g", vec![commit(2, offset)], at_ms(0)).unwrap();
        log.append(&mut table, plan.unwrap(), at_ms(0));
    }
    let shown = |table: &OffsetTable| table.fetch(&catalog, "g", "logs", 2).map(|v| v.offset);
    assert_eq!(shown(&table), None);
    table.advance(1);
    assert_eq!(shown(&table), Some(5));
    table.advance(2);
    assert_eq!(shown(&table), Some(6));
    let all: Vec<_> =
        table.fetch_all(&catalog, "g").map(|(k, v)| (k.partition, v.offset)).collect();
    assert_eq!(all, [(2, 6)]);
    assert_eq!(table.fetch_all(&catalog, "f").count(), 0);
}

#[test]
fn offsets_expire_unless_their_group_is_active() {
    let catalog = catalog_with(&[("logs", 4, ID)]);
    let (mut table, mut log) = (OffsetTable::default(), Log::default());
    for (group, ms) in [("busy", 0), ("new", 1), ("old", 0)] {
        let plan = table.commit(&catalog, group, vec![commit(0, 7)], at_ms(ms)).unwrap();
        log.append(&mut table, plan.unwrap(), at_ms(ms));
    }
    let now = at_ms(OFFSETS_RETENTION_MS);
    let swept = table.sweep(&catalog, now, OFFSETS_RETENTION_MS, |key| age(key.group == "busy"));
    assert!(swept.finished);
    log.append(&mut table, swept.plan.unwrap(), now);
    table.advance(log.end);
    let shown = ["busy", "new", "old"].map(|g| table.fetch(&catalog, g, "logs", 0).is_some());
    assert_eq!(shown, [true, true, false]);
    let swept = table.sweep(&catalog, now, OFFSETS_RETENTION_MS, |key| age(key.group == "busy"));
    assert!(swept.plan.is_none());
}

/// Whatever the server's retention is; while somebody reads on from it, it stays all the same.
#[test]
fn a_commit_that_says_when_expires_then() {
    let catalog = catalog_with(&[("logs", 4, ID)]);
    let (mut table, mut log) = (OffsetTable::default(), Log::default());
    let kept = |ms| CommitOffset { retention_ms: Some(ms), ..commit(0, 1) };
    for (group, commit) in [("soon", kept(5)), ("late", kept(i64::MAX)), ("busy", kept(5))] {
        let plan = table.commit(&catalog, group, vec![commit], at_ms(0)).unwrap().unwrap();
        log.append(&mut table, plan, at_ms(0));
    }
    table.advance(log.end);
    for (now, shown) in [(4, [true; 3]), (5, [false, true, true])] {
        let now = at_ms(now);
        let swept = table.sweep(&catalog, now, 1, |key| age(key.group == "busy"));
        if let Some(plan) = swept.plan {
            log.append(&mut table, plan, now);
            table.advance(log.end);
        }
        let there = ["soon", "late", "busy"].map(|g| table.fetch(&catalog, g, "logs", 0).is_some());
        assert_eq!(there, shown);
    }
}

#[test]
fn a_sweep_goes_in_bounded_steps() {
    let catalog = catalog_with(&[("logs", 1000, ID)]);
    let (mut table, mut log) = (OffsetTable::default(), Log::default());
    for group in ["a", "b", "c"] {
        let commits = (0..1000).map(|p| commit(p, 1)).collect();
        let plan = table.commit(&catalog, group, commits, at_ms(0)).unwrap().unwrap();
        log.append(&mut table, plan, at_ms(0));
    }
    let mut lens = Vec::new();
    loop {
        let swept = table.sweep(&catalog, at_ms(1), 1, |_| age(false));
        let plan = swept.plan.unwrap();
        lens.push(plan.len());
        log.append(&mut table, plan, at_ms(1));
        if swept.finished {
            break;
        }
    }
    assert_eq!(lens, [1024, 1024, 952]);
    assert_eq!(table.bytes(), 0);
}

#[test]
fn a_topic_made_again_has_no_offsets_of_the_one_before() {
    let catalog = catalog_with(&[("logs", 4, ID)]);
    let (mut table, mut log) = (OffsetTable::default(), Log::default());
    let plan = table.commit(&catalog, "g", vec![commit(0, 7)], at_ms(0)).unwrap().unwrap();
    log.append(&mut table, plan, at_ms(0));
    table.advance(log.end);
    let deleted = catalog.delete_topic("logs").unwrap();
    let again = super::log::with_topic(&deleted, "logs", 4, TopicId([2; 16]));
    for catalog in [deleted, again] {
        assert_eq!(table.fetch(&catalog, "g", "logs", 0), None);
        assert_eq!(table.fetch_all(&catalog, "g").count(), 0);
        let swept = table.sweep(&catalog, at_ms(0), OFFSETS_RETENTION_MS, |_| age(true));
        assert_eq!(swept.plan.map(|plan| plan.len()), Some(1));
    }
}

#[test]
#[should_panic(expected = "a plan for the log's end 0, which is 1")]
fn plans_are_staged_one_after_another() {
    let catalog = catalog_with(&[("logs", 4, ID)]);
    let mut table = OffsetTable::default();
    let plan = || table.commit(&catalog, "g", vec![commit(0, 7)], at_ms(0)).unwrap().unwrap();
    let (first, second) = (plan(), plan());
    table.staged(first, 0, 100);
    table.staged(second, 1, 100);
}

#[test]
fn a_log_that_is_not_understood_is_an_error_with_its_place() {
    let batch = |key: Option<&[u8]>, value: Option<&[u8]>, transactional| {
        let mut builder = BatchBuilder::new(Codec::None);
        if transactional {
            builder.set_transactional();
        }
        builder.append(0, key, value, &[]).unwrap();
        builder.finish().unwrap()
    };
    let replay = |bytes: Vec<u8>| {
        OffsetTable::default().replay(&BatchView::parse(&bytes).unwrap()).unwrap_err()
    };
    let key = [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 0];
    assert_eq!(replay(batch(None, Some(b""), false)), InvalidLog::NoKey { offset: 0 });
    assert_eq!(replay(batch(Some(&key), None, true)), InvalidLog::Transaction { offset: 0 });
    let newer = replay(batch(Some(&key), Some(&[0, 5]), false)).to_string();
    assert!(newer.contains("offset 0") && newer.contains("an unknown version"), "{newer}");
}
