//! Heartbeat, versions 0 to 4: a member lives, and hears whether it must join again.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::shard::groups::{GroupAnswer, GroupAsk};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::{ask, membership};

pub async fn handle(call: &Call<'_>, request: HeartbeatRequest<'_>) -> Result<Reply, Ending> {
    let HeartbeatRequest { group_id, generation_id, member_id, group_instance_id } = request;
    let member = membership(group_id, generation_id, member_id, group_instance_id);
    let error_code = match ask(call, group_id, GroupAsk::Heartbeat(member)).await {
        Ok(GroupAnswer::Alive(Ok(()))) => ErrorCode::NONE,
        Ok(GroupAnswer::Alive(Err(code))) | Err((code, _)) => code,
        Ok(other) => unreachable!("a heartbeat was answered with {other:?}"),
    };
    call.reply(&HeartbeatResponse { error_code, ..Default::default() })
}
