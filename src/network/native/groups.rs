//! `LIST_GROUPS`, `DESCRIBE_GROUP` and `DELETE_GROUP`.
//!
//! Any core takes them, and asks the cores that coordinate. The description of a group also asks
//! each partition that it has an offset in how far it goes.

use std::rc::Rc;

use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::native::messages::{
    DeleteGroup, DescribeGroup, DescribeGroupAnswer, DescribedMember, Empty, GroupOffset,
    ListGroupsAnswer, ListedGroup,
};
use duramen_protocol::native::{ErrorAnswer, ErrorCode, FrameHeader, Opcode};

use crate::broker::groups::Described;
use crate::network::coordinators::{self, ask, ask_group, core_of, partition_of};
use crate::network::local::Local;
use crate::shard::groups::{GroupAnswer, GroupAsk};
use crate::shard::request::{Answer, Ask, Position};

use super::connection::Connection;
use super::errors::{of_shard, wire_offset};

impl Connection {
    /// `LIST_GROUPS`.
    pub(super) fn list_groups(self: &Rc<Self>, header: &FrameHeader) {
        let local = self.local.clone();
        self.task(header, Opcode::ListGroups, async move {
            let groups = coordinators::list(&local, |_| true).await.map_err(|e| of_shard(&e))?;
            let listed = |group: crate::shard::groups::ListedGroup| ListedGroup {
                group: group.group,
                state: group.state.name().to_owned(),
                protocol_type: group.protocol_type,
            };
            Ok(ListGroupsAnswer { groups: groups.into_iter().map(listed).collect() })
        });
    }

    /// `DESCRIBE_GROUP`.
    pub(super) fn describe_group(self: &Rc<Self>, header: &FrameHeader, describe: DescribeGroup) {
        let local = self.local.clone();
        self.task(header, Opcode::DescribeGroup, async move {
            let group = describe.group;
            let key = partition_of(&local, &group).ok_or_else(|| not_found(&group))?;
            let described = described(&local, key, &group).await?;
            let offsets = offsets(&local, key, group).await?;
            let members = described.members.into_iter().map(|member| DescribedMember {
                member_id: member.member_id,
                instance_id: member.instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                assignment: member.assignment.to_vec(),
            });
            Ok(DescribeGroupAnswer {
                state: described.state.name().to_owned(),
                protocol_type: described.protocol_type,
                protocol: described.protocol,
                members: members.collect(),
                offsets,
            })
        });
    }

    /// `DELETE_GROUP`.
    pub(super) fn delete_group(self: &Rc<Self>, header: &FrameHeader, delete: DeleteGroup) {
        let local = self.local.clone();
        self.task(header, Opcode::DeleteGroup, async move {
            let group = delete.group;
            let key = partition_of(&local, &group).ok_or_else(|| not_found(&group))?;
            let deleted = ask_group(&local, key, GroupAsk::Delete { group }).await;
            deleted.map(|_| Empty {}).map_err(|error| of_shard(&error))
        });
    }
}

async fn described(
    local: &Local,
    key: PartitionKey,
    group: &str,
) -> Result<Described, ErrorAnswer> {
    let describe = GroupAsk::Describe { group: group.to_owned() };
    match ask_group(local, key, describe).await.map_err(|error| of_shard(&error))? {
        GroupAnswer::Described(described) => described.ok_or_else(|| not_found(group)),
        other => Err(unexpected(&other)),
    }
}

/// A group's offsets, each beside how far its partition goes.
async fn offsets(
    local: &Local,
    key: PartitionKey,
    group: String,
) -> Result<Vec<GroupOffset>, ErrorAnswer> {
    let fetch = Ask::FetchOffsets { key, group, partitions: None };
    let positions = match ask(local, key, fetch).await.map_err(|error| of_shard(&error))? {
        Answer::Positions(positions) => positions,
        other => return Err(unexpected(&other)),
    };
    let mut offsets = Vec::with_capacity(positions.len());
    for position in positions {
        // A topic that was deleted meanwhile has no offsets any more.
        offsets.extend(offset(local, position).await?);
    }
    Ok(offsets)
}

async fn offset(local: &Local, position: Position) -> Result<Option<GroupOffset>, ErrorAnswer> {
    let Position { topic, partition, offset, metadata, .. } = position;
    let Some(topic_id) = local.catalog().topic(&topic).map(|topic| topic.id) else {
        return Ok(None);
    };
    let key = PartitionKey { topic_id, partition };
    let status = local.ask(core_of(local, key), Ask::Status { key }).await;
    match status.map_err(|error| of_shard(&error))? {
        Answer::Status(status) => Ok(Some(GroupOffset {
            topic,
            partition,
            offset,
            log_start: wire_offset(status.log_start),
            durable_end: wire_offset(status.durable),
            metadata,
        })),
        other => Err(unexpected(&other)),
    }
}

fn not_found(group: &str) -> ErrorAnswer {
    let message = format!("there is no group {group:?}: `duramen group list` names them");
    ErrorAnswer::new(ErrorCode::GROUP_ID_NOT_FOUND, message)
}

fn unexpected(answer: &impl std::fmt::Debug) -> ErrorAnswer {
    let message = format!("the coordinator answered something else: {answer:?}");
    ErrorAnswer::new(ErrorCode::UNKNOWN_SERVER_ERROR, message)
}
