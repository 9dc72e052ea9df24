//! SyncGroup, versions 0 to 5: the leader brings the assignment, the others fetch theirs.
//!
//! - Answered once the assignment is durable; until the leader brings it, the others wait.
//! - 5+: the member says which protocol it takes the group's for; it must be that.

use bytes::Bytes;
use duramen_protocol::kafka::messages::sync_group::SyncGroupRequestAssignment;
use duramen_protocol::kafka::messages::{SyncGroupRequest, SyncGroupResponse};

use crate::broker::groups::Sync;
use crate::shard::groups::{GroupAnswer, GroupAsk};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::{ask, membership};

pub async fn handle(call: &Call<'_>, request: SyncGroupRequest<'_>) -> Result<Reply, Ending> {
    let SyncGroupRequest { group_id, generation_id, member_id, group_instance_id, .. } = request;
    let assignment = |to: &SyncGroupRequestAssignment<'_>| {
        (to.member_id.to_owned(), Bytes::copy_from_slice(to.assignment))
    };
    let sync = Sync {
        member: membership(group_id, generation_id, member_id, group_instance_id),
        protocol_type: request.protocol_type.map(str::to_owned),
        protocol: request.protocol_name.map(str::to_owned),
        assignments: request.assignments.iter().map(assignment).collect(),
    };
    let synced = match ask(call, group_id, GroupAsk::Sync(sync)).await {
        Ok(GroupAnswer::Synced(synced)) => synced,
        Ok(other) => unreachable!("a sync was answered with {other:?}"),
        Err((code, _)) => Err(code),
    };
    match &synced {
        Ok(synced) => call.reply(&SyncGroupResponse {
            protocol_type: Some(&synced.protocol_type),
            protocol_name: Some(&synced.protocol),
            assignment: &synced.assignment,
            ..Default::default()
        }),
        Err(code) => call.reply(&SyncGroupResponse { error_code: *code, ..Default::default() }),
    }
}
