//! The producer against a server in memory that loses, refuses and repeats.

#![cfg(feature = "client")]

mod mock;

use std::time::Duration;

use duramen_protocol::client::{
    Acks, ClientError, Delivery, OutRecord, Producer, ProducerConfig, Receipt,
};
use duramen_protocol::murmur2::partition_for_key;
use duramen_protocol::native::{Class, ErrorCode};
use mock::{Fate, Mock};

fn small_batches() -> ProducerConfig {
    // A batch a record or two, so that many are under way.
    ProducerConfig { batch_bytes: 120, ..ProducerConfig::default() }
}

async fn send(producer: &Producer, value: usize) -> Delivery {
    let record = OutRecord::new(value.to_string()).with_partition(0);
    producer.send(record).await.expect("a record that can be sent")
}

fn numbers(n: usize) -> Vec<String> {
    (0..n).map(|value| value.to_string()).collect()
}

#[tokio::test]
async fn records_arrive_in_order_and_their_offsets_are_told() {
    let mock = Mock::start(1, 1).await;
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    let mut deliveries = Vec::new();
    for value in 0..200 {
        deliveries.push(send(&producer, value).await);
    }
    for (offset, delivery) in deliveries.into_iter().enumerate() {
        let receipt = delivery.await.expect("delivered");
        let offset = Some(offset as i64);
        assert_eq!(receipt, Receipt { partition: 0, offset, log_append_time_ms: None });
    }
    producer.close().await.expect("nothing failed");
    assert_eq!(mock.values(0), numbers(200));
}

#[tokio::test]
async fn keys_go_where_kafka_puts_them_and_all_cores_are_reached() {
    let mock = Mock::start(7, 3).await;
    let producer =
        mock.client().await.producer("events", ProducerConfig::default()).await.expect("open");
    for n in 0..100 {
        let key = format!("key {n}");
        let record = OutRecord::new(n.to_string()).with_key(key.clone());
        let receipt = producer.send(record).await.expect("sent").await.expect("delivered");
        assert_eq!(receipt.partition, partition_for_key(key.as_bytes(), 7));
    }
    producer.close().await.expect("nothing failed");
    let total: usize = (0..7).map(|partition| mock.values(partition).len()).sum();
    assert_eq!(total, 100);
}

#[tokio::test]
async fn records_without_a_key_go_to_one_partition_after_the_other() {
    let mock = Mock::start(3, 1).await;
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    for n in 0..60 {
        producer.send(OutRecord::new(n.to_string())).await.expect("sent");
    }
    producer.close().await.expect("nothing failed");
    for partition in 0..3 {
        assert!(mock.values(partition).len() >= 10, "partition {partition} got its share");
    }
}

/// No loss, no duplicate, no change of order, whatever gets lost on the way.
async fn ride_out(seed: u64, fates: &'static [Fate]) {
    let mock = Mock::start(1, 2).await;
    let mut random = fastrand::Rng::with_seed(seed);
    mock.on_append(move |_, _, _| match random.usize(0..4) {
        0 => fates[random.usize(0..fates.len())],
        _ => Fate::Serve,
    });
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    for value in 0..150 {
        send(&producer, value).await;
    }
    producer.flush().await.expect("everything is delivered in the end");
    assert_eq!(mock.values(0), numbers(150), "seed {seed}");
}

/// Many seeds at once: they mostly wait.
async fn ride_out_all(fates: &'static [Fate]) {
    let mut runs = tokio::task::JoinSet::new();
    (0..24).for_each(|seed| drop(runs.spawn(ride_out(seed, fates))));
    runs.join_all().await;
}

#[tokio::test]
async fn lost_connections_lose_and_repeat_nothing() {
    ride_out_all(&[Fate::LoseRequest, Fate::LoseAnswer]).await;
}

#[tokio::test]
async fn what_arrives_late_from_a_broken_connection_is_not_twice_there() {
    ride_out_all(&[Fate::ApplyLate, Fate::LoseRequest]).await;
}

#[tokio::test]
async fn refusals_that_may_pass_are_repeated_in_order() {
    const FATES: &[Fate] = &[
        Fate::Refuse(ErrorCode::STORAGE_FULL),
        Fate::Refuse(ErrorCode::OVERLOADED),
        Fate::Refuse(ErrorCode::SHUTTING_DOWN),
        Fate::ApplyAndSay(ErrorCode::PERHAPS_PERSISTED),
        Fate::LoseAnswer,
    ];
    ride_out_all(FATES).await;
}

