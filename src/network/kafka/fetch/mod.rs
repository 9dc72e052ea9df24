//! Fetch, versions 4 to 18: reads batches, and waits a while if there are too few.
//!
//! - Answered at once when there are `min_bytes` in all, when no wait is asked for, when no
//!   partition is, or when one of them has an error; else when there are, or time is over.
//! - Whole batches, from the one that holds the offset. The first non-empty partition gives one
//!   batch at least, whatever the limits; what lies below the materialised end leaves by
//!   `sendfile`, the tail from memory.
//! - The high watermark and the last stable offset are the durable end: nothing beyond is shown.
//! - 7+: [fetch sessions](crate::broker::fetch_sessions), kept by the core that the connection
//!   lives on. In one, the answer leaves out partitions of which there is nothing new.
//! - 9+: a leader epoch that is not that of now is FENCED_ or UNKNOWN_LEADER_EPOCH.
//! - 13+: topics go by id. Replicas are not known; whoever says that it is one is read to as a
//!   consumer.
//! - Partitions of other cores are read there: see [`mod@gather`].

mod gather;

use std::sync::Arc;
use std::time::Duration;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::Records;
use duramen_protocol::kafka::messages::fetch::{FetchableTopicResponse, PartitionData};
use duramen_protocol::kafka::messages::{FetchRequest, FetchResponse};

use crate::broker::catalog::Topic;
use crate::broker::fetch_sessions::{self as sessions, Kind, Place, Standing, TopicName};
use crate::io::{Now, random_bytes};
use crate::limits;
use crate::network::outbox::Chunk;

use super::Ending;
use super::call::{Call, Reply};
use super::partitions::TopicRef;
use gather::{Outcome, Terms, Wanted, gather};

/// The version from which topics go by id.
const TOPIC_IDS: i16 = 13;
/// `isolation_level`: aborted transactions are told.
const READ_COMMITTED: i8 = 1;

pub async fn handle(call: &Call<'_>, request: FetchRequest<'_>) -> Result<Reply, Ending> {
    let (kind, asked) = match begin(call, &request) {
        Ok(begun) => begun,
        Err(error_code) => {
            return call.reply(&FetchResponse { error_code, ..Default::default() });
        }
    };
    let wanted = look_up(call, &asked);
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
    let (session_id, told) = match told(call, kind, &asked, &outcomes)? {
        Ok(told) => told,
        Err((session_id, error_code)) => {
            return call.reply(&FetchResponse { error_code, session_id, ..Default::default() });
        }
    };
    let is_committed_only = request.isolation_level == READ_COMMITTED;
    respond(call, is_committed_only, session_id, asked.iter().zip(outcomes).zip(told))
}

/// What the request is, as far as sessions go, and all partitions that it wants read.
fn begin(
    call: &Call<'_>,
    request: &FetchRequest<'_>,
) -> Result<(Kind, Vec<sessions::Wanted>), ErrorCode> {
    let by_id = call.version() >= TOPIC_IDS;
    let name = |name: &str, id: TopicId| match by_id {
        true => TopicName::Id(id),
        false => TopicName::Name(name.into()),
    };
    let mut named = Vec::new();
    for topic in &request.topics {
        let topic_name = name(topic.topic, topic.topic_id);
        named.extend(topic.partitions.iter().map(|asked| sessions::Wanted {
            place: Place { topic: topic_name.clone(), partition: asked.partition },
            offset: asked.fetch_offset,
            max_bytes: asked.partition_max_bytes,
            leader_epoch: asked.current_leader_epoch,
        }));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let topic_name = name(topic.topic, topic.topic_id);
        let place = |&partition| Place { topic: topic_name.clone(), partition };
        forgotten.extend(topic.partitions.iter().map(place));
    }
    let session = (request.session_id, request.session_epoch);
    let mut sessions = call.local.fetch_sessions.borrow_mut();
    sessions.begin(session, by_id, named, &forgotten, Now::read())
}

