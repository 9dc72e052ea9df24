//! From one generation to the next.
//!
//! ```text
//!              ┌─────────────── a member joins anew, leaves, or dies ──────────────┐
//!              v                                                                   │
//!   Empty ──> Preparing ── all have joined, or time is up ──> Completing ──> Stable ┘
//!     ^          │  joins are held back                        │  syncs are held back
//!     └──────────┘  nobody is left                             └─ the leader's assignment is durable
//! ```
//! All joins that were held back are answered at once, with the new generation; so are all syncs.
//! No answer of one generation is ever given in another.

use duramen_protocol::codes::ErrorCode;

use super::calls::{Decision, NotJoined};
use super::group::{Group, Initial, Phase, Preparing, Turn};
use super::member::{Member, Waiting};
use crate::io::Now;

impl<W: Copy> Group<W> {
    /// Begins a rebalance, or sees whether the one under way is at its end.
    pub fn rebalance(&mut self, turn: &mut Turn<'_, W>) {
        match self.phase {
            Phase::Preparing(_) => self.try_complete(turn),
            _ => self.prepare(turn),
        }
    }

    fn prepare(&mut self, turn: &mut Turn<'_, W>) {
        self.refuse_syncs(ErrorCode::REBALANCE_IN_PROGRESS, turn);
        // Whoever waits for its new id to be stored is told with the next generation instead.
        self.members.values_mut().for_each(|member| member.replacing = None);
        let longest_ms = self.rebalance_timeout_ms();
        let preparing = match self.phase {
            Phase::Empty => {
                let delay_ms = turn.settings.initial_rebalance_delay_ms;
                let left_ms = longest_ms.saturating_sub(delay_ms);
                let initial = Some(Initial { left_ms, any_joined: false });
                Preparing { ends_us: turn.now.plus_ms(delay_ms), initial }
            }
            _ => Preparing { ends_us: turn.now.plus_ms(longest_ms), initial: None },
        };
        self.enter(Phase::Preparing(preparing), turn.now);
        self.try_complete(turn);
    }

    /// Completes the joins if all that are expected are there.
    pub fn try_complete(&mut self, turn: &mut Turn<'_, W>) {
        let all_joined = self.pending.is_empty() && self.members.values().all(Member::is_joining);
        if matches!(self.phase, Phase::Preparing(Preparing { initial: None, .. })) && all_joined {
            self.complete(turn);
        }
    }

    /// The time for joins is up.
    pub fn joins_ended(&mut self, turn: &mut Turn<'_, W>) {
        let Phase::Preparing(preparing) = &mut self.phase else { return };
        let delay_ms = turn.settings.initial_rebalance_delay_ms;
        match &mut preparing.initial {
            // More may be on their way: as long as some come, it goes on.
            Some(initial) if initial.any_joined && initial.left_ms > 0 => {
                preparing.ends_us = turn.now.plus_ms(delay_ms.min(initial.left_ms));
                initial.left_ms = initial.left_ms.saturating_sub(delay_ms);
                initial.any_joined = false;
            }
            _ => self.complete(turn),
        }
    }

    /// Ends the joins with whoever has come, and begins the next generation.
    fn complete(&mut self, turn: &mut Turn<'_, W>) {
        // Static members may be away; their session is what counts.
        let is_out = |member: &Member<W>| !member.is_joining() && member.instance_id.is_none();
        let out: Vec<String> =
            self.members.iter().filter(|(_, m)| is_out(m)).map(|(id, _)| id.clone()).collect();
        for member_id in out {
            self.take_out(&member_id, turn);
        }
        if self.members.is_empty() {
            return self.become_empty(turn);
        }
        if !self.elect_leader(Member::is_joining) {
            // Only static members that are away: until they are back, or their sessions end.
            let ends_us = turn.now.plus_ms(self.rebalance_timeout_ms());
            self.phase = Phase::Preparing(Preparing { ends_us, initial: None });
            return;
        }
        self.next_generation();
        self.protocol = self.elect_protocol();
        let ends_us = turn.now.plus_ms(self.rebalance_timeout_ms());
        self.enter(Phase::Completing { ends_us, assigned: None }, turn.now);
        self.answer_joins(turn);
    }

