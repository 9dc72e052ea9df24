//! CreatePartitions, versions 0 to 3: adds partitions to topics.
//!
//! - `count` is how many there shall be in all; not more than there are is INVALID_PARTITIONS.
//! - Assignments of replicas are passed over: a hash places partitions.
//! - `validate_only`: the same checks, and nothing is added.

use duramen_protocol::kafka::messages::create_partitions::{
    CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use duramen_protocol::kafka::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::broker::Refusal;
use crate::network::mailbox::Change;

use super::Ending;
use super::call::{Call, Reply};
use super::errors::told;

pub async fn handle(
    call: &Call<'_>,
    request: CreatePartitionsRequest<'_>,
) -> Result<Reply, Ending> {
    let mut added = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        added.push(add(call, topic, request.validate_only).await);
    }
    let mut results = Vec::with_capacity(added.len());
    for (topic, added) in request.topics.iter().zip(&added) {
        let (error_code, error_message) = told(added);
        results.push(CreatePartitionsTopicResult { name: topic.name, error_code, error_message });
    }
    call.reply(&CreatePartitionsResponse { results, ..Default::default() })
}

async fn add(
    call: &Call<'_>,
    topic: &CreatePartitionsTopic<'_>,
    only_check: bool,
) -> Result<(), Refusal> {
    let partitions = u32::try_from(topic.count).unwrap_or_default();
    if only_check {
        let limits = &call.settings.topic_limits;
        return call.local.catalog().add_partitions(topic.name, partitions, limits).map(drop);
    }
    let change = Change::AddPartitions { name: topic.name.to_owned(), partitions };
    call.local.mailboxes.change(change).await.map(drop)
}
