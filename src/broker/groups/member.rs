//! One member of a group.

use bytes::Bytes;

use super::calls::{DescribedMember, Join, JoinedMember, StoreId};
use super::records::MemberRecord;
use crate::io::Now;
use crate::limits;

/// A member. `W` names a call whose answer is held back.
#[derive(Clone, Debug)]
pub(super) struct Member<W> {
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    /// The assignors it knows, the best first, each with its own bytes.
    pub protocols: Vec<(String, Bytes)>,
    /// What the leader of the last generation gave it.
    pub assignment: Bytes,
    pub waiting: Waiting<W>,
    /// Its join takes the place of another member of its name, and is answered once that is stored.
    pub replacing: Option<Replacing>,
    /// Whether it has never been answered: then it does not know its id, can't send heartbeats,
    /// and its call alone does not keep it for good.
    pub is_new: bool,
    /// Whether it has yet to fetch its assignment of this generation.
    pub owes_sync: bool,
    /// When it is taken for dead, unless it waits for an answer.
    pub deadline_us: u64,
}

/// Which of a member's calls is held back: one at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting<W> {
    None,
    Join(W),
    Sync(W),
}

/// A static member's join that changes nothing but its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replacing {
    pub stored: StoreId,
    /// Who it is told the leader is.
    pub leader: String,
    pub skip_assignment: bool,
}

impl<W: Copy> Member<W> {
    /// A member that joins for the first time.
    pub fn new(join: &Join, now: Now) -> Member<W> {
        Member {
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: rebalance_timeout_ms(join),
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            waiting: Waiting::None,
            replacing: None,
            is_new: true,
            owes_sync: false,
            deadline_us: now.plus_ms(limits::GROUP_NEW_MEMBER_MS),
        }
    }

    /// A member as it was stored, in a group with that protocol.
    pub fn of_record(record: &MemberRecord, protocol: &str, now: Now) -> Member<W> {
        let mut member = Member {
            instance_id: record.instance_id.clone(),
            client_id: record.client_id.clone(),
            client_host: record.client_host.clone(),
            session_timeout_ms: record.session_timeout_ms,
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            protocols: vec![(protocol.to_owned(), record.subscription.clone())],
            assignment: record.assignment.clone(),
            waiting: Waiting::None,
            replacing: None,
            is_new: false,
            owes_sync: false,
            deadline_us: 0,
        };
        member.heard_of(now);
        member
    }

    pub fn to_record(&self, member_id: &str, protocol: &str, assignment: Bytes) -> MemberRecord {
        MemberRecord {
            member_id: member_id.to_owned(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol),
            assignment,
        }
    }

    /// Takes what it joins with this time.
    pub fn update(&mut self, join: &Join) {
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = rebalance_timeout_ms(join);
        self.protocols.clone_from(&join.protocols);
    }

    /// Begins its session anew.
    pub fn heard_of(&mut self, now: Now) {
        self.deadline_us = now.plus_ms(self.session_timeout_ms.max(0) as u64);
    }

    /// When it is taken for dead; never while it waits for an answer, unless it is new.
    pub fn dies_us(&self) -> Option<u64> {
        let waits = !self.is_new && !matches!(self.waiting, Waiting::None);
        (!waits).then_some(self.deadline_us)
    }

    pub fn is_joining(&self) -> bool {
        matches!(self.waiting, Waiting::Join(_))
    }

    pub fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// Its bytes for a protocol; none if it does not know it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map_or_else(Bytes::new, |(_, metadata)| metadata.clone())
    }

    pub fn for_leader(&self, member_id: &str, protocol: &str) -> JoinedMember {
        JoinedMember {
            member_id: member_id.to_owned(),
            instance_id: self.instance_id.clone(),
            metadata: self.metadata(protocol),
        }
    }

    /// As it is described; its bytes are shown if the group is stable, with that protocol.
    pub fn describe(&self, member_id: &str, stable: Option<&str>) -> DescribedMember {
        let shown = stable.map(|protocol| (self.metadata(protocol), self.assignment.clone()));
        let (metadata, assignment) = shown.unwrap_or_default();
        DescribedMember {
            member_id: member_id.to_owned(),
            instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            metadata,
            assignment,
        }
    }

    /// What it takes of memory, roughly.
    pub fn bytes(&self) -> usize {
        let names = self.client_id.len() + self.client_host.len();
        let instance = self.instance_id.as_ref().map_or(0, String::len);
        join_bytes(&self.protocols) + names + instance + self.assignment.len()
    }
}

/// What a member with these protocols takes of memory, roughly, beside its names.
pub(super) fn join_bytes(protocols: &[(String, Bytes)]) -> usize {
    let one = |(name, metadata): &(String, Bytes)| PROTOCOL_BYTES + name.len() + metadata.len();
    MEMBER_BYTES + protocols.iter().map(one).sum::<usize>()
}

/// What a member is reckoned with besides what it brings.
const MEMBER_BYTES: usize = 512;
/// What each of its protocols is.
const PROTOCOL_BYTES: usize = 64;

fn rebalance_timeout_ms(join: &Join) -> i32 {
    match join.rebalance_timeout_ms {
        ..0 => join.session_timeout_ms,
        ms => ms,
    }
}
