//! Fetch, versions 4 to 18: reads batches, and waits a while if there are too few.
//!
//! - Answered at once when there are `min_bytes` in all, when no wait is asked for, when no
//!   partition is, or when one of them has an error; else when there are, or time is over.
//! - Whole batches, from the one that holds the offset. The first non-empty partition gives one
//!   batch at least, whatever the limits; what lies below the materialised end leaves by
//!   `sendfile`, the tail from memory.
//! - The high watermark and the last stable offset are the durable end: nothing beyond is shown.
//! - 7+: fetch sessions are declined: the session id is always 0 and every partition that was asked
//!   for is in the answer.
//! - 9+: a leader epoch that is not that of now is FENCED_ or UNKNOWN_LEADER_EPOCH.
//! - 13+: topics go by id. Replicas are not known; whoever says that it is one is read to as a
//!   consumer.
//! - Partitions of other cores are read there: at first one core after the other, then, if there is
//!   too little, on all of them at once until the first has something.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::Records;
use duramen_protocol::kafka::messages::fetch::{
    FetchPartition, FetchTopic, FetchableTopicResponse, PartitionData,
};
use duramen_protocol::kafka::messages::{FetchRequest, FetchResponse};
use tokio::time::Instant;

use crate::broker::catalog::Catalog;
use crate::limits;
use crate::network::local::{LocatedRecords, PartitionRecords};
use crate::network::outbox::Chunk;
use crate::shard::error::AskError;
use crate::shard::request::{PartitionRead, ReadMany};

use super::Ending;
use super::call::{Call, Reply};
use super::errors::code_of;
use super::partitions::{Target, TopicRef};

/// The version from which topics go by id.
const TOPIC_IDS: i16 = 13;
/// `isolation_level`: aborted transactions are told.
const READ_COMMITTED: i8 = 1;

/// A partition that was asked for, in the order of the request.
struct Wanted {
    target: Result<Target, ErrorCode>,
    offset: u64,
    max_bytes: u32,
}

/// What was found of each.
type Outcome = Result<LocatedRecords, ErrorCode>;

/// What a fetch waits for.
#[derive(Clone, Copy)]
struct Terms {
    min_bytes: u32,
    max_bytes: u32,
    max_wait: Duration,
}

pub async fn handle(call: &Call<'_>, request: FetchRequest<'_>) -> Result<Reply, Ending> {
    if request.session_id != 0 {
        let error_code = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
        return call.reply(&FetchResponse { error_code, ..Default::default() });
    }
    let wanted = wanted(call, &request);
    let mut terms = Terms {
        min_bytes: request.min_bytes.max(0) as u32,
        max_bytes: (request.max_bytes.max(1) as u32).min(limits::KAFKA_FETCH_BYTES),
        max_wait: Duration::from_millis(
            u64::from(request.max_wait_ms.max(0) as u32).min(u64::from(limits::READ_WAIT_MS)),
        ),
    };
    if wanted.iter().any(|wanted| wanted.target.is_err()) {
        terms.max_wait = Duration::ZERO;
    }
    let outcomes = gather(call, &wanted, terms).await;
    respond(call, &request, outcomes)
}

fn wanted(call: &Call<'_>, request: &FetchRequest<'_>) -> Vec<Wanted> {
    let catalog = call.local.catalog();
    let of_topic = |topic: &FetchTopic<'_>| {
        let named = TopicRef::by_version(call.version(), TOPIC_IDS, topic.topic, topic.topic_id);
        let wanted = |partition| want(call, &catalog, named, partition);
        topic.partitions.iter().map(wanted).collect::<Vec<_>>()
    };
    request.topics.iter().flat_map(of_topic).collect()
}

fn want(call: &Call<'_>, catalog: &Catalog, named: TopicRef<'_>, asked: &FetchPartition) -> Wanted {
    let offset = u64::try_from(asked.fetch_offset);
    let target = named
        .find(catalog)
        .and_then(|topic| call.target(topic, asked.partition))
        .and_then(|target| {
            call.check_leader_epoch(asked.current_leader_epoch)?;
            offset.map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
            Ok(target)
        });
    let max_bytes = asked.partition_max_bytes.max(0) as u32;
    Wanted { target, offset: offset.unwrap_or_default(), max_bytes }
}

/// Reads until there is enough.
async fn gather(call: &Call<'_>, wanted: &[Wanted], terms: Terms) -> Vec<Outcome> {
    let mut by_core: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (index, wanted) in wanted.iter().enumerate() {
        if let Ok(target) = wanted.target {
            by_core.entry(target.core).or_default().push(index);
        }
    }
    if by_core.len() <= 1 {
        return read_all(call, wanted, &by_core, terms).await;
    }
    let end = Instant::now() + terms.max_wait;
    let mut before = None;
    loop {
        let at_once = Terms { max_wait: Duration::ZERO, ..terms };
        let outcomes = read_all(call, wanted, &by_core, at_once).await;
        let bytes: usize = outcomes.iter().flatten().map(|records| records.bytes).sum();
        let is_error = outcomes.iter().any(Result::is_err);
        // No more than before, though something came: a bound cuts it short.
        let enough = bytes >= terms.min_bytes as usize || is_error || before == Some(bytes);
        let left = end.saturating_duration_since(Instant::now());
        if enough || left.is_zero() || call.local.is_stopping() {
            return outcomes;
        }
        before = Some(bytes);
        let left = Terms { max_wait: left, ..terms };
        wait_for_more(call, wanted, &by_core, &outcomes, left).await;
    }
}

