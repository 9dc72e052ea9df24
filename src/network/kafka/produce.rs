//! Produce, versions 0 to 13: appends batches, answered once they are durable.
//!
//! - 0 to 2 are there to be refused with UNSUPPORTED_VERSION: old clients look for them in the
//!   table before they compress.
//! - Exactly one batch a partition, in the format of version 2; others are INVALID_RECORD. A batch
//!   is checked, stamped and stored as it came, whatever its codec.
//! - acks 1 is answered like acks -1. With acks 0 there is no answer, and where something went
//!   wrong the connection is closed, so that the client learns of it.
//! - A topic that is not there is made, where `auto.create.topics.enable` allows it and the version
//!   has names. The server's own topics are INVALID_TOPIC_EXCEPTION.
//! - zstd before version 7 is UNSUPPORTED_COMPRESSION_TYPE; transactions are not known yet.
//! - A duplicate gets the answer of its original, and like that no time where the topic keeps the
//!   producers'. (Kafka gives the batch's largest timestamp there, which Java's client then takes for
//!   that of each record.)
//! - 8+: a message says what is wrong, and the number of the record if it is one record's fault.
//! - The batches are handed to their partitions in the order in which they came, across all
//!   requests of the connection.

use std::rc::Rc;

use bytes::Bytes;
use duramen_protocol::TopicId;
use duramen_protocol::batch::{BatchHeader, Codec};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::Frames;
use duramen_protocol::kafka::messages::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, TopicProduceData,
    TopicProduceResponse,
};
use duramen_protocol::kafka::messages::{ProduceRequest, ProduceResponse};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::broker::Refusal;
use crate::limits;
use crate::shard::error::AskError;
use crate::shard::request::{Answer, Ask, At};

use super::Ending;
use super::call::{Call, Reply};
use super::errors::{code_of, record_of};
use super::partitions::{Target, TopicRef};

/// The version from which topics go by id.
const TOPIC_IDS: i16 = 13;
/// The first version that is more than refused.
const FIRST_VERSION: i16 = 3;
/// The version from which clients know zstd.
const ZSTD: i16 = 7;

/// A produce request whose batches are on their way.
pub struct Appending {
    correlation_id: i32,
    version: i16,
    is_silent: bool,
    bytes: usize,
    topics: Vec<AppendingTopic>,
}

struct AppendingTopic {
    name: Rc<str>,
    topic_id: TopicId,
    partitions: Vec<(i32, Part)>,
}

/// One batch of it.
enum Part {
    Refused(Fault),
    Waiting {
        answer: oneshot::Receiver<Result<Answer, AskError>>,
        /// Its share of what may be under way to other cores.
        _room: Option<OwnedSemaphorePermit>,
    },
}

/// Why a batch was not appended.
struct Fault {
    code: ErrorCode,
    message: Option<String>,
    record: Option<(i32, String)>,
}

/// What came of a batch.
type Outcome = Result<Appended, Fault>;

struct Appended {
    base_offset: u64,
    log_append_time_ms: Option<i64>,
    log_start: u64,
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Fault {
        Fault { code, message: None, record: None }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault { code: refusal.code.for_kafka(), message: Some(refusal.message), record: None }
    }
}

impl From<&AskError> for Fault {
    fn from(error: &AskError) -> Fault {
        let (code, record) = (code_of(error), record_of(error));
        Fault { code, message: Some(error.to_string()), record }
    }
}

/// Hands the batches of a request to their partitions. Returns once they are on their way, in the
/// order of the calls.
pub async fn submit(call: &Call<'_>, request: ProduceRequest<'_>, frame: &Bytes) -> Appending {
    let refused = refusal(call, &request);
    let mut topics = Vec::with_capacity(request.topic_data.len());
    for topic in &request.topic_data {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in &topic.partition_data {
            let part = match refused {
                Some(code) => Part::Refused(code.into()),
                None => submit_batch(call, topic, data, frame).await,
            };
            partitions.push((data.index, part));
        }
        topics.push(AppendingTopic {
            name: topic.name.into(),
            topic_id: topic.topic_id,
            partitions,
        });
    }
    Appending {
        correlation_id: call.header.correlation_id,
        version: call.version(),
        is_silent: request.acks == 0,
        bytes: frame.len(),
        topics,
    }
}

