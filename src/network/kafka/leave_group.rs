//! LeaveGroup, versions 0 to 5: members leave, and the others rebalance.
//!
//! - 0 to 2: one member, whose error is the answer's.
//! - 3+: several, each with an error of its own; a static member also by its name alone, as
//!   administrators take it out.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::leave_group::{MemberIdentity, MemberResponse};
use duramen_protocol::kafka::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::broker::groups::Leaver;
use crate::shard::groups::{GroupAnswer, GroupAsk};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::ask;

pub async fn handle(call: &Call<'_>, request: LeaveGroupRequest<'_>) -> Result<Reply, Ending> {
    let is_one = call.version() < 3;
    let one = MemberIdentity { member_id: request.member_id, ..Default::default() };
    let members = if is_one { vec![one] } else { request.members };
    let leaver = |member: &MemberIdentity<'_>| Leaver {
        member_id: member.member_id.to_owned(),
        instance_id: member.group_instance_id.map(str::to_owned),
    };
    let group = request.group_id.to_owned();
    let leavers = members.iter().map(leaver).collect();
    let left = match ask(call, request.group_id, GroupAsk::Leave { group, leavers }).await {
        Ok(GroupAnswer::Left(left)) => left,
        Ok(other) => unreachable!("a leave was answered with {other:?}"),
        Err((error_code, _)) => {
            return call.reply(&LeaveGroupResponse { error_code, ..Default::default() });
        }
    };
    let codes = left.into_iter().map(|left| left.err().unwrap_or(ErrorCode::NONE));
    if is_one {
        let error_code = codes.into_iter().next().unwrap_or(ErrorCode::NONE);
        return call.reply(&LeaveGroupResponse { error_code, ..Default::default() });
    }
    let members = members.iter().zip(codes).map(|(member, error_code)| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code,
    });
    call.reply(&LeaveGroupResponse { members: members.collect(), ..Default::default() })
}
