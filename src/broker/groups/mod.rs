//! The coordinator of consumer groups, by Kafka's classic protocol.
//!
//! Members share a group's partitions out among themselves: one of them, the *leader*, assigns. The
//! coordinator only knows who is in, and passes the leader's bytes on without looking into them, so
//! eager and cooperative assignors are one to it. Each round has a number, the *generation*:
//!
//! ```text
//!  members             coordinator                          log
//!  join ─────────────────> held back until all have joined
//!       <── generation, leader, and for the leader: members
//!  sync ─────────────────> held back
//!  sync, assignments ────> ── Store ──────────────────────> durable
//!       <── assignment <───────────── stored ───────────────┘
//!  heartbeat ────────────> fine, or: join again
//! ```
//! - [`Coordinator`] holds the groups of one partition of `__consumer_offsets`, and is pure: calls
//!   and the time go in, [`Decision`]s come out. Calls that are held back are values (`W`); each is
//!   answered once, sooner or later: with its generation, or with an error when its member is
//!   taken out, dies or is replaced.
//! - A group's steps are in `join`, `sync` (and heartbeat, leave) and `rebalance`, which draws its
//!   phases. Members that are silent are found by `deadlines`.
//! - What is assigned is stored before it is told, in Kafka's own record ([`records`]), and so is
//!   that a group is empty. After a restart a group goes on in its generation; a member of which
//!   nothing is heard then dies as ever. A group whose rebalance was under way is back in the
//!   generation before, and its members are told to join again.
//! - A group that never had members, such as a native consumer with a name, has offsets and nothing
//!   here. Offsets are kept by [`super::offsets`]; what a group allows with them is in `offsets`.
//! - Memory is bounded: by [`limits::GROUPS_BYTES_MAX`] in all, and by settings a group.
//!
//! [`limits::GROUPS_BYTES_MAX`]: crate::limits::GROUPS_BYTES_MAX

mod calls;
mod deadlines;
mod group;
mod join;
mod member;
mod offsets;
mod rebalance;
pub mod records;
mod sync;

pub use calls::{
    Decision, Described, DescribedMember, GroupState, Join, Joined, JoinedMember, Leaver,
    Membership, NotJoined, StoreId, Sync, Synced,
};
pub use offsets::Deletable;
pub use records::{GroupRecord, MemberRecord};

use std::collections::BTreeMap;

use duramen_protocol::codes::ErrorCode;

use super::offsets::OffsetAge;
use crate::config::groups::GroupSettings;
use crate::io::Now;
use crate::limits;
use deadlines::Deadlines;
use group::{Group, Turn};

/// The groups of one partition of `__consumer_offsets`: see [the module](self).
#[derive(Clone, Debug)]
pub struct Coordinator<W> {
    settings: GroupSettings,
    groups: BTreeMap<String, Group<W>>,
    deadlines: Deadlines,
    /// What the groups take of memory, roughly.
    bytes: usize,
    /// How many things were to be stored.
    stores: u64,
}

impl<W: Copy> Coordinator<W> {
    /// A coordinator without groups.
    pub fn new(settings: GroupSettings) -> Coordinator<W> {
        Coordinator {
            settings,
            groups: BTreeMap::new(),
            deadlines: Deadlines::default(),
            bytes: 0,
            stores: 0,
        }
    }

    /// Takes in a group as it was stored, before anything is asked of it.
    pub fn load(&mut self, name: &str, record: &GroupRecord, now: Now) {
        let group = Group::of_record(name, record, now);
        self.bytes += group.bytes();
        self.deadlines.set(name, group.next_deadline());
        self.groups.insert(name.to_owned(), group);
    }

    /// Takes a join; `call` is answered by a decision, now or later.
    pub fn join(&mut self, call: W, join: Join, now: Now, out: &mut Vec<Decision<W>>) {
        if let Err(code) = self.check_join(&join) {
            let refused = NotJoined { code, member_id: join.member_id };
            return out.push(Decision::Joined(call, Err(refused)));
        }
        let name = join.group.clone();
        if join.member_id.is_empty() && !self.groups.contains_key(&name) {
            let group = Group::new(&name, now);
            self.bytes += group.bytes();
            self.groups.insert(name.clone(), group);
        }
        let refused =
            NotJoined { code: ErrorCode::UNKNOWN_MEMBER_ID, member_id: join.member_id.clone() };
        let taken = self.turn(&name, now, out, |group, turn| group.join(call, join, turn));
        if taken.is_none() {
            out.push(Decision::Joined(call, Err(refused)));
        }
    }

