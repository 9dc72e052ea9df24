//! The groups of which this core is the coordinator.
//!
//! A [`Coordinator`] decides; what it wants stored goes into the queue of its partition, behind and
//! before everything else that is to be appended there, and it goes on once that is durable:
//!
//! ```text
//! join, sync ──> coordinator ──> answers
//!                  │     ^
//!            Store │     │ stored
//!                  v     │
//!                queue ──> appended ──> durable
//! ```
//! A call that is held back costs its ticket and what its member brings; the coordinator bounds it.
//!
//! [`Coordinator`]: crate::broker::groups::Coordinator

use std::collections::BTreeMap;

use duramen_protocol::codes::ErrorCode;

use crate::broker::Refusal;
use crate::broker::groups::{
    Decision, Deletable, Described, GroupState, Join, Joined, Leaver, Membership, NotJoined,
    StoreId, Sync, Synced,
};
use crate::io::{Disk, Now};
use crate::storage::LogId;

use super::Shard;
use super::error::AskError;
use super::offsets::{Change, OffsetLog};
use super::request::{Answer, Ticket};

/// What a coordinator can be asked.
#[derive(Debug)]
pub enum GroupAsk {
    /// Answered once the group has its next generation, or at once.
    Join(Join),
    /// Answered once the assignment is durable.
    Sync(Sync),
    /// A member lives.
    Heartbeat(Membership),
    /// Members leave.
    Leave {
        /// Which group.
        group: String,
        /// Who.
        leavers: Vec<Leaver>,
    },
    /// How a group stands.
    Describe {
        /// Which.
        group: String,
    },
    /// All groups of this partition of `__consumer_offsets`.
    List,
    /// Removes a group without members, and its offsets. Answered once durable.
    Delete {
        /// Which.
        group: String,
    },
    /// Removes offsets that no member goes on from. Answered once durable.
    DeleteOffsets {
        /// Which group.
        group: String,
        /// Topics and partitions.
        partitions: Vec<(String, u32)>,
    },
}

/// What it answers.
#[derive(Debug)]
pub enum GroupAnswer {
    /// To [`GroupAsk::Join`].
    Joined(Result<Joined, NotJoined>),
    /// To [`GroupAsk::Sync`].
    Synced(Result<Synced, ErrorCode>),
    /// To [`GroupAsk::Heartbeat`].
    Alive(Result<(), ErrorCode>),
    /// To [`GroupAsk::Leave`], in the order asked.
    Left(Vec<Result<(), ErrorCode>>),
    /// To [`GroupAsk::Describe`]; none if there is no such group.
    Described(Option<Described>),
    /// To [`GroupAsk::List`], by name.
    Listed(Vec<ListedGroup>),
    /// To [`GroupAsk::Delete`].
    Deleted,
    /// To [`GroupAsk::DeleteOffsets`], in the order asked.
    OffsetsDeleted(Vec<Result<(), ErrorCode>>),
}

/// A group of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its name.
    pub group: String,
    /// Its state.
    pub state: GroupState,
    /// Empty for one that never had members.
    pub protocol_type: String,
}

impl<D: Disk> Shard<D> {
    /// Takes an [`super::request::Ask::Group`] for a partition that is ready.
    pub(super) fn ask_group(&mut self, log: LogId, ticket: Ticket, ask: GroupAsk, now: Now) {
        if self.shutting_down && matches!(ask, GroupAsk::Join(_) | GroupAsk::Sync(_)) {
            return self.answer(ticket, Err(AskError::ShuttingDown));
        }
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        let mut decisions = Vec::new();
        let answer = match ask {
            GroupAsk::Join(join) => {
                offsets.coordinator.join(ticket, join, now, &mut decisions);
                None
            }
            GroupAsk::Sync(sync) => {
                offsets.coordinator.sync(ticket, sync, now, &mut decisions);
                None
            }
            GroupAsk::Heartbeat(member) => {
                Some(Ok(GroupAnswer::Alive(offsets.coordinator.heartbeat(&member, now))))
            }
            GroupAsk::Leave { group, leavers } => {
                let left = offsets.coordinator.leave(&group, &leavers, now, &mut decisions);
                Some(Ok(GroupAnswer::Left(left)))
            }
            GroupAsk::Describe { group } => {
                Some(Ok(GroupAnswer::Described(self.describe_group(log, &group))))
            }
            GroupAsk::List => Some(Ok(GroupAnswer::Listed(self.list_groups(log)))),
            GroupAsk::Delete { group } => self.delete_group(log, ticket, group).err().map(Err),
            GroupAsk::DeleteOffsets { group, partitions } => {
                self.delete_group_offsets(log, ticket, group, partitions).err().map(Err)
            }
        };
        if let Some(answer) = answer {
            self.answer(ticket, answer.map(Answer::Group));
        }
        self.carry_out(log, decisions);
        self.stage_changes(log, now);
    }

    /// Lets time pass for the groups of a partition.
    pub(super) fn advance_groups(&mut self, log: LogId, now: Now) {
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        if offsets.is_ready() && !self.shutting_down {
            let mut decisions = Vec::new();
            offsets.coordinator.advance(now, &mut decisions);
            self.carry_out(log, decisions);
        }
    }

