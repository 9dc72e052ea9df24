//! The consumer against a server in memory that cuts, breaks and damages.

#![cfg(all(
    feature = "client",
    feature = "gzip",
    feature = "snappy",
    feature = "lz4",
    feature = "zstd"
))]

mod mock;

use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchBuilder, Codec, batches};
use duramen_protocol::client::{
    ClientConfig, ClientError, ConsumedRecord, Consumer, Gap, GapReason, Item, Start,
};
use duramen_protocol::native::ErrorCode;
use duramen_protocol::native::messages::{CommittedOffset, OffsetQuery, Read};
use mock::{Mock, World};

const CODECS: [Codec; 5] = Codec::ALL;

/// Appends batches of three records each, with the offsets as values; every codec has its turn.
fn fill(world: &mut World, partition: usize, batches: usize) {
    let log = &mut world.topics.get_mut("events").expect("there").logs[partition];
    for n in 0..batches {
        let mut builder = BatchBuilder::new(CODECS[n % CODECS.len()]);
        for i in 0..3 {
            let offset = log.end + i;
            let value = format!("{partition}/{offset}");
            let headers = [("where", Some(&b"here"[..])), ("empty", None)];
            builder
                .append(1000 + offset, Some(b"key"), Some(value.as_bytes()), &headers)
                .expect("small");
        }
        log.append(&builder.finish().expect("not empty")).expect("whole");
    }
}

/// Reads `n` records and checks that each partition's follow each other.
async fn read(consumer: &mut Consumer, n: usize, from: &mut [i64]) {
    for _ in 0..n {
        let record = consumer.next().await.expect("readable").expect("there is more");
        let next = &mut from[record.partition as usize];
        assert_eq!(record.offset, *next, "partition {}", record.partition);
        assert_eq!(text(&record), format!("{}/{}", record.partition, record.offset));
        *next += 1;
    }
}

fn text(record: &ConsumedRecord) -> String {
    String::from_utf8(record.value.as_deref().unwrap_or_default().to_vec()).expect("text")
}

#[tokio::test]
async fn all_partitions_are_read_in_order_with_every_codec() {
    let mock = Mock::start(3, 2).await;
    mock.change(|world| (0..3).for_each(|partition| fill(world, partition, 20)));
    let client = mock.client().await;
    let mut consumer =
        client.consumer("events").start(Start::Beginning).until_end().open().await.expect("open");
    let mut next = [0; 3];
    read(&mut consumer, 180, &mut next).await;
    assert_eq!(next, [60, 60, 60]);
    assert_eq!(consumer.next().await.expect("readable"), None);
    assert_eq!(consumer.positions(), [(0, 60), (1, 60), (2, 60)]);
    assert_eq!(consumer.lag(), [(0, 0), (1, 0), (2, 0)]);
}

#[tokio::test]
async fn a_record_comes_with_all_it_has() {
    let mock = Mock::start(1, 1).await;
    mock.change(|world| fill(world, 0, 2));
    let mut consumer =
        mock.client().await.consumer("events").start(Start::Offset(4)).open().await.expect("open");
    let record = consumer.next().await.expect("readable").expect("there");
    assert_eq!((record.offset, record.timestamp_ms), (4, 1004), "what lies before is passed over");
    assert_eq!(record.key.as_deref(), Some(&b"key"[..]));
    assert_eq!(record.value.as_deref(), Some(&b"0/4"[..]));
    let headers: Vec<_> =
        record.headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
    assert_eq!(headers, [(&b"where"[..], Some(&b"here"[..])), (&b"empty"[..], None)]);
}

#[tokio::test]
async fn what_becomes_durable_later_is_pushed() {
    let mock = Mock::start(2, 1).await;
    mock.change(|world| fill(world, 0, 5));
    let client = mock.client().await;
    let mut consumer = client.consumer("events").open().await.expect("open at the end");
    mock.change(|world| (0..2).for_each(|partition| fill(world, partition, 5)));
    let mut next = [15, 0];
    read(&mut consumer, 30, &mut next).await;
    assert_eq!(next, [30, 15]);
    let mut reading = Box::pin(consumer.next());
    tokio::select! {
        biased;
        read = &mut reading => panic!("nothing is there: {read:?}"),
        () = std::future::ready(()) => {}
    }
    mock.change(|world| fill(world, 1, 1));
    let record = reading.await.expect("readable").expect("there");
    assert_eq!((record.partition, record.offset), (1, 15));
}

