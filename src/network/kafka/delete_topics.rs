//! DeleteTopics, versions 1 to 6: removes topics.
//!
//! - One after the other; answered once it is durable and known to all cores.
//! - The server's own topics are INVALID_REQUEST.
//! - 6+: by name or by id.

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::delete_topics::DeletableTopicResult;
use duramen_protocol::kafka::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use crate::broker::Refusal;
use crate::network::mailbox::Change;

use super::Ending;
use super::call::{Call, Reply};
use super::errors::told;
use super::partitions::TopicRef;

/// The version from which topics may go by id.
const TOPIC_IDS: i16 = 6;

/// What became of a topic.
struct Deleted {
    name: Option<String>,
    topic_id: TopicId,
    result: Result<(), Refusal>,
}

pub async fn handle(call: &Call<'_>, request: DeleteTopicsRequest<'_>) -> Result<Reply, Ending> {
    let named = request.topic_names.iter().map(|name| TopicRef::Name(name));
    let states = request.topics.iter().map(|topic| match topic.name {
        Some(name) => TopicRef::Name(name),
        None => TopicRef::Id(topic.topic_id),
    });
    let wanted: Vec<TopicRef<'_>> = match call.version() >= TOPIC_IDS {
        true => states.collect(),
        false => named.collect(),
    };
    let mut deleted = Vec::with_capacity(wanted.len());
    for topic in wanted {
        deleted.push(delete(call, topic).await);
    }
    let mut responses = Vec::with_capacity(deleted.len());
    for deleted in &deleted {
        let (error_code, error_message) = told(&deleted.result);
        responses.push(DeletableTopicResult {
            name: deleted.name.as_deref(),
            topic_id: deleted.topic_id,
            error_code,
            error_message,
        });
    }
    call.reply(&DeleteTopicsResponse { responses, ..Default::default() })
}

async fn delete(call: &Call<'_>, wanted: TopicRef<'_>) -> Deleted {
    let catalog = call.local.catalog();
    let topic = match (wanted.find(&catalog), wanted) {
        (Ok(topic), _) => topic.clone(),
        (Err(code), wanted) => {
            let (name, topic_id) = match wanted {
                TopicRef::Name(name) => (Some(name.to_owned()), TopicId([0; 16])),
                TopicRef::Id(id) => (None, id),
            };
            let message = "there is no such topic".to_owned();
            return Deleted { name, topic_id, result: Err(Refusal { code, message }) };
        }
    };
    let changed = call.local.mailboxes.change(Change::DeleteTopic(topic.name.clone())).await;
    let result = changed.map(drop).map_err(|refusal| match refusal.code {
        ErrorCode::POLICY_VIOLATION => Refusal { code: ErrorCode::INVALID_REQUEST, ..refusal },
        _ => refusal,
    });
    Deleted { name: Some(topic.name.clone()), topic_id: topic.id, result }
}
