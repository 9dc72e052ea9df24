//! A coordinator, call by call, and under members that come and go at random.

mod answers;
mod membership;
mod random;
mod records;
mod statics;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;
use crate::config::groups::GroupSettings;

const GROUP: &str = "g";

/// A coordinator with a clock, and a log that stores at once unless told to wait.
struct Bench {
    coordinator: Coordinator<u32>,
    now: Now,
    calls: u32,
    joined: BTreeMap<u32, Result<Joined, NotJoined>>,
    synced: BTreeMap<u32, Result<Synced, ErrorCode>>,
    /// What is durable, by group.
    stored: BTreeMap<String, GroupRecord>,
    /// What is appended and not durable, if the log is to wait.
    in_flight: Option<Vec<(String, GroupRecord, StoreId)>>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(GroupSettings { initial_rebalance_delay_ms: 0, ..GroupSettings::default() })
    }

    fn with(settings: GroupSettings) -> Bench {
        Bench {
            coordinator: Coordinator::new(settings),
            now: Now { monotonic_us: 1_000_000, wall_ms: 1_700_000_000_000 },
            calls: 0,
            joined: BTreeMap::new(),
            synced: BTreeMap::new(),
            stored: BTreeMap::new(),
            in_flight: None,
        }
    }

    fn call(&mut self) -> u32 {
        self.calls += 1;
        self.calls
    }

    fn join(&mut self, join: Join) -> u32 {
        let (call, mut out) = (self.call(), Vec::new());
        self.coordinator.join(call, join, self.now, &mut out);
        self.carry_out(out);
        self.pass_ms(0);
        call
    }

    fn sync(&mut self, sync: Sync) -> u32 {
        let (call, mut out) = (self.call(), Vec::new());
        self.coordinator.sync(call, sync, self.now, &mut out);
        self.carry_out(out);
        call
    }

    fn heartbeat(&mut self, member: &Joined) -> Result<(), ErrorCode> {
        self.coordinator.heartbeat(&membership(member), self.now)
    }

    fn leave(&mut self, leavers: &[Leaver]) -> Vec<Result<(), ErrorCode>> {
        let mut out = Vec::new();
        let left = self.coordinator.leave(GROUP, leavers, self.now, &mut out);
        self.carry_out(out);
        left
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now.monotonic_us += ms * 1000;
        self.now.wall_ms += ms as i64;
        let mut out = Vec::new();
        self.coordinator.advance(self.now, &mut out);
        self.carry_out(out);
        let next = self.coordinator.next_deadline();
        assert!(next.is_none_or(|at| at > self.now.monotonic_us), "a deadline was passed over");
    }

    fn carry_out(&mut self, out: Vec<Decision<u32>>) {
        for decision in out {
            match decision {
                Decision::Joined(call, result) => {
                    assert_eq!(self.joined.insert(call, result), None, "{call} answered twice");
                }
                Decision::Synced(call, result) => {
                    assert_eq!(self.synced.insert(call, result), None, "{call} answered twice");
                }
                Decision::Store { group, record, id } => match &mut self.in_flight {
                    Some(in_flight) => in_flight.push((group, record, id)),
                    None => self.store(group, record, id),
                },
            }
        }
    }

    fn store(&mut self, group: String, record: GroupRecord, id: StoreId) {
        self.stored.insert(group.clone(), record);
        self.settle(&group, id, Ok(()));
    }

    fn settle(&mut self, group: &str, id: StoreId, result: Result<(), ErrorCode>) {
        let mut out = Vec::new();
        self.coordinator.stored(group, id, result, self.now, &mut out);
        self.carry_out(out);
    }

    /// All that was appended is durable.
    fn settle_all(&mut self) {
        for (group, record, id) in self.in_flight.replace(Vec::new()).unwrap_or_default() {
            self.store(group, record, id);
        }
    }

    /// What a restart makes of what is durable.
    fn restart(&mut self) {
        let settings = self.coordinator.settings;
        self.coordinator = Coordinator::new(settings);
        for (group, record) in &self.stored {
            let read = GroupRecord::decode(&record.encode()).unwrap();
            self.coordinator.load(group, &read, self.now);
        }
    }

    /// The answer to a join that was not refused.
    fn answer(&self, call: u32) -> Joined {
        match self.joined.get(&call) {
            Some(Ok(joined)) => joined.clone(),
            other => panic!("call {call}: {other:?}"),
        }
    }

    fn refusal(&self, call: u32) -> ErrorCode {
        match self.joined.get(&call) {
            Some(Err(refused)) => refused.code,
            other => panic!("call {call}: {other:?}"),
        }
    }

    /// Has members join an empty group, and sync; the first is the leader.
    fn stable<const N: usize>(&mut self, members: [Join; N]) -> [Joined; N] {
        let delay_ms = self.coordinator.settings.initial_rebalance_delay_ms;
        // All are in the first generation.
        self.coordinator.settings.initial_rebalance_delay_ms = delay_ms.max(1);
        let calls = members.map(|join| self.join(join));
        (0..=N as u64).for_each(|_| self.pass_ms(delay_ms.max(1)));
        self.coordinator.settings.initial_rebalance_delay_ms = delay_ms;
        let joined = calls.map(|call| self.answer(call));
        let syncs = joined.clone().map(|member| self.sync(assign(&member)));
        for call in syncs {
            assert!(matches!(self.synced.get(&call), Some(Ok(_))), "{:?}", self.synced.get(&call));
        }
        joined
    }
}

/// Somebody without an id, whose client does not come back with one; it will be `id`.
fn new(id: &str) -> Join {
    Join {
        group: GROUP.into(),
        member_id: String::new(),
        new_member_id: id.into(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: protocols(&["range"]),
        takes_member_id: false,
        may_skip_assignment: true,
    }
}

/// A member that joins again.
fn known(id: &str) -> Join {
    Join { member_id: id.into(), ..new("unused") }
}

/// A static member that has just started; its id will be `id`.
fn static_new(name: &str, id: &str) -> Join {
    Join { instance_id: Some(name.into()), ..new(id) }
}

fn protocols(names: &[&str]) -> Vec<(String, Bytes)> {
    names.iter().map(|name| ((*name).to_owned(), subscription(&["t"]))).collect()
}

/// A consumer's bytes: version 0, its topics, no bytes of its own.
fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes.into()
}

fn membership(member: &Joined) -> Membership {
    Membership {
        group: GROUP.into(),
        generation: member.generation,
        member_id: member.member_id.clone(),
        instance_id: None,
    }
}

/// A sync; a leader assigns each member its own id and generation.
fn assign(member: &Joined) -> Sync {
    let to = |of: &JoinedMember| (of.member_id.clone(), assigned(&of.member_id, member.generation));
    Sync {
        member: membership(member),
        protocol_type: Some(member.protocol_type.clone()),
        protocol: Some(member.protocol.clone()),
        assignments: member.members.iter().map(to).collect(),
    }
}

fn assigned(member_id: &str, generation: i32) -> Bytes {
    format!("{member_id}@{generation}").into()
}