#[tokio::test]
async fn pushes_may_cut_batches_anywhere_and_connections_may_break_anywhere() {
    let mut runs = tokio::task::JoinSet::new();
    for seed in 0..24 {
        runs.spawn(async move {
            let mock = Mock::start(2, 2).await;
            let mut random = fastrand::Rng::with_seed(seed);
            mock.change(|world| (0..2).for_each(|partition| fill(world, partition, 40)));
            let start = Start::Offset(random.i64(0..60));
            let client = mock.client().await;
            let mut consumer =
                client.consumer("events").start(start).until_end().open().await.expect("open");
            let Start::Offset(first) = start else { unreachable!("chosen above") };
            let mut next = [first; 2];
            let left = 2 * (120 - first) as usize;
            for n in 0..left {
                if n % 10 == 0 {
                    mock.change(|world| {
                        world.push_bytes = random.usize(1..300);
                        world.drop_after_pushes = Some(random.usize(0..5));
                    });
                }
                read(&mut consumer, 1, &mut next).await;
            }
            assert_eq!(consumer.next().await.expect("readable"), None, "seed {seed}");
        });
    }
    runs.join_all().await;
}

#[tokio::test]
async fn a_consumer_that_takes_nothing_gets_no_more_than_its_window() {
    let mock = Mock::start(1, 1).await;
    mock.change(|world| fill(world, 0, 2000));
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning).window_bytes(20_000);
    let mut consumer = consumer.until_end().open().await.expect("open");
    let mut next = [0];
    read(&mut consumer, 1, &mut next).await;
    // Whatever the server would do at once is done when it has answered a few questions.
    for _ in 0..20 {
        client.ping().await.expect("the server is there");
    }
    let pushed = mock.world().pushed_bytes;
    assert!(pushed <= 20_000 + 10_000, "{pushed} bytes: a window, and the half renewed");
    read(&mut consumer, 5999, &mut next).await;
    assert!(mock.world().pushed_bytes > 100_000);
}

#[tokio::test]
async fn a_batch_larger_than_the_window_comes_all_the_same() {
    let mock = Mock::start(1, 1).await;
    let large = vec![b'x'; 300_000];
    mock.change(|world| {
        let log = &mut world.topics.get_mut("events").expect("there").logs[0];
        for _ in 0..3 {
            let mut builder = BatchBuilder::new(Codec::None);
            builder.append(1, None, Some(&large), &[]).expect("fits");
            log.append(&builder.finish().expect("not empty")).expect("whole");
        }
    });
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning).window_bytes(20_000);
    let mut consumer = consumer.until_end().open().await.expect("open");
    for _ in 0..3 {
        let record = consumer.next().await.expect("readable").expect("there");
        assert_eq!(record.value.as_deref(), Some(&large[..]));
    }
    assert_eq!(consumer.next().await.expect("readable"), None);
}

