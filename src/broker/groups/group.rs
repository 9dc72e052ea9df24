//! One group: its members, its phase, and the protocol they agree on.

use std::collections::BTreeMap;

use bytes::Bytes;
use duramen_protocol::codes::ErrorCode;

use super::calls::{Decision, Described, GroupState, Joined, Membership, NotJoined, StoreId};
use super::member::{Member, Waiting};
use super::records::GroupRecord;
use crate::config::groups::GroupSettings;
use crate::io::Now;

/// A group that has or had members. `W` names a call whose answer is held back.
#[derive(Clone, Debug)]
pub(super) struct Group<W> {
    pub name: String,
    pub phase: Phase,
    /// When it came to its phase, in ms since 1970; -1 if not known.
    pub since_ms: i64,
    /// Rises with each rebalance; 0 before the first.
    pub generation: i32,
    /// Of the members it has, or had last.
    pub protocol_type: Option<String>,
    /// The assignor of this generation; none without members.
    pub protocol: Option<String>,
    /// The member that assigns.
    pub leader: Option<String>,
    pub members: BTreeMap<String, Member<W>>,
    /// The member of each static name.
    pub static_ids: BTreeMap<String, String>,
    /// Ids given to consumers that have not come back with them yet, and until when they may.
    pub pending: BTreeMap<String, u64>,
}

/// Where a group stands in its rebalance.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// No members.
    Empty,
    /// Members join; joins are held back.
    Preparing(Preparing),
    /// The leader assigns; syncs are held back. Members that owe a sync at that time are out.
    Completing { ends_us: u64, assigned: Option<Assigned> },
    /// All is assigned. Members that owe a sync at that time are out.
    Stable { ends_us: Option<u64> },
}

/// Members join until `ends_us`, or until all that there were have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preparing {
    pub ends_us: u64,
    /// In a group that was empty: the time always runs out, so that others can join, too.
    pub initial: Option<Initial>,
}

/// How far the end of a first rebalance may be put off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Initial {
    pub left_ms: u64,
    /// Whether somebody has joined since the end was set.
    pub any_joined: bool,
}

/// An assignment that is being stored.
#[derive(Clone, Debug)]
pub(super) struct Assigned {
    pub stored: StoreId,
    pub of: BTreeMap<String, Bytes>,
}

/// What every step needs: the time, the bounds, and where decisions go.
pub(super) struct Turn<'t, W> {
    pub now: Now,
    pub settings: &'t GroupSettings,
    pub stores: &'t mut u64,
    pub out: &'t mut Vec<Decision<W>>,
}

impl<W> Turn<'_, W> {
    /// A name for something to be stored.
    pub fn store_id(&mut self) -> StoreId {
        *self.stores += 1;
        StoreId(*self.stores)
    }
}

impl<W: Copy> Group<W> {
    pub fn new(name: &str, now: Now) -> Group<W> {
        Group {
            name: name.to_owned(),
            phase: Phase::Empty,
            since_ms: now.wall_ms,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_ids: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    /// A group as it was stored; the sessions of its members begin anew.
    pub fn of_record(name: &str, record: &GroupRecord, now: Now) -> Group<W> {
        let mut group = Group::new(name, now);
        let protocol = record.protocol.clone().unwrap_or_default();
        for member in &record.members {
            group.add(member.member_id.clone(), Member::of_record(member, &protocol, now));
        }
        group.generation = record.generation;
        group.since_ms = record.state_timestamp_ms;
        group.protocol_type = Some(record.protocol_type.clone()).filter(|name| !name.is_empty());
        if !group.members.is_empty() {
            group.phase = Phase::Stable { ends_us: None };
            group.protocol = Some(protocol);
            let leader = record.leader.clone();
            group.leader = leader.filter(|leader| group.members.contains_key(leader));
            group.elect_leader(|_| true);
        }
        group
    }

    /// The group with another assignment, or its own.
    pub fn to_record(&self, assigned: Option<&BTreeMap<String, Bytes>>) -> GroupRecord {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |(id, member): (&String, &Member<W>)| {
            let assignment = match assigned {
                Some(assigned) => assigned.get(id).cloned().unwrap_or_default(),
                None => member.assignment.clone(),
            };
            member.to_record(id, protocol, assignment)
        };
        GroupRecord {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp_ms: self.since_ms,
            members: self.members.iter().map(member).collect(),
        }
    }

    pub fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Preparing(_) => GroupState::PreparingRebalance,
            Phase::Completing { .. } => GroupState::CompletingRebalance,
            Phase::Stable { .. } => GroupState::Stable,
        }
    }

