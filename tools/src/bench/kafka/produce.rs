//! Produce: one batch of one partition a request.
//!
//! ```text
//! length | api 0, version, correlation | client | acks, timeout, topic, partition, length of records
//!                          └ the slot                                                 | batch | tags
//! ```
//! Only the correlation differs between two frames of one partition whose batches are of one
//! length, so the head is made once.

use std::net::TcpStream;

use bytes::Bytes;
use duramen_protocol::TopicId;
use duramen_protocol::kafka::messages::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use duramen_protocol::kafka::{ApiKey, Frames, Message, Records, ResponseHeader};
use duramen_protocol::wire::Reader;

use super::connection::{CLIENT_ID, Connection};
use super::frames::Answers;
use super::topics::{describe_on, expect};
use crate::bench::error::{BenchError, Result};
use crate::bench::load::dialect::{Acknowledged, Acks, Dialect, Frame, Opening};

/// How long replicas may take.
const TIMEOUT_MS: i32 = 30_000;
/// Where a frame has its correlation: behind length, API and version.
const CORRELATION: std::ops::Range<usize> = 8..12;
/// The tagged fields that a flexible request ends with, those of partition, topic and request:
/// none. There is room for more, should a version end with more.
const NO_TAGS: &[u8] = &[0; 8];

/// A connection's partitions.
#[derive(Debug)]
pub(crate) struct Kafka {
    topic: String,
    /// For versions that go by it.
    topic_id: TopicId,
    acks: i16,
    version: i16,
    partitions: Vec<Partition>,
    answers: Answers,
}

#[derive(Debug)]
struct Partition {
    index: i32,
    /// Heads that were made already, by the bytes of their batches.
    heads: Vec<(usize, Head)>,
}

/// What stands before and behind a batch.
#[derive(Clone, Debug)]
struct Head {
    bytes: Vec<u8>,
    tail: &'static [u8],
}

impl Dialect for Kafka {
    type Head = Vec<u8>;

    fn open(opening: &Opening<'_>) -> Result<(TcpStream, Kafka)> {
        let mut connection = Connection::connect(opening.home.address)?;
        let version = connection.versions().common(ApiKey::Produce)?;
        let topic_id = describe_on(&mut connection, opening.topic)?.id;
        let partition = |&index: &u32| Partition { index: index as i32, heads: Vec::new() };
        let kafka = Kafka {
            topic: opening.topic.to_owned(),
            topic_id,
            acks: match opening.acks {
                Acks::All => -1,
                Acks::Leader => 1,
                Acks::None => 0,
            },
            version,
            partitions: opening.partitions.iter().map(partition).collect(),
            answers: Answers::default(),
        };
        Ok((connection.into_stream(), kafka))
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn frame(&mut self, slot: Option<u32>, index: usize, batch: &Bytes) -> Result<Frame<Vec<u8>>> {
        let len = batch.len();
        let known = self.partitions[index].heads.iter().find(|(known, _)| *known == len);
        let Head { bytes: mut head, tail } = match known {
            Some((_, head)) => head.clone(),
            None => {
                let made = self.head(self.partitions[index].index, len)?;
                self.partitions[index].heads.push((len, made.clone()));
                made
            }
        };
        head[CORRELATION].copy_from_slice(&slot.unwrap_or(0).to_be_bytes());
        Ok(Frame { head, batch: batch.clone(), tail })
    }

    fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Acknowledged) -> Result<()>,
    ) -> Result<()> {
        let Kafka { answers, topic, version, .. } = self;
        answers.feed(bytes, &mut |answer| sink(acknowledged(answer, *version, topic)?))
    }
}

impl Kafka {
    fn head(&self, index: i32, batch_len: usize) -> Result<Head> {
        let records = Records::Elsewhere(batch_len);
        let topic = TopicProduceData {
            name: &self.topic,
            topic_id: self.topic_id,
            partition_data: vec![PartitionProduceData { index, records }],
        };
        let request = ProduceRequest {
            transactional_id: None,
            acks: self.acks,
            timeout_ms: TIMEOUT_MS,
            topic_data: vec![topic],
        };
        let mut frames = Frames::default();
        frames.push_request(0, Some(CLIENT_ID), self.version, &request)?;
        let at = frames.holes().first().map_or(frames.bytes().len(), |hole| hole.at);
        let (bytes, tail) = frames.bytes().split_at(at);
        match NO_TAGS.get(..tail.len()) {
            Some(tags) if tags == tail => Ok(Head { bytes: bytes.to_vec(), tail: tags }),
            _ => Err(BenchError::Connection(format!("Produce v{} ends otherwise", self.version))),
        }
    }
}

/// The answer to a request of one batch.
fn acknowledged(answer: &[u8], version: i16, topic: &str) -> Result<Acknowledged> {
    let mut from = Reader::new(answer);
    let header = ResponseHeader::decode(&mut from, ApiKey::Produce, version)?;
    let answer = ProduceResponse::decode(&mut from, version)?;
    let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let (Some(partition), None) = (partitions.next(), partitions.next()) else {
        let what = format!("Produce of one batch to {topic} was answered with {answer:?}");
        return Err(BenchError::Connection(what));
    };
    let what = || format!("Produce to {topic}-{}", partition.index);
    expect(partition.error_code, partition.error_message, what)?;
    Ok(Acknowledged { slot: header.correlation_id as u32, base_offset: partition.base_offset })
}
