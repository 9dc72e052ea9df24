//! DeleteRecords, versions 0 to 2: removes the oldest records of partitions.
//!
//! - Everything below the offset goes, with -1 everything durable. Answered once that is durable
//!   itself, with the first offset there is then.
//! - An offset beyond the durable end is OFFSET_OUT_OF_RANGE.
//! - The server's own topics are INVALID_TOPIC_EXCEPTION.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use duramen_protocol::kafka::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use crate::broker::catalog::is_internal;
use crate::shard::request::{Answer, Ask, At};

use super::Ending;
use super::call::{Call, Reply};
use super::partitions::{Question, TopicRef};

/// Everything there is.
const ALL: i64 = -1;

pub async fn handle(call: &Call<'_>, request: DeleteRecordsRequest<'_>) -> Result<Reply, Ending> {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut questions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            questions.push(ask(call, topic.name, asked).await);
        }
        let mut partitions = Vec::with_capacity(questions.len());
        for (asked, question) in topic.partitions.iter().zip(questions) {
            partitions.push(respond(asked.partition_index, question.answer().await));
        }
        topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    call.reply(&DeleteRecordsResponse { topics, ..Default::default() })
}

async fn ask(call: &Call<'_>, name: &str, asked: &DeleteRecordsPartition) -> Question {
    if is_internal(name) {
        return Question::Settled(Err(ErrorCode::INVALID_TOPIC_EXCEPTION));
    }
    let before = match asked.offset {
        ALL => None,
        offset => match u64::try_from(offset) {
            Ok(offset) => Some(offset),
            Err(_) => return Question::Settled(Err(ErrorCode::OFFSET_OUT_OF_RANGE)),
        },
    };
    call.ask_partition(TopicRef::Name(name), asked.partition_index, |key| Ask::DeleteRecords {
        at: At::Key(key),
        before,
    })
    .await
}

fn respond(
    partition_index: i32,
    answer: Result<Answer, ErrorCode>,
) -> DeleteRecordsPartitionResult {
    let (low_watermark, error_code) = match answer {
        Ok(Answer::Deleted { log_start }) => (log_start as i64, ErrorCode::NONE),
        Ok(_) => (-1, ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => (-1, code),
    };
    DeleteRecordsPartitionResult { partition_index, low_watermark, error_code }
}
