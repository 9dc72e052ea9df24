//! DeleteGroups, versions 0 to 3: removes groups without members, with their offsets.
//!
//! - Answered once durable. 3: with words beside the code.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::delete_groups::DeletableGroupResult;
use duramen_protocol::kafka::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::shard::groups::GroupAsk;

use super::Ending;
use super::call::{Call, Reply};
use super::groups::ask;

pub async fn handle(call: &Call<'_>, request: DeleteGroupsRequest<'_>) -> Result<Reply, Ending> {
    let mut deleted = Vec::with_capacity(request.groups_names.len());
    for group in request.groups_names {
        let delete = GroupAsk::Delete { group: group.to_owned() };
        deleted.push((group, ask(call, group, delete).await.err()));
    }
    let results = deleted.iter().map(|(group_id, fault)| DeletableGroupResult {
        group_id,
        error_code: fault.as_ref().map_or(ErrorCode::NONE, |(code, _)| *code),
        error_message: fault.as_ref().map(|(_, message)| message.as_str()),
    });
    call.reply(&DeleteGroupsResponse { results: results.collect(), ..Default::default() })
}