#[tokio::test]
async fn damage_and_removal_are_told_and_passed_over() {
    let mock = Mock::start(1, 1).await;
    mock.change(|world| {
        fill(world, 0, 10);
        world.topics.get_mut("events").expect("there").logs[0].corrupt = Some((9, 15));
    });
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning);
    let mut consumer = consumer.until_end().open().await.expect("open");
    let mut next = [0];
    read(&mut consumer, 9, &mut next).await;
    let gap = Gap {
        topic: "events".into(),
        partition: 0,
        first: 9,
        next: 15,
        reason: GapReason::Corrupt,
    };
    match consumer.next().await {
        Err(ClientError::Gap { gap: told }) => {
            assert_eq!(told, gap);
            assert_eq!(told.to_string(), "corrupt: events-0 offsets 9-14");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(consumer.positions(), [(0, 15)]);
    read(&mut consumer, 3, &mut [15]).await;
    // The rest of what was pushed may have been taken already; a new consumer sees the removal.
    let consumer = client.consumer("events").start(Start::Offset(16)).open().await;
    let mut consumer = consumer.expect("open");
    mock.change(|world| world.topics.get_mut("events").expect("there").logs[0].start = 20);
    match consumer.next_batch().await {
        Ok(Some(Item::Gap(gap))) => {
            assert_eq!((gap.first, gap.next, gap.reason), (16, 20, GapReason::Removed));
        }
        other => panic!("{other:?}"),
    }
    read(&mut consumer, 10, &mut [20]).await;
}

#[tokio::test]
async fn a_flipped_bit_on_the_way_is_noticed_and_asked_for_again() {
    let mock = Mock::start(1, 1).await;
    mock.change(|world| {
        fill(world, 0, 5);
        world.flip_in_next_push = true;
    });
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning).until_end().open().await;
    read(&mut consumer.expect("open"), 15, &mut [0]).await;
}

#[tokio::test]
async fn a_batch_that_is_damaged_each_time_is_lost() {
    let mock = Mock::start(1, 1).await;
    mock.change(|world| {
        fill(world, 0, 5);
        let batch = &mut world.topics.get_mut("events").expect("there").logs[0].batches[2].1;
        let last = batch.len() - 1;
        batch[last] ^= 1;
    });
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning).until_end().open().await;
    let mut consumer = consumer.expect("open");
    read(&mut consumer, 6, &mut [0]).await;
    let gap = consumer.next().await.expect_err("damaged");
    assert_eq!(gap.to_string(), "corrupt: events-0 offsets 6-8");
    read(&mut consumer, 6, &mut [9]).await;
    assert_eq!(consumer.next().await.expect("readable"), None);
}

#[tokio::test]
async fn control_batches_are_passed_over() {
    let mock = Mock::start(1, 1).await;
    mock.change(|world| {
        fill(world, 0, 1);
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(1, Some(b"\0\0\0\x01"), Some(b""), &[]).expect("small");
        builder.set_control();
        let log = &mut world.topics.get_mut("events").expect("there").logs[0];
        log.append(&builder.finish().expect("not empty")).expect("whole");
        fill(world, 0, 1);
    });
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning).until_end().open().await;
    let mut consumer = consumer.expect("open");
    read(&mut consumer, 3, &mut [0]).await;
    read(&mut consumer, 3, &mut [4]).await;
    assert_eq!(consumer.next().await.expect("readable"), None);
}