    fn answer_joins(&mut self, turn: &mut Turn<'_, W>) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for member_id in ids {
            let joined = self.joined(&member_id);
            let Some(member) = self.members.get_mut(&member_id) else { continue };
            if let Some(call) = member.admit(turn.now) {
                turn.out.push(Decision::Joined(call, Ok(joined)));
            }
        }
    }

    fn become_empty(&mut self, turn: &mut Turn<'_, W>) {
        self.next_generation();
        (self.protocol, self.leader) = (None, None);
        self.enter(Phase::Empty, turn.now);
        self.store(turn);
    }

    /// Has the group as it is stored; nobody waits for it.
    fn store(&mut self, turn: &mut Turn<'_, W>) {
        let (group, record, id) = (self.name.clone(), self.to_record(None), turn.store_id());
        turn.out.push(Decision::Store { group, record, id });
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
    }

    /// Takes a member out; what it waits for is answered.
    pub fn take_out(&mut self, member_id: &str, turn: &mut Turn<'_, W>) {
        let Some(mut member) = self.members.remove(member_id) else { return };
        let code = ErrorCode::UNKNOWN_MEMBER_ID;
        Self::refuse_call(member_id, &mut member, code, turn.out);
        if let Some(instance_id) = &member.instance_id
            && self.static_ids.get(instance_id).is_some_and(|owner| owner == member_id)
        {
            self.static_ids.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = None;
            self.elect_leader(|_| true);
        }
    }

    /// Answers all syncs that are held back with an error; what was assigned counts no more.
    pub fn refuse_syncs(&mut self, code: ErrorCode, turn: &mut Turn<'_, W>) {
        for (member_id, member) in &mut self.members {
            if matches!(member.waiting, Waiting::Sync(_)) {
                member.heard_of(turn.now);
                Self::refuse_call(member_id, member, code, turn.out);
            }
        }
    }

    /// Takes out whoever's time is up, and ends what has lasted too long.
    pub fn expire(&mut self, turn: &mut Turn<'_, W>) {
        let now_us = turn.now.monotonic_us;
        let before = (self.members.len(), self.pending.len());
        self.pending.retain(|_, until_us| *until_us > now_us);
        let is_dead = |member: &Member<W>| member.dies_us().is_some_and(|at| at <= now_us);
        let owes_too_long = self.syncs_end_us().is_some_and(|at| at <= now_us);
        let is_out = |member: &Member<W>| is_dead(member) || owes_too_long && member.owes_sync;
        let out: Vec<String> =
            self.members.iter().filter(|(_, m)| is_out(m)).map(|(id, _)| id.clone()).collect();
        for member_id in out {
            self.take_out(&member_id, turn);
        }
        if owes_too_long && let Phase::Stable { ends_us } = &mut self.phase {
            *ends_us = None;
        }
        if (self.members.len(), self.pending.len()) != before {
            self.has_lost(before.0 != self.members.len(), turn);
        }
        if let Phase::Preparing(Preparing { ends_us, .. }) = self.phase
            && ends_us <= now_us
        {
            self.joins_ended(turn);
        }
    }

    /// Members, or only ids that were given out, are gone: whoever is left goes on.
    pub fn has_lost(&mut self, members: bool, turn: &mut Turn<'_, W>) {
        match self.phase {
            Phase::Empty => {}
            Phase::Preparing(_) => self.try_complete(turn),
            _ if members => self.rebalance(turn),
            _ => {}
        }
    }

    /// When members that owe a sync are out.
    fn syncs_end_us(&self) -> Option<u64> {
        match self.phase {
            Phase::Completing { ends_us, .. } => Some(ends_us),
            Phase::Stable { ends_us } => ends_us,
            _ => None,
        }
    }

    /// When [`Group::expire`] is due.
    pub fn next_deadline(&self) -> Option<u64> {
        let phase = match self.phase {
            Phase::Preparing(Preparing { ends_us, .. }) => Some(ends_us),
            _ if self.members.values().any(|member| member.owes_sync) => self.syncs_end_us(),
            _ => None,
        };
        let members = self.members.values().filter_map(Member::dies_us);
        members.chain(self.pending.values().copied()).chain(phase).min()
    }

    /// Answers all calls that are held back with an error: the group is no more.
    pub fn refuse_all(&mut self, code: ErrorCode, out: &mut Vec<Decision<W>>) {
        for (member_id, member) in &mut self.members {
            Self::refuse_call(member_id, member, code, out);
        }
    }
}

impl<W: Copy> Member<W> {
    /// It is in the new generation, and owes a sync if it has come for it. The call to answer.
    fn admit(&mut self, now: Now) -> Option<W> {
        self.owes_sync = self.is_joining();
        self.replacing = None;
        let Waiting::Join(call) = self.waiting else { return None };
        self.waiting = Waiting::None;
        self.is_new = false;
        self.heard_of(now);
        Some(call)
    }
}

/// A join that another took the place of.
pub(super) fn superseded<W>(call: W, member_id: &str) -> Decision<W> {
    let code = ErrorCode::REBALANCE_IN_PROGRESS;
    Decision::Joined(call, Err(NotJoined { code, member_id: member_id.to_owned() }))
}
