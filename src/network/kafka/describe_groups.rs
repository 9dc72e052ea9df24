//! DescribeGroups, versions 0 to 6: groups and their members.
//!
//! - What members joined with and are assigned is shown while the group is stable.
//! - A group that is not there: up to 5 its state is `Dead`, from 6 on it is not found.
//! - 3+: whoever asks which operations he may do is told all: nobody is kept from anything yet.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::describe_groups::{DescribedGroup, DescribedGroupMember};
use duramen_protocol::kafka::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use crate::broker::groups::{Described, DescribedMember};
use crate::shard::groups::{GroupAnswer, GroupAsk};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::{Fault, ask};

/// Bits of the operations on a group: read, delete, describe, and describe and alter its
/// configuration.
const GROUP_OPERATIONS: i32 = 0b1101_0100_1000;

pub async fn handle(call: &Call<'_>, request: DescribeGroupsRequest<'_>) -> Result<Reply, Ending> {
    let mut found = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        found.push((group, find(call, group).await));
    }
    let operations = match request.include_authorized_operations {
        true => GROUP_OPERATIONS,
        false => i32::MIN,
    };
    let groups = found.iter().map(|(group, found)| match found {
        Ok(described) => group_response(group, described, operations),
        Err((code, message)) => missing(call.version(), group, *code, message),
    });
    call.reply(&DescribeGroupsResponse { groups: groups.collect(), ..Default::default() })
}

async fn find(call: &Call<'_>, group: &str) -> Result<Described, Fault> {
    let describe = GroupAsk::Describe { group: group.to_owned() };
    match ask(call, group, describe).await? {
        GroupAnswer::Described(Some(described)) => Ok(described),
        GroupAnswer::Described(None) => {
            Err((ErrorCode::GROUP_ID_NOT_FOUND, format!("Group {group} not found.")))
        }
        other => unreachable!("a description was asked for, and {other:?} came"),
    }
}

fn group_response<'f>(
    group_id: &'f str,
    described: &'f Described,
    authorized_operations: i32,
) -> DescribedGroup<'f> {
    let member = |member: &'f DescribedMember| DescribedGroupMember {
        member_id: &member.member_id,
        group_instance_id: member.instance_id.as_deref(),
        client_id: &member.client_id,
        client_host: &member.client_host,
        member_metadata: &member.metadata,
        member_assignment: &member.assignment,
    };
    DescribedGroup {
        group_id,
        group_state: described.state.name(),
        protocol_type: &described.protocol_type,
        protocol_data: &described.protocol,
        members: described.members.iter().map(member).collect(),
        authorized_operations,
        ..Default::default()
    }
}

fn missing<'f>(
    version: i16,
    group_id: &'f str,
    code: ErrorCode,
    message: &'f str,
) -> DescribedGroup<'f> {
    let group = DescribedGroup { group_id, group_state: "Dead", ..Default::default() };
    match code {
        ErrorCode::GROUP_ID_NOT_FOUND if version < 6 => group,
        error_code if version < 6 => DescribedGroup { error_code, group_state: "", ..group },
        error_code => DescribedGroup { error_code, error_message: Some(message), ..group },
    }
}
