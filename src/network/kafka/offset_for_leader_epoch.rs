//! OffsetForLeaderEpoch, versions 2 to 4: where leader epochs ended.
//!
//! - Each start of the server is an epoch; nothing acknowledged is ever cut off, so a consumer
//!   always finds that its position still holds.
//! - The newest epoch up to the one asked for that has records, and the offset behind its last; -1
//!   where there is none.
//! - A current leader epoch that is not that of now is refused.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};
use duramen_protocol::kafka::messages::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use crate::shard::request::{Answer, Ask};

use super::Ending;
use super::call::{Call, Reply};
use super::partitions::{Question, TopicRef};

pub async fn handle(
    call: &Call<'_>,
    request: OffsetForLeaderEpochRequest<'_>,
) -> Result<Reply, Ending> {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut questions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            questions.push(ask(call, TopicRef::Name(topic.topic), asked).await);
        }
        let mut partitions = Vec::with_capacity(questions.len());
        for (asked, question) in topic.partitions.iter().zip(questions) {
            partitions.push(respond(asked.partition, question.answer().await));
        }
        topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions });
    }
    call.reply(&OffsetForLeaderEpochResponse { topics, ..Default::default() })
}

async fn ask(call: &Call<'_>, topic: TopicRef<'_>, asked: &OffsetForLeaderPartition) -> Question {
    if let Err(code) = call.check_leader_epoch(asked.current_leader_epoch) {
        return Question::Settled(Err(code));
    }
    let Ok(epoch) = u32::try_from(asked.leader_epoch) else {
        return Question::Settled(Ok(Answer::EpochEnd(None)));
    };
    call.ask_partition(topic, asked.partition, |key| Ask::FindEpochEnd { key, epoch }).await
}

fn respond(partition: i32, answer: Result<Answer, ErrorCode>) -> EpochEndOffset {
    let nothing = EpochEndOffset { partition, ..Default::default() };
    match answer {
        Ok(Answer::EpochEnd(Some((epoch, end)))) => {
            EpochEndOffset { leader_epoch: epoch as i32, end_offset: end as i64, ..nothing }
        }
        Ok(_) => nothing,
        Err(error_code) => EpochEndOffset { error_code, ..nothing },
    }
}