#[tokio::test]
async fn the_first_batch_refused_does_not_let_the_second_overtake() {
    let mock = Mock::start(1, 1).await;
    mock.on_append(|_, _, n| match n {
        0 => Fate::Refuse(ErrorCode::STORAGE_FULL),
        _ => Fate::Serve,
    });
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    for value in 0..20 {
        send(&producer, value).await;
    }
    producer.flush().await.expect("delivered");
    assert_eq!(mock.values(0), numbers(20));
}

#[tokio::test]
async fn what_the_server_has_is_taken_out_even_where_it_forgot_the_offset() {
    let mock = Mock::start(1, 1).await;
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    send(&producer, 0).await.await.expect("delivered");
    // The next batches are all applied, none is answered.
    mock.on_append(|_, _, n| {
        if n < 5 { Fate::ApplyAndSay(ErrorCode::PERHAPS_PERSISTED) } else { Fate::Serve }
    });
    let mut deliveries = Vec::new();
    for value in 1..40 {
        deliveries.push(send(&producer, value).await);
    }
    mock.change(|world| {
        world.topics.get_mut("events").expect("there").logs[0].forget_all_but_last()
    });
    mock.kill_connections();
    for (value, delivery) in deliveries.into_iter().enumerate() {
        let receipt = delivery.await.expect("delivered");
        assert!(receipt.offset.is_none_or(|offset| offset == value as i64 + 1), "{receipt:?}");
    }
    assert_eq!(mock.values(0), numbers(40));
}

#[tokio::test]
async fn a_batch_that_fails_for_good_does_not_take_the_next_ones_along() {
    let mock = Mock::start(1, 1).await;
    mock.on_append(|_, _, n| match n {
        3 => Fate::Refuse(ErrorCode::INVALID_RECORD),
        _ => Fate::Serve,
    });
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    let mut deliveries = Vec::new();
    for value in 0..100 {
        deliveries.push(send(&producer, value).await);
    }
    let mut delivered = Vec::new();
    let mut failed = 0;
    for (value, delivery) in deliveries.into_iter().enumerate() {
        match delivery.await {
            Ok(_) => delivered.push(value.to_string()),
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
                failed += 1;
            }
        }
    }
    assert!(failed > 0 && failed < 20, "{failed} records were in that batch");
    assert_eq!(mock.values(0), delivered);
    let error = producer.flush().await.expect_err("flush tells of failures");
    assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
    producer.flush().await.expect("once");
}

#[tokio::test]
async fn a_producer_that_the_server_forgot_goes_on() {
    let mock = Mock::start(1, 1).await;
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    send(&producer, 0).await.await.expect("delivered");
    mock.change(|world| world.topics.get_mut("events").expect("there").logs[0].forget_producers());
    mock.kill_connections();
    for value in 1..30 {
        send(&producer, value).await;
    }
    producer.close().await.expect("delivered");
    assert_eq!(mock.values(0), numbers(30));
}

#[tokio::test]
async fn the_time_is_up_at_some_point_and_the_error_says_whether_it_may_be_there() {
    let mock = Mock::start(1, 1).await;
    mock.on_append(|_, _, _| Fate::Refuse(ErrorCode::STORAGE_FULL));
    let config = ProducerConfig { delivery_timeout: Duration::from_millis(50), ..small_batches() };
    let producer = mock.client().await.producer("events", config.clone()).await.expect("open");
    let refused = send(&producer, 0).await.await.expect_err("the disk stays full");
    assert_eq!((refused.class(), refused.code()), (Class::Fatal, Some(ErrorCode::STORAGE_FULL)));

    mock.on_append(|_, _, _| Fate::LoseRequest);
    let lost = send(&producer, 1).await.await.expect_err("connections keep breaking");
    assert_eq!(lost.class(), Class::PerhapsApplied, "{lost}");

    mock.on_append(|_, _, _| Fate::Serve);
    send(&producer, 2).await.await.expect("delivered with the next epoch");
    assert_eq!(mock.values(0), ["2"]);
}