    /// What a coordinator wanted stored is durable, or will not be.
    pub(super) fn group_stored(
        &mut self,
        log: LogId,
        group: &str,
        id: StoreId,
        result: Result<(), AskError>,
        now: Now,
    ) {
        let result = result.map_err(|error| match error {
            // It is too large, and will be again.
            AskError::Refused(Refusal { code: ErrorCode::INVALID_COMMIT_OFFSET_SIZE, .. }) => {
                ErrorCode::UNKNOWN_SERVER_ERROR
            }
            _ => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        });
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        let mut decisions = Vec::new();
        offsets.coordinator.stored(group, id, result, now, &mut decisions);
        self.carry_out(log, decisions);
    }

    fn carry_out(&mut self, log: LogId, decisions: Vec<Decision<Ticket>>) {
        for decision in decisions {
            match decision {
                Decision::Joined(ticket, joined) => {
                    self.answer(ticket, Ok(Answer::Group(GroupAnswer::Joined(joined))));
                }
                Decision::Synced(ticket, synced) => {
                    self.answer(ticket, Ok(Answer::Group(GroupAnswer::Synced(synced))));
                }
                Decision::Store { group, record, id } => {
                    if let Some(offsets) = self.offsets.logs.get_mut(&log) {
                        offsets.queue.push_back(Change::StoreGroup { group, record, id });
                    }
                }
            }
        }
    }

    /// Answers all joins and syncs that are held back: they are to be asked elsewhere, or later.
    pub(super) fn refuse_group_calls(&mut self) {
        let mut decisions = Vec::new();
        for (log, offsets) in &mut self.offsets.logs {
            let mut of_log = Vec::new();
            offsets.coordinator.refuse_all(ErrorCode::COORDINATOR_NOT_AVAILABLE, &mut of_log);
            decisions.push((*log, of_log));
        }
        for (log, of_log) in decisions {
            self.carry_out(log, of_log);
        }
    }

    /// Removes the records of groups that have neither members nor offsets any more.
    pub(super) fn end_groups(&mut self, log: LogId) {
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return };
        let OffsetLog { table, coordinator, queue, .. } = offsets;
        // The keys were read when the groups were loaded.
        let records = table.group_records().unwrap_or_default();
        for (group, _) in records {
            if coordinator.is_idle(&group) && !table.has_offsets(&self.catalog, &group) {
                coordinator.forget(&group);
                queue.push_back(Change::DeleteGroup { ticket: None, group });
            }
        }
    }

    fn describe_group(&self, log: LogId, group: &str) -> Option<Described> {
        let offsets = self.offsets.logs.get(&log)?;
        let simple = || Described {
            state: GroupState::Empty,
            protocol_type: String::new(),
            protocol: String::new(),
            members: Vec::new(),
        };
        let has_offsets = || offsets.table.has_offsets(&self.catalog, group);
        offsets.coordinator.describe(group).or_else(|| has_offsets().then(simple))
    }

    fn list_groups(&self, log: LogId) -> Vec<ListedGroup> {
        let Some(offsets) = self.offsets.logs.get(&log) else { return Vec::new() };
        let simple = offsets.table.groups_with_offsets(&self.catalog).into_iter();
        let mut groups: BTreeMap<&str, (GroupState, &str)> =
            simple.map(|group| (group, (GroupState::Empty, ""))).collect();
        let known = offsets.coordinator.list();
        groups.extend(known.map(|(group, state, protocol_type)| (group, (state, protocol_type))));
        let listed = |(group, (state, protocol_type)): (&str, (GroupState, &str))| ListedGroup {
            group: group.to_owned(),
            state,
            protocol_type: protocol_type.to_owned(),
        };
        groups.into_iter().map(listed).collect()
    }

    fn delete_group(&mut self, log: LogId, ticket: Ticket, group: String) -> Result<(), AskError> {
        if self.describe_group(log, &group).is_none() {
            return Err(not_found(&group));
        }
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return Ok(()) };
        if !offsets.coordinator.is_idle(&group) {
            let message = format!("the group {group:?} has members: stop them first");
            return Err(refused(ErrorCode::NON_EMPTY_GROUP, &message));
        }
        offsets.coordinator.forget(&group);
        offsets.queue.push_back(Change::DeleteGroup { ticket: Some(ticket), group });
        Ok(())
    }

    fn delete_group_offsets(
        &mut self,
        log: LogId,
        ticket: Ticket,
        group: String,
        partitions: Vec<(String, u32)>,
    ) -> Result<(), AskError> {
        if self.describe_group(log, &group).is_none() {
            return Err(not_found(&group));
        }
        let Some(offsets) = self.offsets.logs.get_mut(&log) else { return Ok(()) };
        let mut results = Vec::new();
        let mut wanted = Vec::new();
        for (topic, partition) in partitions {
            let known = self.catalog.topic(&topic).filter(|known| partition < known.partitions);
            let deletable = offsets.coordinator.check_delete(&group, &topic).map_err(|code| {
                refused(code, "the group has members, and does not say which topics they read")
            })?;
            results.push(match (known, deletable) {
                (None, _) => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                (_, Deletable::Subscribed) => Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC),
                (Some(_), Deletable::Yes) => {
                    wanted.push((topic, partition));
                    Ok(())
                }
            });
        }
        let answer = Answer::Group(GroupAnswer::OffsetsDeleted(results));
        let partitions = wanted;
        offsets.queue.push_back(Change::DeleteOffsets { ticket, group, partitions, answer });
        Ok(())
    }
}

fn not_found(group: &str) -> AskError {
    refused(ErrorCode::GROUP_ID_NOT_FOUND, &format!("there is no group {group:?}"))
}

/// A refusal by the rules of groups.
pub(super) fn refused(code: ErrorCode, message: &str) -> AskError {
    AskError::Refused(Refusal { code, message: message.to_owned() })
}
