//! What the handlers of groups share: the way to a coordinator, and its errors as codes.

use duramen_protocol::codes::ErrorCode;

use crate::broker::groups::Membership;
use crate::broker::offsets::check_group;
use crate::network::coordinators::{self, key, offsets_topic};
use crate::shard::error::AskError;
use crate::shard::groups::{GroupAnswer, GroupAsk};
use crate::shard::request::{Answer, Ask};

use super::call::Call;
use super::errors::code_of;

/// A code, and words where there are some.
pub type Fault = (ErrorCode, String);

/// Asks the coordinator of a group, on whichever core it is.
///
/// # Errors
/// What Kafka's clients know.
pub async fn ask(call: &Call<'_>, group: &str, ask: GroupAsk) -> Result<GroupAnswer, Fault> {
    check_group(group).map_err(|refusal| (refusal.code, refusal.message))?;
    let topic = offsets_topic(call.local).await;
    let topic = topic.map_err(|refusal| (refusal.code.for_kafka(), refusal.message))?;
    coordinators::ask_group(call.local, key(&topic, group), ask).await.map_err(|e| fault(&e))
}

/// Asks for or stores offsets of a group.
///
/// # Errors
/// What Kafka's clients know.
pub async fn ask_offsets(
    call: &Call<'_>,
    group: &str,
    ask: impl FnOnce(duramen_protocol::files::journal::PartitionKey) -> Ask,
) -> Result<Answer, Fault> {
    check_group(group).map_err(|refusal| (refusal.code, refusal.message))?;
    let topic = offsets_topic(call.local).await;
    let topic = topic.map_err(|refusal| (refusal.code.for_kafka(), refusal.message))?;
    let key = key(&topic, group);
    coordinators::ask(call.local, key, ask(key)).await.map_err(|error| fault(&error))
}

/// Whoever says to be in a group.
pub fn membership(
    group: &str,
    generation: i32,
    member_id: &str,
    instance_id: Option<&str>,
) -> Membership {
    Membership {
        group: group.to_owned(),
        generation,
        member_id: member_id.to_owned(),
        instance_id: instance_id.map(str::to_owned),
    }
}

/// What a coordinator's client does about an error: look for the coordinator anew, or try later.
fn fault(error: &AskError) -> Fault {
    let code = match error {
        AskError::NoPartition | AskError::Deleted => ErrorCode::NOT_COORDINATOR,
        AskError::Overloaded(_) => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        // Offsets may be committed twice, so it makes no difference whether they were.
        AskError::Full(_)
        | AskError::Failed(_)
        | AskError::PerhapsPersisted(_)
        | AskError::ShuttingDown => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        error => code_of(error),
    };
    (code, error.to_string())
}