/// Looks up what is asked for; each topic once, where its partitions follow each other.
fn look_up(call: &Call<'_>, asked: &[sessions::Wanted]) -> Vec<Wanted> {
    let catalog = call.local.catalog();
    let mut wanted = Vec::with_capacity(asked.len());
    for asked in asked.chunk_by(|a, b| a.place.topic == b.place.topic) {
        let topic = match &asked[0].place.topic {
            TopicName::Name(name) => TopicRef::Name(name).find(&catalog),
            TopicName::Id(id) => TopicRef::Id(*id).find(&catalog),
        };
        wanted.extend(asked.iter().map(|asked| want(call, topic, asked)));
    }
    wanted
}

fn want(
    call: &Call<'_>,
    topic: Result<&Arc<Topic>, ErrorCode>,
    asked: &sessions::Wanted,
) -> Wanted {
    let offset = u64::try_from(asked.offset);
    let target = topic.and_then(|topic| {
        let target = call.target(topic, asked.place.partition)?;
        call.check_leader_epoch(asked.leader_epoch)?;
        offset.map_err(|_| ErrorCode::OFFSET_OUT_OF_RANGE)?;
        Ok(target)
    });
    let max_bytes = asked.max_bytes.max(0) as u32;
    Wanted { target, offset: offset.unwrap_or_default(), max_bytes }
}

/// The id of the session that goes on, 0 for none, and whether each partition has to be told.
type Told = (i32, Vec<bool>);

/// Goes on with the session, or begins one; or the session's id, and what is wrong with it.
fn told(
    call: &Call<'_>,
    kind: Kind,
    asked: &[sessions::Wanted],
    outcomes: &[Outcome],
) -> Result<Result<Told, (i32, ErrorCode)>, Ending> {
    let mut sessions = call.local.fetch_sessions.borrow_mut();
    let standings = outcomes.iter().map(standing);
    let all = vec![true; asked.len()];
    Ok(match kind {
        Kind::Alone => Ok((0, all)),
        Kind::Full => {
            let mut bytes = [0; 256];
            random_bytes(&mut bytes)?;
            let ids = bytes
                .chunks_exact(4)
                .map(|id| i32::from_be_bytes(id.try_into().unwrap_or_default()) & i32::MAX);
            Ok((sessions.create(asked.iter().cloned().zip(standings), Now::read(), ids), all))
        }
        Kind::Incremental(ongoing) => match sessions.tell(&ongoing, standings) {
            Ok(told) => Ok((ongoing.id, told)),
            Err(code) => Err((ongoing.id, code)),
        },
    })
}

fn standing(outcome: &Outcome) -> Standing {
    match outcome {
        Ok(found) => Standing {
            is_error: false,
            any_records: found.bytes > 0,
            high_watermark: found.durable as i64,
            log_start: found.log_start as i64,
        },
        Err(_) => {
            Standing { is_error: true, any_records: false, high_watermark: -1, log_start: -1 }
        }
    }
}

fn respond<'a>(
    call: &Call<'_>,
    is_committed_only: bool,
    session_id: i32,
    partitions: impl Iterator<Item = ((&'a sessions::Wanted, Outcome), bool)>,
) -> Result<Reply, Ending> {
    let mut records = Vec::new();
    let mut responses: Vec<FetchableTopicResponse<'_>> = Vec::new();
    let mut last: Option<&TopicName> = None;
    for ((asked, outcome), is_told) in partitions {
        if !is_told {
            continue;
        }
        let place = &asked.place;
        if last != Some(&place.topic) {
            last = Some(&place.topic);
            let (topic, topic_id) = match &place.topic {
                TopicName::Name(name) => (&**name, TopicId::ZERO),
                TopicName::Id(id) => ("", *id),
            };
            responses.push(FetchableTopicResponse { topic, topic_id, partitions: Vec::new() });
        }
        let aborted_transactions = is_committed_only.then(Vec::new);
        let data = partition(place.partition, outcome, &mut records);
        let data = PartitionData { aborted_transactions, ..data };
        if let Some(topic) = responses.last_mut() {
            topic.partitions.push(data);
        }
    }
    let response = FetchResponse { session_id, responses, ..Default::default() };
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