    pub fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since_ms = now.wall_ms;
    }

    pub fn add(&mut self, member_id: String, member: Member<W>) {
        if let Some(instance_id) = &member.instance_id {
            self.static_ids.insert(instance_id.clone(), member_id.clone());
        }
        self.pending.remove(&member_id);
        self.leader.get_or_insert_with(|| member_id.clone());
        self.members.insert(member_id, member);
    }

    /// Keeps the leader if it is `fit`, or takes the first member that is. Whether there is one.
    pub fn elect_leader(&mut self, fit: impl Fn(&Member<W>) -> bool) -> bool {
        let leader = self.leader.as_ref().and_then(|leader| self.members.get(leader));
        if leader.is_none_or(|leader| !fit(leader)) {
            let next = self.members.iter().find(|(_, member)| fit(member)).map(|(id, _)| id);
            if let Some(next) = next.cloned() {
                self.leader = Some(next);
                return true;
            }
            return false;
        }
        true
    }

    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// Whether whoever says so is a member.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`; `FENCED_INSTANCE_ID` when another has taken its static name.
    pub fn check_member(&self, member_id: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        let known = match instance {
            None => self.members.contains_key(member_id),
            Some(instance) => match self.static_ids.get(instance) {
                Some(owner) if owner != member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                owner => owner.is_some(),
            },
        };
        known.then_some(()).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// Whether whoever says so is a member of this generation.
    ///
    /// # Errors
    /// As for [`Group::check_member`]; `ILLEGAL_GENERATION`.
    pub fn check_generation(&self, member: &Membership) -> Result<(), ErrorCode> {
        self.check_member(&member.member_id, member.instance_id.as_deref())?;
        let same = member.generation == self.generation;
        same.then_some(()).ok_or(ErrorCode::ILLEGAL_GENERATION)
    }

    /// Whether whoever brings these protocols could be in the group.
    pub fn agrees_with(&self, protocol_type: &str, protocols: &[(String, Bytes)]) -> bool {
        if matches!(self.phase, Phase::Empty) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let known_to_all = |name: &str| self.members.values().all(|member| member.knows(name));
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| known_to_all(name))
    }

    /// The protocol that all members know and most like best; none without members.
    pub fn elect_protocol(&self) -> Option<String> {
        let known_to_all = |name: &str| self.members.values().all(|member| member.knows(name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let liked = member.protocols.iter().map(|(name, _)| name.as_str());
            if let Some(vote) = liked.into_iter().find(|name| known_to_all(name)) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.to_owned())
    }

    /// How long a rebalance waits for its members, in ms.
    pub fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max();
        longest.unwrap_or(0).max(0) as u64
    }

    /// Answers a member's join with the generation there is.
    pub fn joined(&self, member_id: &str) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = match self.is_leader(member_id) {
            true => self.members.iter().map(|(id, m)| m.for_leader(id, &protocol)).collect(),
            false => Vec::new(),
        };
        Joined {
            member_id: member_id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol,
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members,
        }
    }

    /// Answers whatever a member waits for with an error.
    pub fn refuse_call(
        member_id: &str,
        member: &mut Member<W>,
        code: ErrorCode,
        out: &mut Vec<Decision<W>>,
    ) {
        member.replacing = None;
        match std::mem::replace(&mut member.waiting, Waiting::None) {
            Waiting::None => {}
            Waiting::Join(call) => {
                let refused = NotJoined { code, member_id: member_id.to_owned() };
                out.push(Decision::Joined(call, Err(refused)));
            }
            Waiting::Sync(call) => out.push(Decision::Synced(call, Err(code))),
        }
    }

    pub fn describe(&self) -> Described {
        let state = self.state();
        let stable = self.protocol.as_deref().filter(|_| state == GroupState::Stable);
        Described {
            state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: stable.unwrap_or_default().to_owned(),
            members: self.members.iter().map(|(id, m)| m.describe(id, stable)).collect(),
        }
    }

    /// Whether nobody is in it or about to be.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Empty) && self.pending.is_empty()
    }

    /// What it takes of memory, roughly.
    pub fn bytes(&self) -> usize {
        let id = |id: &String| ID_BYTES + id.len();
        let member = |(name, member): (&String, &Member<W>)| id(name) + member.bytes();
        GROUP_BYTES
            + self.name.len()
            + self.members.iter().map(member).sum::<usize>()
            + self.pending.keys().map(id).sum::<usize>()
    }
}

/// What a group is reckoned with besides its members.
const GROUP_BYTES: usize = 512;
/// What an id is reckoned with besides its letters.
const ID_BYTES: usize = 128;
