//! SyncGroup, Heartbeat and LeaveGroup: what members of a generation ask.

use std::collections::BTreeMap;

use bytes::Bytes;
use duramen_protocol::codes::ErrorCode;

use super::calls::{Decision, Leaver, Membership, StoreId, Sync, Synced};
use super::group::{Assigned, Group, Phase, Turn};
use super::member::{Member, Waiting};
use crate::io::Now;

impl<W: Copy> Group<W> {
    /// Takes a sync; it is answered once what the leader assigns is durable.
    pub fn sync(&mut self, call: W, sync: Sync, turn: &mut Turn<'_, W>) {
        let member_id = &sync.member.member_id;
        if let Err(code) = self.check_sync(&sync) {
            return turn.out.push(Decision::Synced(call, Err(code)));
        }
        let Some(member) = self.members.get_mut(member_id) else { return };
        member.owes_sync = false;
        if matches!(self.phase, Phase::Stable { .. }) {
            member.heard_of(turn.now);
            let assignment = member.assignment.clone();
            return turn.out.push(Decision::Synced(call, Ok(self.synced(assignment))));
        }
        if let Waiting::Sync(old) = std::mem::replace(&mut member.waiting, Waiting::Sync(call)) {
            turn.out.push(Decision::Synced(old, Err(ErrorCode::REBALANCE_IN_PROGRESS)));
        }
        if self.is_leader(member_id) {
            self.assign(sync.assignments, turn);
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        self.check_generation(&sync.member)?;
        let differs = |said: &Option<String>, known: &Option<String>| {
            said.as_ref().is_some_and(|said| known.as_ref() != Some(said))
        };
        if differs(&sync.protocol_type, &self.protocol_type)
            || differs(&sync.protocol, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.phase {
            Phase::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Phase::Preparing(_) => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            Phase::Completing { .. } | Phase::Stable { .. } => Ok(()),
        }
    }

    /// The leader has assigned; whoever it left out gets nothing.
    fn assign(&mut self, assignments: Vec<(String, Bytes)>, turn: &mut Turn<'_, W>) {
        let Phase::Completing { assigned, .. } = &mut self.phase else { return };
        if assigned.is_some() {
            // The leader asks again, and the first is under way.
            return;
        }
        let known = assignments.into_iter().filter(|(id, _)| self.members.contains_key(id));
        let of: BTreeMap<String, Bytes> = known.collect();
        let stored = turn.store_id();
        *assigned = Some(Assigned { stored, of: of.clone() });
        let mut record = self.to_record(Some(&of));
        // It is stored as what it is then.
        record.state_timestamp_ms = turn.now.wall_ms;
        turn.out.push(Decision::Store { group: self.name.clone(), record, id: stored });
    }

    /// What was to be stored is durable, or will not be. What nobody waits for any more, since the
    /// group has gone on, changes nothing.
    pub fn stored(&mut self, id: StoreId, result: Result<(), ErrorCode>, turn: &mut Turn<'_, W>) {
        if let Phase::Completing { assigned, ends_us } = &mut self.phase
            && assigned.as_ref().is_some_and(|assigned| assigned.stored == id)
        {
            let (assigned, ends_us) = (assigned.take(), *ends_us);
            return match (result, assigned) {
                (Ok(()), Some(Assigned { of, .. })) => self.become_stable(of, ends_us, turn),
                (Ok(()), None) => {}
                (Err(code), _) => {
                    self.refuse_syncs(code, turn);
                    self.rebalance(turn);
                }
            };
        }
        let replaces =
            |member: &Member<W>| member.replacing.as_ref().is_some_and(|r| r.stored == id);
        let replaced = self.members.iter().find(|(_, member)| replaces(member));
        if let Some(member_id) = replaced.map(|(member_id, _)| member_id.clone()) {
            self.replaced(&member_id, result, turn);
        }
    }

    fn become_stable(
        &mut self,
        mut of: BTreeMap<String, Bytes>,
        ends_us: u64,
        turn: &mut Turn<'_, W>,
    ) {
        self.enter(Phase::Stable { ends_us: Some(ends_us) }, turn.now);
        let mut waiting = Vec::new();
        for (member_id, member) in &mut self.members {
            member.assignment = of.remove(member_id).unwrap_or_default();
            if let Waiting::Sync(call) = member.waiting {
                member.waiting = Waiting::None;
                member.heard_of(turn.now);
                waiting.push((call, member.assignment.clone()));
            }
        }
        for (call, assignment) in waiting {
            turn.out.push(Decision::Synced(call, Ok(self.synced(assignment))));
        }
    }

    fn synced(&self, assignment: Bytes) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment,
        }
    }

    /// A member lives.
    ///
    /// # Errors
    /// As for [`Group::check_generation`]; `REBALANCE_IN_PROGRESS` when it has to join again.
    pub fn heartbeat(&mut self, member: &Membership, now: Now) -> Result<(), ErrorCode> {
        self.check_generation(member)?;
        if let Some(member) = self.members.get_mut(&member.member_id) {
            member.heard_of(now);
        }
        match self.phase {
            Phase::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Phase::Preparing(_) => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            Phase::Completing { .. } | Phase::Stable { .. } => Ok(()),
        }
    }

    /// Takes members out, each on its own; those that are left rebalance once. The answers are in
    /// the order of `leavers`.
    pub fn leave(
        &mut self,
        leavers: &[Leaver],
        turn: &mut Turn<'_, W>,
    ) -> Vec<Result<(), ErrorCode>> {
        let (members, pending) = (self.members.len(), self.pending.len());
        let left = leavers.iter().map(|leaver| self.leave_one(leaver, turn)).collect();
        let lost_members = self.members.len() != members;
        if lost_members || self.pending.len() != pending {
            self.has_lost(lost_members, turn);
        }
        left
    }

    fn leave_one(&mut self, leaver: &Leaver, turn: &mut Turn<'_, W>) -> Result<(), ErrorCode> {
        let Leaver { member_id, instance_id } = leaver;
        let instance_id = instance_id.as_deref();
        // Administrators know the static name alone.
        let by_name = instance_id.filter(|_| member_id.is_empty());
        if let Some(name) = by_name {
            let member_id = self.static_ids.get(name).cloned();
            let member_id = member_id.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            self.take_out(&member_id, turn);
            return Ok(());
        }
        if self.pending.remove(member_id).is_some() {
            return Ok(());
        }
        self.check_member(member_id, instance_id)?;
        self.take_out(member_id, turn);
        Ok(())
    }
}
