//! A topic that is deleted while a checkpoint is under way.

use super::*;

const OTHER: TopicId = TopicId([9; 16]);

#[test]
fn a_checkpoint_goes_on_without_a_log_that_was_deleted_meanwhile() {
    let mut bench = Bench::new();
    let new = NewTopic { name: "other", partitions: 1, configs: &[], if_not_exists: false };
    let created = bench.catalog.create_topic(&new, OTHER, &TopicLimits::default());
    let Ok(Created::New(both)) = created else { panic!("{created:?}") };
    bench.shard.apply(Arc::new(both.clone()));
    bench.ticks(50);
    let first = bench.append(0, batch(100));
    bench.offset(first);

    // The checkpoint can't be without what is held back here.
    let hold = bench.disk().hold(Filter::kind(Kind::Write).path("events-0"));
    let other = bench.shard.store.find(&PartitionKey { topic_id: OTHER, partition: 0 }).unwrap();
    while !bench.shard.store.is_checkpointing() {
        let batch = batch(100_000).into();
        let call = bench.ask(Ask::Append { at: At::Log(other), batch, silent: false });
        bench.offset(call);
    }
    let deleted = both.delete_topic("other").unwrap();
    bench.shard.apply(Arc::new(deleted));
    bench.ticks(200);
    assert!(bench.shard.store.is_checkpointing(), "it waits for the log that is still there");

    bench.disk().release(hold);
    bench.ticks(200);
    assert!(bench.shard.failed().is_none(), "{:?}", bench.shard.failed());
    assert!(!bench.shard.store.is_checkpointing());
    let after = bench.append(0, batch(100));
    assert_eq!(bench.offset(after), 1);
}
