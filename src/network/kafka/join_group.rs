//! JoinGroup, versions 0 to 9: becomes a member, or says that a member is ready for a rebalance.
//!
//! - Answered once the group has its next generation, which may take the group's rebalance timeout.
//! - 0: the session timeout is the rebalance timeout, too.
//! - 4+: whoever has no id gets one with `MEMBER_ID_REQUIRED`, and comes back with it.
//! - 5+: static members, by `group.instance.id`.
//! - A member for which there is no room is GROUP_MAX_SIZE_REACHED, and the server's log says why:
//!   `group.max.size` members are there, or it brings more bytes than one may, or all have too many.
//!   Kafka bounds the members alone, and then fails to store what they bring.
//! - Whoever goes away while it waits is answered no more. As in Kafka it stays a member until its
//!   session is over.
//! - 9+: a leader that is back within its session is told to skip the assignment.

use bytes::Bytes;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::join_group::{
    JoinGroupRequestProtocol, JoinGroupResponseMember,
};
use duramen_protocol::kafka::messages::{JoinGroupRequest, JoinGroupResponse};

use crate::broker::groups::{Join, Joined, JoinedMember, NotJoined};
use crate::io::random_bytes;
use crate::limits;
use crate::shard::groups::{GroupAnswer, GroupAsk};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::ask;

pub async fn handle(call: &Call<'_>, request: JoinGroupRequest<'_>) -> Result<Reply, Ending> {
    let group = request.group_id;
    let said = request.member_id;
    let join = join(call, request)?;
    let bytes = join.bytes();
    let joined = match ask(call, group, GroupAsk::Join(join)).await {
        Ok(GroupAnswer::Joined(joined)) => joined,
        Ok(other) => unreachable!("a join was answered with {other:?}"),
        Err((code, _)) => Err(NotJoined { code, member_id: said.to_owned() }),
    };
    match &joined {
        Ok(joined) => call.reply(&response(joined)),
        Err(NotJoined { code, member_id }) => {
            if *code == ErrorCode::GROUP_MAX_SIZE_REACHED {
                say_why(call, group, bytes);
            }
            call.reply(&JoinGroupResponse { error_code: *code, member_id, ..Default::default() })
        }
    }
}

/// Says why there is no room for a member that brings so many bytes: clients say something else.
fn say_why(call: &Call<'_>, group: &str, bytes: usize) {
    let (most, all) = (limits::GROUP_MEMBER_BYTES_MAX, limits::GROUPS_BYTES_MAX);
    let why = match bytes > most {
        true => format!("it brings {bytes} bytes of protocols and metadata, {most} are allowed"),
        false => format!(
            "group.max.size members are there, or its coordinator's groups have {all} bytes"
        ),
    };
    eprintln!("duramen: {}: no room for a member in the group {group:?}: {why}", call.peer);
}

fn join(call: &Call<'_>, request: JoinGroupRequest<'_>) -> Result<Join, Ending> {
    let client_id = call.header.client_id.unwrap_or_default();
    let protocol = |protocol: &JoinGroupRequestProtocol<'_>| {
        (protocol.name.to_owned(), Bytes::copy_from_slice(protocol.metadata))
    };
    Ok(Join {
        group: request.group_id.to_owned(),
        member_id: request.member_id.to_owned(),
        new_member_id: new_id(request.group_instance_id.unwrap_or(client_id))?,
        instance_id: request.group_instance_id.map(str::to_owned),
        client_id: client_id.to_owned(),
        client_host: format!("/{}", call.peer.to_canonical()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: request.rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_owned(),
        protocols: request.protocols.iter().map(protocol).collect(),
        takes_member_id: call.version() >= 4,
        may_skip_assignment: call.version() >= 9,
    })
}

fn response<'f>(joined: &'f Joined) -> JoinGroupResponse<'f> {
    let member = |member: &'f JoinedMember| JoinGroupResponseMember {
        member_id: &member.member_id,
        group_instance_id: member.instance_id.as_deref(),
        metadata: &member.metadata,
    };
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: Some(&joined.protocol_type),
        protocol_name: Some(&joined.protocol),
        leader: &joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: &joined.member_id,
        members: joined.members.iter().map(member).collect(),
        ..Default::default()
    }
}

/// A member id as Kafka makes it: a name and a random UUID.
fn new_id(name: &str) -> Result<String, Ending> {
    let mut bytes = [0; 16];
    random_bytes(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    Ok(format!("{name}-{}", parts.join("-")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_a_name_and_a_uuid_that_nobody_has() {
        let [a, b] = [(); 2].map(|()| super::new_id("app").unwrap());
        assert_ne!(a, b);
        let parts: Vec<usize> = a.split('-').map(str::len).collect();
        assert_eq!(parts, [3, 8, 4, 4, 4, 12], "{a}");
        assert_eq!(a.as_bytes()[18], b'4', "{a}");
    }
}