/// Why nothing of a request can be appended.
fn refusal(call: &Call<'_>, request: &ProduceRequest<'_>) -> Option<ErrorCode> {
    if call.version() < FIRST_VERSION {
        return Some(ErrorCode::UNSUPPORTED_VERSION);
    }
    if !(-1..=1).contains(&request.acks) {
        return Some(ErrorCode::INVALID_REQUIRED_ACKS);
    }
    // There are no transactions yet, so nobody may have this one.
    request.transactional_id.map(|_| ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
}

async fn submit_batch(
    call: &Call<'_>,
    topic: &TopicProduceData<'_>,
    data: &PartitionProduceData<'_>,
    frame: &Bytes,
) -> Part {
    let target = match target(call, topic, data.index).await {
        Ok(target) => target,
        Err(fault) => return Part::Refused(fault),
    };
    // No records are no batch, which the check says in its own words.
    let bytes = data.records.bytes().unwrap_or_default();
    if call.version() < ZSTD && is_zstd(bytes) {
        return Part::Refused(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE.into());
    }
    let batch = if bytes.is_empty() { Bytes::new() } else { frame.slice_ref(bytes) };
    let room = match target.core == call.local.core {
        true => None,
        false => room_to_forward(call, batch.len()).await,
    };
    let ask = Ask::Append { at: At::Key(target.key), batch, silent: false };
    Part::Waiting { answer: call.local.submit(target.core, ask).await, _room: room }
}

/// Waits until so many bytes may be sent on to another core.
async fn room_to_forward(call: &Call<'_>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = bytes.min(limits::FORWARDED_BYTES) as u32;
    // It is never closed.
    call.local.forwarding.clone().acquire_many_owned(bytes).await.ok()
}

async fn target(
    call: &Call<'_>,
    asked: &TopicProduceData<'_>,
    partition: i32,
) -> Result<Target, Fault> {
    let catalog = call.local.catalog();
    let named = TopicRef::by_version(call.version(), TOPIC_IDS, asked.name, asked.topic_id);
    let topic = match (named.find(&catalog), named) {
        (Ok(topic), _) => topic.clone(),
        (Err(_), TopicRef::Name(name)) => {
            call.create_on_demand(name).await.map_err(|mut refusal| {
                // What can't be a topic's name is, for a produce, a topic that is not there.
                if refusal.code == ErrorCode::INVALID_TOPIC_EXCEPTION {
                    refusal.code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                }
                refusal
            })?
        }
        (Err(code), TopicRef::Id(_)) => return Err(code.into()),
    };
    if topic.is_internal() {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION.into());
    }
    Ok(call.target(&topic, partition)?)
}

fn is_zstd(batch: &[u8]) -> bool {
    let header = BatchHeader::parse(batch);
    header.is_ok_and(|header| header.attributes.codec() == Ok(Codec::Zstd))
}

impl Appending {
    /// Bytes of the request.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits until all of it is durable or refused, and gives the answer, if one is wanted. Calls
    /// `before_wait` when that takes more than what is there already.
    ///
    /// # Errors
    /// When no answer is wanted and something went wrong.
    pub async fn answer(self, before_wait: impl FnOnce()) -> Result<Option<Reply>, Ending> {
        let mut before_wait = Some(before_wait);
        let mut topics = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut outcomes = Vec::with_capacity(topic.partitions.len());
            for (index, part) in topic.partitions {
                outcomes.push((index, part.outcome(&mut before_wait).await));
            }
            topics.push((topic.name, topic.topic_id, outcomes));
        }
        if self.is_silent {
            let faults = topics.iter().flat_map(|(.., outcomes)| outcomes);
            let fault = faults.filter_map(|(_, outcome)| outcome.as_ref().err()).next();
            return match fault {
                None => Ok(None),
                Some(fault) => Err(Ending::Refused(format!("a produce with acks=0: {fault}"))),
            };
        }
        let responses = topics.iter().map(|(name, topic_id, outcomes)| TopicProduceResponse {
            name,
            topic_id: *topic_id,
            partition_responses: outcomes.iter().map(respond).collect(),
        });
        let response = ProduceResponse { responses: responses.collect(), ..Default::default() };
        let mut frames = Frames::default();
        frames.push_response(self.correlation_id, self.version, &response)?;
        Ok(Some(frames.into()))
    }
}

impl Part {
    async fn outcome(self, before_wait: &mut Option<impl FnOnce()>) -> Outcome {
        let mut answer = match self {
            Part::Refused(fault) => return Err(fault),
            Part::Waiting { answer, .. } => answer,
        };
        let result = match answer.try_recv() {
            Ok(result) => result,
            Err(oneshot::error::TryRecvError::Closed) => Err(AskError::ShuttingDown),
            Err(oneshot::error::TryRecvError::Empty) => {
                before_wait.take().into_iter().for_each(|before_wait| before_wait());
                answer.await.unwrap_or(Err(AskError::ShuttingDown))
            }
        };
        match result {
            Ok(Answer::Appended { base_offset, log_append_time_ms, log_start, .. }) => {
                Ok(Appended { base_offset, log_append_time_ms, log_start })
            }
            Ok(other) => unreachable!("an append was answered with {other:?}"),
            Err(error) => Err(Fault::from(&error)),
        }
    }
}

fn respond((index, outcome): &(i32, Outcome)) -> PartitionProduceResponse<'_> {
    let index = *index;
    match outcome {
        Ok(appended) => PartitionProduceResponse {
            index,
            base_offset: appended.base_offset as i64,
            log_append_time_ms: appended.log_append_time_ms.unwrap_or(-1),
            log_start_offset: appended.log_start as i64,
            ..Default::default()
        },
        Err(fault) => PartitionProduceResponse {
            index,
            error_code: fault.code,
            base_offset: -1,
            error_message: fault.message.as_deref(),
            record_errors: Vec::from_iter(fault.record.as_ref().map(|(batch_index, message)| {
                let batch_index_error_message = Some(message.as_str());
                BatchIndexAndErrorMessage { batch_index: *batch_index, batch_index_error_message }
            })),
            ..Default::default()
        },
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message),
            None => f.write_str(self.code.text()),
        }
    }
}