/// Reads on one core after the other, each with what is left of the bytes.
async fn read_all(
    call: &Call<'_>,
    wanted: &[Wanted],
    by_core: &BTreeMap<u16, Vec<usize>>,
    terms: Terms,
) -> Vec<Outcome> {
    let unread = |wanted: &Wanted| match wanted.target {
        Ok(_) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => Err(code),
    };
    let mut outcomes: Vec<Outcome> = wanted.iter().map(unread).collect();
    let mut left = terms;
    for (&core, indexes) in by_core {
        let read = read_many(wanted, indexes, left);
        let found = call.local.read_many(core, read).await;
        for (&index, found) in indexes.iter().zip(spread(found, indexes.len())) {
            if let Ok(records) = &found {
                left.max_bytes = left.max_bytes.saturating_sub(records.bytes as u32);
            }
            outcomes[index] = found.map_err(|error| complain(call, &error));
        }
    }
    outcomes
}

/// Waits until a core has more than it gave.
async fn wait_for_more(
    call: &Call<'_>,
    wanted: &[Wanted],
    by_core: &BTreeMap<u16, Vec<usize>>,
    outcomes: &[Outcome],
    left: Terms,
) {
    let mut waits = Vec::with_capacity(by_core.len());
    for (&core, indexes) in by_core {
        let had: usize =
            indexes.iter().filter_map(|&i| Some(outcomes[i].as_ref().ok()?.bytes)).sum();
        // A byte more than it gave is something new.
        let terms = Terms { min_bytes: had as u32 + 1, ..left };
        waits.push(Box::pin(call.local.read_many(core, read_many(wanted, indexes, terms))));
    }
    // What it has is read again with what the others have.
    drop(first_of(waits).await);
}

/// The read of the partitions at these places, all of which were found.
fn read_many(wanted: &[Wanted], indexes: &[usize], terms: Terms) -> ReadMany {
    let of_place = |&index: &usize| {
        let Wanted { target, offset, max_bytes } = &wanted[index];
        let key = target.as_ref().ok()?.key;
        Some(PartitionRead { key, offset: *offset, max_bytes: *max_bytes })
    };
    let partitions = indexes.iter().filter_map(of_place).collect();
    let Terms { min_bytes, max_bytes, max_wait } = terms;
    let max_wait_ms = u32::try_from(max_wait.as_millis()).unwrap_or(u32::MAX);
    ReadMany { partitions, min_bytes, max_bytes, max_wait_ms }
}

/// Waits for the first of several; the others are dropped.
async fn first_of<F: Future>(mut futures: Vec<Pin<Box<F>>>) -> F::Output {
    std::future::poll_fn(|context| {
        for future in &mut futures {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

/// The answer of a core, for each partition; where there is none, the error for each.
fn spread(
    found: Result<Vec<PartitionRecords>, AskError>,
    partitions: usize,
) -> Vec<PartitionRecords> {
    match found {
        Ok(found) => found,
        Err(error) => (0..partitions).map(|_| Err(error.clone())).collect(),
    }
}

fn complain(call: &Call<'_>, error: &AskError) -> ErrorCode {
    if let AskError::Io(_) | AskError::Corrupt { .. } = error {
        eprintln!("duramen: a fetch by {}: {error}", call.peer);
    }
    code_of(error)
}

fn respond(
    call: &Call<'_>,
    request: &FetchRequest<'_>,
    outcomes: Vec<Outcome>,
) -> Result<Reply, Ending> {
    let mut outcomes = outcomes.into_iter();
    let mut records = Vec::new();
    let aborted = (request.isolation_level == READ_COMMITTED).then(Vec::new);
    let mut responses = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().zip(outcomes.by_ref());
        let partitions = partitions.map(|(asked, outcome)| {
            let aborted_transactions = aborted.clone();
            let data = partition(asked.partition, outcome, &mut records);
            PartitionData { aborted_transactions, ..data }
        });
        responses.push(FetchableTopicResponse {
            topic: topic.topic,
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
        });
    }
    let response = FetchResponse { responses, ..Default::default() };
    Ok(call.reply(&response)?.with_records(records))
}

fn partition(
    partition_index: i32,
    outcome: Outcome,
    records: &mut Vec<Vec<Chunk>>,
) -> PartitionData<'static> {
    let found = match outcome {
        Ok(found) => found,
        Err(error_code) => {
            let high_watermark = -1;
            return PartitionData {
                partition_index,
                error_code,
                high_watermark,
                ..Default::default()
            };
        }
    };
    if found.bytes > 0 {
        records.push(found.chunks);
    }
    PartitionData {
        partition_index,
        high_watermark: found.durable as i64,
        last_stable_offset: found.durable as i64,
        log_start_offset: found.log_start as i64,
        records: Records::Elsewhere(found.bytes),
        ..Default::default()
    }
}
