//! JoinGroup: who becomes a member, and who begins a rebalance with it.

use duramen_protocol::codes::ErrorCode;

use super::calls::{Decision, Join, NotJoined};
use super::group::{Group, Phase, Preparing, Turn};
use super::member::{Member, Replacing, Waiting};
use super::rebalance::superseded;

impl<W: Copy> Group<W> {
    /// Takes a join; it is answered now, or with the next generation.
    pub fn join(&mut self, call: W, join: Join, turn: &mut Turn<'_, W>) {
        if !self.has_room_for(&join.member_id, turn.settings.members_max) {
            // A member for which there is none any more is out.
            if self.members.contains_key(&join.member_id) {
                self.take_out(&join.member_id, turn);
                self.has_lost(true, turn);
            }
            return refuse(call, &join, ErrorCode::GROUP_MAX_SIZE_REACHED, turn);
        }
        if !self.agrees_with(&join.protocol_type, &join.protocols) {
            return refuse(call, &join, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, turn);
        }
        match join.member_id.is_empty() {
            true => self.join_new(call, join, turn),
            false => self.join_known(call, join, turn),
        }
    }

    /// In a rebalance those count that have joined: so a group that is too large shrinks.
    fn has_room_for(&self, member_id: &str, members_max: usize) -> bool {
        let known = self.members.get(member_id);
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing(_) => {
                let joined = self.members.values().filter(|member| member.is_joining()).count();
                joined < members_max || known.is_some_and(Member::is_joining)
            }
            _ => known.is_some() || self.members.len() < members_max,
        }
    }

    /// Somebody without an id.
    fn join_new(&mut self, call: W, join: Join, turn: &mut Turn<'_, W>) {
        let member_id = join.new_member_id.clone();
        if let Some(instance_id) = &join.instance_id {
            return match self.static_ids.get(instance_id).cloned() {
                Some(old_id) => self.replace_static(call, &join, &old_id, turn),
                None => self.add_joining(call, &join, member_id, turn),
            };
        }
        if !join.takes_member_id {
            return self.add_joining(call, &join, member_id, turn);
        }
        let until_us = turn.now.plus_ms(join.session_timeout_ms.max(0) as u64);
        self.pending.insert(member_id.clone(), until_us);
        let refused = NotJoined { code: ErrorCode::MEMBER_ID_REQUIRED, member_id };
        turn.out.push(Decision::Joined(call, Err(refused)));
    }

    /// Somebody with an id: one that was just given out, or a member's.
    fn join_known(&mut self, call: W, join: Join, turn: &mut Turn<'_, W>) {
        if join.instance_id.is_none() && self.pending.contains_key(&join.member_id) {
            return self.add_joining(call, &join, join.member_id.clone(), turn);
        }
        if let Err(code) = self.check_member(&join.member_id, join.instance_id.as_deref()) {
            return refuse(call, &join, code, turn);
        }
        let same = self.members[&join.member_id].protocols == join.protocols;
        let goes_on = match self.phase {
            // Its call may have been answered without its hearing of it.
            Phase::Completing { .. } => same,
            // A leader that joins wants to assign anew, for its topics may have changed.
            Phase::Stable { .. } => same && !self.is_leader(&join.member_id),
            Phase::Empty | Phase::Preparing(_) => false,
        };
        if goes_on {
            let joined = self.joined(&join.member_id);
            if let Some(member) = self.members.get_mut(&join.member_id) {
                member.heard_of(turn.now);
            }
            return turn.out.push(Decision::Joined(call, Ok(joined)));
        }
        self.update_joining(call, &join, &join.member_id, turn);
        self.rebalance(turn);
    }

    fn add_joining(&mut self, call: W, join: &Join, member_id: String, turn: &mut Turn<'_, W>) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Phase::Preparing(Preparing { initial: Some(initial), .. }) = &mut self.phase {
            initial.any_joined = true;
        }
        let mut member = Member::new(join, turn.now);
        member.waiting = Waiting::Join(call);
        self.add(member_id, member);
        self.rebalance(turn);
    }

    /// The member waits for the next generation, with what it brings now.
    fn update_joining(&mut self, call: W, join: &Join, member_id: &str, turn: &mut Turn<'_, W>) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        member.update(join);
        match std::mem::replace(&mut member.waiting, Waiting::Join(call)) {
            Waiting::None => {}
            Waiting::Join(old) => turn.out.push(superseded(old, member_id)),
            Waiting::Sync(old) => {
                turn.out.push(Decision::Synced(old, Err(ErrorCode::REBALANCE_IN_PROGRESS)));
            }
        }
    }

    /// A static member is back, without its id: it gets a new one, and the old one is fenced.
    fn replace_static(&mut self, call: W, join: &Join, old_id: &str, turn: &mut Turn<'_, W>) {
        let old_leader = self.leader.clone().unwrap_or_default();
        let Some(mut member) = self.members.remove(old_id) else { return };
        Self::refuse_call(old_id, &mut member, ErrorCode::FENCED_INSTANCE_ID, turn.out);
        (member.client_id, member.client_host) = (join.client_id.clone(), join.client_host.clone());
        member.heard_of(turn.now);
        let new_id = &join.new_member_id;
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        self.add(new_id.clone(), member);
        self.update_joining(call, join, new_id, turn);
        let is_stable = matches!(self.phase, Phase::Stable { .. });
        if !is_stable || self.elect_protocol() != self.protocol {
            return self.rebalance(turn);
        }
        // The others go on as they are. The new id must survive a restart before it is told.
        let (record, stored) = (self.to_record(None), turn.store_id());
        let may_skip = join.may_skip_assignment;
        let replacing = Replacing {
            stored,
            // Who can't be told to skip the assignment is told that another does it.
            leader: if may_skip { self.leader.clone().unwrap_or_default() } else { old_leader },
            skip_assignment: may_skip && self.is_leader(new_id),
        };
        if let Some(member) = self.members.get_mut(new_id) {
            member.replacing = Some(replacing);
        }
        turn.out.push(Decision::Store { group: self.name.clone(), record, id: stored });
    }

    /// A static member's new id is stored, or not.
    pub fn replaced(
        &mut self,
        member_id: &str,
        stored: Result<(), ErrorCode>,
        turn: &mut Turn<'_, W>,
    ) {
        let mut joined = self.joined(member_id);
        let Some(member) = self.members.get_mut(member_id) else { return };
        let Some(replacing) = member.replacing.take() else { return };
        let Waiting::Join(call) = member.waiting else { return };
        member.waiting = Waiting::None;
        member.heard_of(turn.now);
        let told = stored.map_err(|code| NotJoined { code, member_id: member_id.to_owned() });
        let told = told.map(|()| {
            if !replacing.skip_assignment {
                joined.members.clear();
            }
            (joined.leader, joined.skip_assignment) = (replacing.leader, replacing.skip_assignment);
            joined
        });
        turn.out.push(Decision::Joined(call, told));
    }
}

fn refuse<W>(call: W, join: &Join, code: ErrorCode, turn: &mut Turn<'_, W>) {
    let refused = NotJoined { code, member_id: join.member_id.clone() };
    turn.out.push(Decision::Joined(call, Err(refused)));
}