#[tokio::test]
async fn batches_behind_one_given_up_are_never_sent_under_a_new_name_if_they_may_be_there() {
    for seed in 0..10 {
        let mock = Mock::start(1, 1).await;
        let mut random = fastrand::Rng::with_seed(seed);
        mock.on_append(move |_, _, _| match random.usize(0..3) {
            0 => Fate::ApplyLate,
            1 => Fate::LoseAnswer,
            _ => Fate::LoseRequest,
        });
        let config =
            ProducerConfig { delivery_timeout: Duration::from_millis(20), ..small_batches() };
        let producer = mock.client().await.producer("events", config).await.expect("open");
        let mut deliveries = Vec::new();
        for value in 0..30 {
            deliveries.push(send(&producer, value).await);
        }
        let mut fates = Vec::new();
        for delivery in deliveries {
            fates.push(delivery.await);
        }
        mock.on_append(|_, _, _| Fate::Serve);
        send(&producer, 1000).await.await.expect("delivered");

        let values: Vec<usize> =
            mock.values(0).iter().map(|value| value.parse().expect("a number")).collect();
        assert!(values.is_sorted_by(|a, b| a < b), "seed {seed}: {values:?}");
        for (value, fate) in fates.iter().enumerate() {
            match fate {
                Ok(_) => assert!(values.contains(&value), "seed {seed}: {value} was delivered"),
                Err(error) if error.class() != Class::PerhapsApplied => {
                    assert!(!values.contains(&value), "seed {seed}: {value} {error}");
                }
                Err(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_producer_without_idempotence_repeats_rather_than_loses() {
    let mock = Mock::start(1, 1).await;
    mock.on_append(|_, _, n| if n % 7 == 3 { Fate::LoseAnswer } else { Fate::Serve });
    let config = ProducerConfig { idempotent: false, ..small_batches() };
    let producer = mock.client().await.producer("events", config).await.expect("open");
    for value in 0..100 {
        send(&producer, value).await;
    }
    producer.close().await.expect("delivered");
    let mut values = mock.values(0);
    assert!(values.len() > 100, "what was applied and not answered is there twice");
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 100);
}

#[tokio::test]
async fn without_acknowledgements_nothing_is_waited_for() {
    let mock = Mock::start(1, 1).await;
    mock.on_append(
        |_, _, n| if n == 1 { Fate::Refuse(ErrorCode::STORAGE_FULL) } else { Fate::Serve },
    );
    let config = ProducerConfig { acks: Acks::None, ..ProducerConfig::default() };
    let client = mock.client().await;
    let producer = client.producer("events", config).await.expect("open");
    for value in 0..3 {
        let receipt = send(&producer, value).await.await.expect("handed over");
        assert_eq!(receipt.offset, None);
    }
    producer.close().await.expect("nothing failed");
    // A question on the same connection is answered after the appends before it.
    client.ping().await.expect("the server is there");
    assert_eq!(mock.values(0), ["0", "2"]);
}

#[tokio::test]
async fn send_waits_for_room() {
    let mock = Mock::start(1, 1).await;
    mock.on_append(|_, _, _| Fate::Ignore);
    let config = ProducerConfig { buffer_bytes: 1000, ..small_batches() };
    let producer = mock.client().await.producer("events", config).await.expect("open");
    let mut taken = 0;
    let full = loop {
        let record = OutRecord::new(vec![0; 100]).with_partition(0);
        tokio::select! {
            biased;
            sent = producer.send(record) => { sent.expect("sent"); taken += 1; }
            () = std::future::ready(()) => break true,
        }
    };
    assert!(full && (5..10).contains(&taken), "{taken} records of a good 100 bytes");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_once() {
    let mock = Mock::start(2, 1).await;
    let client = mock.client().await;
    let unknown = client.producer("nothing", ProducerConfig::default()).await;
    let unknown = unknown.expect_err("no such topic");
    assert_eq!(unknown.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    let six = ProducerConfig { max_in_flight: 6, ..ProducerConfig::default() };
    assert!(matches!(client.producer("events", six).await, Err(ClientError::Invalid(_))));

    let producer = client.producer("events", ProducerConfig::default()).await.expect("open");
    let sent = producer.send(OutRecord::new("x").with_partition(2)).await;
    assert!(matches!(sent, Err(ClientError::Invalid(_))), "{sent:?}");
    let sent = producer.send(OutRecord::new(vec![0; 1 << 20])).await;
    assert!(matches!(sent, Err(ClientError::Invalid(_))), "{sent:?}");
}

#[tokio::test]
async fn another_server_at_the_same_address_gets_nothing() {
    let mock = Mock::start(1, 1).await;
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    send(&producer, 0).await.await.expect("delivered");
    mock.world().server_id = [8; 16];
    mock.kill_connections();
    let error = send(&producer, 1).await.await.expect_err("another server");
    assert!(matches!(error, ClientError::OtherServer { .. }), "{error}");
    assert_eq!(mock.values(0), ["0"]);
}

#[tokio::test]
async fn a_dropped_producer_tells_that_it_is_closed() {
    let mock = Mock::start(1, 1).await;
    mock.on_append(|_, _, _| Fate::Ignore);
    let producer = mock.client().await.producer("events", small_batches()).await.expect("open");
    let delivery = send(&producer, 0).await;
    drop(producer);
    assert!(matches!(delivery.await, Err(ClientError::Closed)));
}
