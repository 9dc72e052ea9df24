//! What a topic holds in the end, held against what was promised.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use duramen_protocol::client::{Client, Start};

use super::load::{Report, Shown};
use super::server::{Ended, run};

/// Runs a client's future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// All records of a topic, by partition and in order, as a consumer gets them; gaps are not
/// expected.
pub fn consume_all(address: SocketAddr, topic: &str) -> Shown {
    block_on(async {
        let client = Client::connect(address.to_string()).await.unwrap();
        let consumer = client.consumer(topic).start(Start::Beginning).until_end();
        let mut consumer = consumer.open().await.unwrap();
        let mut records = Shown::new();
        while let Some(record) = consumer.next().await.unwrap() {
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            records.entry(record.partition).or_default().push((record.offset, value));
        }
        records
    })
}

/// How many records a topic holds that nothing was deleted from.
pub fn count(address: SocketAddr, topic: &str) -> i64 {
    block_on(async {
        let client = Client::connect(address.to_string()).await.unwrap();
        let partitions = client.describe_topic(topic).await.unwrap().partitions;
        partitions.iter().map(|partition| partition.durable_end).sum()
    })
}

/// Fails unless the offsets of each partition are 0, 1, 2, ...
pub fn are_dense(records: &Shown) {
    for (partition, records) in records {
        for (expected, (offset, value)) in (0..).zip(records) {
            assert_eq!(*offset, expected, "partition {partition}: {value}");
        }
    }
}

/// Fails unless every promise was kept: each acknowledged record is there, once, where it was said
/// to be, and each producer's records are in the order in which they were sent. What an idempotent
/// producer sent is all acknowledged in the end, so there must be nothing else of it.
pub fn promises_are_kept(records: &Shown, reports: &[Report]) {
    let mut places: HashMap<&str, (u32, i64)> = HashMap::new();
    for (partition, records) in records {
        for (offset, value) in records {
            let before = places.insert(value, (*partition, *offset));
            assert_eq!(before, None, "{value:.20} is there twice, also at {partition} {offset}");
        }
    }
    for report in reports {
        for promise in &report.promises {
            let place = places.get(promise.value.as_str());
            let Some(&(partition, offset)) = place else { panic!("lost: {promise:.60?}") };
            assert_eq!(partition, promise.partition, "{promise:.60?}");
            assert_eq!(offset, promise.offset.unwrap_or(offset), "{promise:.60?}");
        }
        in_order(records, report);
    }
}

/// Fails unless a producer's records are in order, and an idempotent one's are no more than it was
/// promised.
fn in_order(records: &Shown, report: &Report) {
    let mut found = 0;
    for (partition, records) in records {
        let numbers = records.iter().filter_map(|(_, value)| number(value, &report.name));
        let numbers: Vec<u64> = numbers.collect();
        assert!(numbers.is_sorted(), "{} in partition {partition}: {numbers:?}", report.name);
        found += numbers.len();
    }
    if report.idempotent {
        assert_eq!(found, report.promises.len(), "records of {}", report.name);
    }
}

/// A record's number, if it is that producer's.
fn number(value: &str, name: &str) -> Option<u64> {
    let mut words = value.split(' ');
    (words.next() == Some(name)).then(|| words.next().unwrap().parse().unwrap())
}

/// Fails unless everything that was shown is still there, unchanged, and nothing was left out.
pub fn is_prefix(shown: &Shown, records: &Shown) {
    for (partition, shown) in shown {
        let records = &records[partition];
        for (n, (shown, there)) in shown.iter().zip(records).enumerate() {
            assert!(shown == there, "partition {partition}, record {n}: {shown:?}, now {there:?}");
        }
        assert!(shown.len() <= records.len(), "partition {partition}: some have vanished");
    }
}

/// Runs `duramen verify`.
pub fn verify(path: &Path) -> Ended {
    run(Command::new(env!("CARGO_BIN_EXE_duramen")).arg("verify").arg(path))
}

/// Fails unless `duramen verify` finds a data directory whole.
pub fn is_whole(data: &Path) {
    let ended = verify(data);
    assert_eq!(ended.status.code(), Some(0), "{}{}", ended.stdout, ended.stderr);
}
