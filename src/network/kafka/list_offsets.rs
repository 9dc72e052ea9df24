//! ListOffsets, versions 1 to 11: finds offsets by time, or the ends of partitions.
//!
//! - A time gives the first record that is not older, with its own time; -1 where there is none.
//! - -1: the durable end, whatever the isolation level: there are no transactions yet. -2 and -4:
//!   the start. -3: the record of the largest timestamp. -5 and -6, of what is tiered: nothing.
//!   Other negative numbers are UNSUPPORTED_VERSION, as in Kafka.
//! - 4+: a leader epoch that is not that of now is refused. The epoch of what is found is left open.
//! - Partitions of other cores are asked there.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use duramen_protocol::kafka::messages::{ListOffsetsRequest, ListOffsetsResponse};
use duramen_protocol::native::messages::OffsetQuery;

use crate::shard::request::{Answer, Ask, At};

use super::Ending;
use super::call::{Call, Reply};
use super::partitions::{Question, TopicRef};

pub async fn handle(call: &Call<'_>, request: ListOffsetsRequest<'_>) -> Result<Reply, Ending> {
    let mut questions = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut of_topic = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            of_topic.push(ask(call, TopicRef::Name(topic.name), asked).await);
        }
        questions.push(of_topic);
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for (topic, questions) in request.topics.iter().zip(questions) {
        let mut partitions = Vec::with_capacity(questions.len());
        for (asked, question) in topic.partitions.iter().zip(questions) {
            partitions.push(respond(asked.partition_index, question.answer().await));
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    call.reply(&ListOffsetsResponse { topics, ..Default::default() })
}

async fn ask(call: &Call<'_>, topic: TopicRef<'_>, asked: &ListOffsetsPartition) -> Question {
    let query = match asked.timestamp {
        -1 => OffsetQuery::Latest,
        -2 | -4 => OffsetQuery::Earliest,
        -3 => OffsetQuery::MaxTimestamp,
        // Nothing is tiered.
        -5 | -6 => return Question::Settled(Ok(Answer::Found(None))),
        ..=-7 => return Question::Settled(Err(ErrorCode::UNSUPPORTED_VERSION)),
        timestamp_ms => OffsetQuery::Timestamp(timestamp_ms),
    };
    if let Err(code) = call.check_leader_epoch(asked.current_leader_epoch) {
        return Question::Settled(Err(code));
    }
    call.ask_partition(topic, asked.partition_index, |key| Ask::FindOffset {
        at: At::Key(key),
        query,
    })
    .await
}

fn respond(
    partition_index: i32,
    answer: Result<Answer, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let nothing = ListOffsetsPartitionResponse { partition_index, ..Default::default() };
    match answer {
        Ok(Answer::Found(Some((offset, timestamp)))) => {
            ListOffsetsPartitionResponse { offset: offset as i64, timestamp, ..nothing }
        }
        Ok(_) => nothing,
        Err(error_code) => ListOffsetsPartitionResponse { error_code, ..nothing },
    }
}