    fn check_join(&self, join: &Join) -> Result<(), ErrorCode> {
        super::offsets::check_group(&join.group).map_err(|refusal| refusal.code)?;
        let (shortest, longest) =
            (self.settings.session_timeout_ms_min, self.settings.session_timeout_ms_max);
        let session_ms = u64::try_from(join.session_timeout_ms).unwrap_or(0);
        if !(shortest..=longest).contains(&session_ms) {
            return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
        }
        let bytes = join.bytes();
        if bytes > limits::GROUP_MEMBER_BYTES_MAX || self.bytes + bytes > limits::GROUPS_BYTES_MAX {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        Ok(())
    }

    /// Takes a sync; `call` is answered by a decision, now or later.
    pub fn sync(&mut self, call: W, sync: Sync, now: Now, out: &mut Vec<Decision<W>>) {
        let name = sync.member.group.clone();
        let taken = self.turn(&name, now, out, |group, turn| group.sync(call, sync, turn));
        if taken.is_none() {
            out.push(Decision::Synced(call, Err(ErrorCode::UNKNOWN_MEMBER_ID)));
        }
    }

    /// A member lives.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION`, `FENCED_INSTANCE_ID`; `REBALANCE_IN_PROGRESS`
    /// when it has to join again.
    pub fn heartbeat(&mut self, member: &Membership, now: Now) -> Result<(), ErrorCode> {
        // It only puts deadlines off: nothing is to be worked out anew.
        let group = self.groups.get_mut(&member.group).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        group.heartbeat(member, now)
    }

    /// Takes members out of a group. The answers are in the order of `leavers`.
    pub fn leave(
        &mut self,
        group: &str,
        leavers: &[Leaver],
        now: Now,
        out: &mut Vec<Decision<W>>,
    ) -> Vec<Result<(), ErrorCode>> {
        let left = self.turn(group, now, out, |group, turn| group.leave(leavers, turn));
        left.unwrap_or_else(|| vec![Err(ErrorCode::UNKNOWN_MEMBER_ID); leavers.len()])
    }

    /// Whether offsets may be committed in this name; none if the group has no members and never
    /// had any, so that it has nothing to say.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION`, `FENCED_INSTANCE_ID`, `REBALANCE_IN_PROGRESS`.
    pub fn check_commit(&mut self, member: &Membership, now: Now) -> Option<Result<(), ErrorCode>> {
        let group = self.groups.get_mut(&member.group)?;
        Some(group.check_commit(member, now))
    }

    /// What [`Decision::Store`] wanted stored is durable, or will not be.
    pub fn stored(
        &mut self,
        group: &str,
        id: StoreId,
        result: Result<(), ErrorCode>,
        now: Now,
        out: &mut Vec<Decision<W>>,
    ) {
        self.turn(group, now, out, |group, turn| group.stored(id, result, turn));
    }

    /// Lets time pass: whoever is silent is taken out, and what has lasted too long ends.
    pub fn advance(&mut self, now: Now, out: &mut Vec<Decision<W>>) {
        while let Some(name) = self.deadlines.pop_due(now.monotonic_us) {
            self.turn(&name, now, out, |group, turn| group.expire(turn));
        }
    }

    /// When [`Coordinator::advance`] is due, on the monotonic clock in microseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first()
    }

    /// A group as it stands; none if it has no members and never had any.
    pub fn describe(&self, group: &str) -> Option<Described> {
        self.groups.get(group).map(Group::describe)
    }

    /// All groups that have or had members, by name, with state and protocol type.
    pub fn list(&self) -> impl Iterator<Item = (&str, GroupState, &str)> {
        self.groups.values().map(|group| {
            let protocol_type = group.protocol_type.as_deref().unwrap_or_default();
            (group.name.as_str(), group.state(), protocol_type)
        })
    }

    /// From when on a group's offset in `topic` ages.
    pub fn offset_age(&self, group: &str, topic: &str) -> OffsetAge {
        self.groups.get(group).map_or(OffsetAge::SinceCommit, |group| group.offset_age(topic))
    }

    /// Whether a group's offset in `topic` may be deleted.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` when the members are no consumers.
    pub fn check_delete(&self, group: &str, topic: &str) -> Result<Deletable, ErrorCode> {
        self.groups.get(group).map_or(Ok(Deletable::Yes), |group| group.check_delete(topic))
    }

    /// Whether nobody is in the group or about to be.
    pub fn is_idle(&self, group: &str) -> bool {
        self.groups.get(group).is_none_or(Group::is_idle)
    }

    /// Forgets a group that is idle; its record is to be removed. Whether it was there.
    pub fn forget(&mut self, group: &str) -> bool {
        let forgotten = self.groups.remove(group);
        self.deadlines.set(group, None);
        self.bytes -= forgotten.as_ref().map_or(0, Group::bytes);
        forgotten.is_some()
    }

    /// Answers everything that is held back with an error.
    pub fn refuse_all(&mut self, code: ErrorCode, out: &mut Vec<Decision<W>>) {
        for group in self.groups.values_mut() {
            group.refuse_all(code, out);
        }
    }

    /// Whether a call is held back.
    pub fn any_call(&self) -> bool {
        let waits = |member: &member::Member<W>| !matches!(member.waiting, member::Waiting::None);
        self.groups.values().any(|group| group.members.values().any(waits))
    }

    /// One step of a group, if it is there.
    fn turn<T>(
        &mut self,
        name: &str,
        now: Now,
        out: &mut Vec<Decision<W>>,
        step: impl FnOnce(&mut Group<W>, &mut Turn<'_, W>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(name)?;
        let bytes = group.bytes();
        let mut turn = Turn { now, settings: &self.settings, stores: &mut self.stores, out };
        let result = step(group, &mut turn);
        self.bytes = self.bytes + group.bytes() - bytes;
        let (deadline, never_was) = (group.next_deadline(), group.generation == 0);
        let is_over = never_was && group.is_idle();
        self.deadlines.set(name, deadline);
        if is_over {
            // Nobody has come back: there is nothing to remember.
            self.forget(name);
        }
        Some(result)
    }
}

#[cfg(test)]
mod tests;