#[tokio::test]
async fn starts_are_found_and_bad_ones_refused() {
    let mock = Mock::start(2, 1).await;
    mock.change(|world| fill(world, 0, 10));
    let client = mock.client().await;
    // The mock takes a timestamp for an offset.
    let at = client.consumer("events").start(Start::Timestamp(7)).partitions(Some(vec![0]));
    let mut consumer = at.open().await.expect("open");
    read(&mut consumer, 1, &mut [7]).await;

    let committed = client.consumer("events").positions([(0, 29)]).start(Start::Beginning);
    let mut consumer = committed.until_end().open().await.expect("open");
    assert_eq!(consumer.positions(), [(0, 29), (1, 0)]);
    read(&mut consumer, 1, &mut [29]).await;
    assert_eq!(consumer.next().await.expect("readable"), None);

    mock.change(|world| world.topics.get_mut("events").expect("there").logs[0].start = 3);
    let old = client.consumer("events").positions([(0, 1)]).open().await;
    let told = old.expect("open").next().await.expect_err("removed since");
    assert_eq!(told.to_string(), "removed: events-0 offsets 1-2");

    let beyond = client.consumer("events").start(Start::Offset(31)).open().await;
    let beyond = beyond.expect_err("out of range").to_string();
    assert!(beyond.contains("3 to below 30"), "{beyond}");
    let unknown = client.consumer("events").partitions(Some(vec![2])).open().await;
    let unknown = unknown.expect_err("no such partition");
    assert_eq!(unknown.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[tokio::test]
async fn a_partition_read_to_its_end_is_pushed_no_more() {
    let mock = Mock::start(2, 1).await;
    mock.change(|world| (0..2).for_each(|partition| fill(world, partition, 5)));
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning).until_end().open().await;
    let mut consumer = consumer.expect("open");
    let mut next = [0; 2];
    while next.iter().all(|next| *next < 15) {
        let record = consumer.next().await.expect("readable").expect("there is more");
        next[record.partition as usize] += 1;
    }
    let done = next.iter().position(|next| *next == 15).expect("one is done");
    let rest = (15 - next[1 - done]) as usize;
    if rest > 0 {
        consumer.next().await.expect("readable").expect("there is more");
    }
    let pushed = mock.world().pushed_bytes;
    mock.change(|world| fill(world, done, 100));
    client.ping().await.expect("there");
    assert_eq!(mock.world().pushed_bytes, pushed);
}

#[tokio::test]
async fn a_topic_made_anew_is_another_topic() {
    let mock = Mock::start(1, 1).await;
    mock.change(|world| fill(world, 0, 1));
    let client = mock.client().await;
    let consumer = client.consumer("events").start(Start::Beginning).open().await;
    let mut consumer = consumer.expect("open");
    read(&mut consumer, 3, &mut [0]).await;
    mock.world().topics.get_mut("events").expect("there").id = TopicId([9; 16]);
    mock.kill_connections();
    let error = consumer.next().await.expect_err("another topic");
    assert!(matches!(error, ClientError::TopicReplaced { .. }), "{error}");
}

#[tokio::test]
async fn giving_up_takes_as_long_as_was_asked_for() {
    let mock = Mock::start(1, 1).await;
    let config = ClientConfig { retry_for: std::time::Duration::from_millis(30), ..mock.config() };
    let client = duramen_protocol::client::Client::with_config(config).await.expect("connected");
    let mut consumer = client.consumer("events").open().await.expect("open");
    drop(mock);
    let error = consumer.next().await.expect_err("nobody is there");
    assert!(matches!(error, ClientError::GaveUp { .. }), "{error}");
}

#[tokio::test]
async fn questions_are_answered() {
    let mock = Mock::start(3, 2).await;
    mock.change(|world| fill(world, 1, 4));
    let client = mock.client().await;
    client.ping().await.expect("there");
    assert_eq!(client.server().await.expect("there").cores, 2);
    let topics = client.list_topics().await.expect("there");
    assert_eq!((topics[0].name.as_str(), topics[0].partitions), ("events", 3));
    let latest = client.find_offset("events", 1, OffsetQuery::Latest).await.expect("there");
    assert_eq!(latest.offset, 12);
    let unknown = client.find_offset("nothing", 0, OffsetQuery::Latest).await;
    let code = unknown.expect_err("no such topic").code();
    assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    let read = Read { offset: 4, min_bytes: 1, max_bytes: 1 << 20, max_wait_ms: 0 };
    let read = client.read("events", 1, read).await.expect("there");
    assert_eq!((read.log_start, read.durable_end), (0, 12));
    let offsets: Vec<i64> =
        batches(&read.bytes).map(|(_, batch)| batch.expect("whole").header().base_offset).collect();
    assert_eq!(offsets, [3, 6, 9]);

    let position = CommittedOffset {
        topic: "events".to_owned(),
        partition: 1,
        offset: 5,
        metadata: String::new(),
    };
    client.commit_offsets("audit", vec![position.clone()]).await.expect("stored");
    assert_eq!(client.fetch_offsets("audit", None).await.expect("there"), [position]);
    assert_eq!(client.fetch_offsets("nobody", None).await.expect("there"), []);

    let too_long = client.delete_topic(&"x".repeat(40_000)).await;
    assert!(matches!(too_long, Err(ClientError::Invalid(_))), "{too_long:?}");
}
