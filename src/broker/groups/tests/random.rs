//! Clients that join, sync, leave, die and come back at random, on a log that takes its time, fails
//! at times, and is started anew.
//!
//! What must hold, whatever they do:
//! - All who are told of a generation are told the same leader and protocol, and the leader alone
//!   is told the members.
//! - Whoever syncs gets what that generation's leader assigned to it, and nothing else.
//! - Every call is answered exactly once; once everybody is silent, the group ends, and none is left.

use super::*;

const CLIENTS: usize = 7;

#[derive(Clone, Debug, PartialEq)]
enum Client {
    Out,
    /// It was given an id to come back with.
    Given(String),
    Joining(u32),
    Syncing(u32, Joined),
    In(Joined),
}

struct World {
    bench: Bench,
    seed: u64,
    clients: Vec<Client>,
    ids: u32,
    /// Calls whose client has died, or whose connection has: their answers go nowhere.
    abandoned: Vec<u32>,
    /// Starts of the server. A generation that was not stored comes again after one.
    starts: u32,
    /// What was told of each generation: protocol and leader.
    told: BTreeMap<(u32, i32), (String, String)>,
    stable: u32,
}

impl World {
    fn new(seed: u64) -> World {
        let settings = GroupSettings {
            initial_rebalance_delay_ms: seed % 3 * 500,
            ..GroupSettings::default()
        };
        let mut bench = Bench::with(settings);
        bench.in_flight = Some(Vec::new());
        World {
            bench,
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            clients: vec![Client::Out; CLIENTS],
            ids: 0,
            abandoned: Vec::new(),
            starts: 0,
            told: BTreeMap::new(),
            stable: 0,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    /// Clients 0 and 1 have names; odd ones take their id with a second join.
    fn join(&mut self, client: usize, member_id: &str) {
        self.ids += 1;
        let names: &[&str] =
            if self.random(2) == 0 { &["range", "sticky"] } else { &["sticky", "range"] };
        let call = self.bench.join(Join {
            member_id: member_id.into(),
            new_member_id: format!("{client}-{}", self.ids),
            instance_id: (client < 2).then(|| format!("name-{client}")),
            takes_member_id: client % 2 == 1,
            may_skip_assignment: client == 0,
            rebalance_timeout_ms: 20_000,
            protocols: protocols(names),
            ..new("")
        });
        self.clients[client] = Client::Joining(call);
    }

    fn step(&mut self) {
        let client = self.random(CLIENTS as u64) as usize;
        match self.random(12) {
            0..=5 => self.act(client),
            6 => {
                let ms = self.random(2_000);
                self.bench.pass_ms(ms);
            }
            7..=8 => self.settle(),
            9 => self.beat_all(),
            10 if self.random(4) == 0 => self.die_or_leave(client),
            11 if self.random(40) == 0 => self.restart(),
            _ => {}
        }
        self.hear();
    }

    /// A client does what is next for it.
    fn act(&mut self, client: usize) {
        match self.clients[client].clone() {
            Client::Out => self.join(client, ""),
            Client::Given(id) => self.join(client, &id),
            Client::In(joined) if self.random(8) == 0 => self.join(client, &joined.member_id),
            Client::In(joined) => self.beat(client, &joined),
            // Its connection broke: it asks again, and nobody listens to the first.
            Client::Joining(call) if self.random(10) == 0 => {
                self.abandoned.push(call);
                self.clients[client] = Client::Out;
            }
            Client::Joining(_) | Client::Syncing(..) => {}
        }
    }

    fn beat(&mut self, client: usize, joined: &Joined) {
        match self.bench.heartbeat(joined) {
            Ok(()) => {}
            Err(ErrorCode::REBALANCE_IN_PROGRESS) => self.join(client, &joined.member_id.clone()),
            Err(_) => self.clients[client] = Client::Out,
        }
    }

    fn beat_all(&mut self) {
        for client in 0..CLIENTS {
            if let Client::In(joined) = self.clients[client].clone() {
                self.beat(client, &joined);
            }
        }
    }

    fn die_or_leave(&mut self, client: usize) {
        let member_id = match &self.clients[client] {
            Client::In(joined) | Client::Syncing(_, joined) => joined.member_id.clone(),
            _ => String::new(),
        };
        if let Client::Joining(call) | Client::Syncing(call, _) = self.clients[client] {
            self.abandoned.push(call);
        }
        self.clients[client] = Client::Out;
        if self.random(2) == 0 && !member_id.is_empty() {
            self.bench.leave(&[Leaver { member_id, instance_id: None }]);
        }
    }

    /// The first thing in the log is durable, or can't be.
    fn settle(&mut self) {
        let in_flight = self.bench.in_flight.as_mut().unwrap();
        if in_flight.is_empty() {
            return;
        }
        let (group, record, id) = in_flight.remove(0);
        match self.random(10) {
            0 => self.bench.settle(&group, id, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
            _ => self.bench.store(group, record, id),
        }
    }

    /// The server is killed and started: calls and what is not durable are lost.
    fn restart(&mut self) {
        self.bench.in_flight = Some(Vec::new());
        self.bench.restart();
        self.starts += 1;
        for client in &mut self.clients {
            if let Client::Joining(call) | Client::Syncing(call, _) = *client {
                self.abandoned.push(call);
                *client = Client::Out;
            }
        }
        let answered = |call: &u32| {
            self.bench.joined.contains_key(call) || self.bench.synced.contains_key(call)
        };
        // All that was held back is over.
        let lost: Vec<u32> = (1..=self.bench.calls).filter(|call| !answered(call)).collect();
        for call in lost {
            let gone = NotJoined { code: ErrorCode::NETWORK_EXCEPTION, member_id: String::new() };
            self.bench.joined.insert(call, Err(gone));
        }
    }

    /// Clients take the answers that are there.
    fn hear(&mut self) {
        for client in 0..CLIENTS {
            match self.clients[client].clone() {
                Client::Joining(call) => match self.bench.joined.get(&call).cloned() {
                    Some(Ok(joined)) => self.joined(client, joined),
                    Some(Err(NotJoined { code: ErrorCode::MEMBER_ID_REQUIRED, member_id })) => {
                        self.clients[client] = Client::Given(member_id);
                    }
                    Some(Err(_)) => self.clients[client] = Client::Out,
                    None => {}
                },
                Client::Syncing(call, joined) => match self.bench.synced.get(&call).cloned() {
                    Some(Ok(synced)) => self.synced(client, joined, &synced),
                    Some(Err(_)) => self.clients[client] = Client::In(joined),
                    None => {}
                },
                _ => {}
            }
        }
    }

    fn joined(&mut self, client: usize, joined: Joined) {
        let leads = joined.leader == joined.member_id;
        assert!(joined.members.is_empty() || leads, "{joined:?}");
        // A name that has come back may be told of its own former id.
        let key = (self.starts, joined.generation);
        let told = (joined.protocol.clone(), joined.leader.clone());
        let before = self.told.entry(key).or_insert_with(|| told.clone());
        let owner = |id: &str| id.split('-').next().unwrap_or_default().to_owned();
        assert_eq!((&before.0, owner(&before.1)), (&told.0, owner(&told.1)), "{joined:?}");
        if leads && !joined.skip_assignment {
            assert!(joined.members.iter().any(|m| m.member_id == joined.member_id), "{joined:?}");
        }
        let sync = Sync { assignments: assignments(&joined), ..assign(&joined) };
        let call = self.bench.sync(sync);
        self.clients[client] = Client::Syncing(call, joined);
    }

    fn synced(&mut self, client: usize, joined: Joined, synced: &Synced) {
        let expected = format!("{client}@{}", joined.generation);
        assert_eq!(synced.assignment, expected.as_bytes(), "client {client} of {joined:?}");
        assert_eq!(synced.protocol, joined.protocol);
        self.stable += 1;
        self.clients[client] = Client::In(joined);
    }

    /// Everybody is silent; every call comes to its end.
    fn end(&mut self) {
        for _ in 0..400 {
            while !self.bench.in_flight.as_ref().unwrap().is_empty() {
                self.settle();
            }
            self.bench.pass_ms(1_000);
        }
        for call in 1..=self.bench.calls {
            let answers = usize::from(self.bench.joined.contains_key(&call))
                + usize::from(self.bench.synced.contains_key(&call));
            assert_eq!(answers, 1, "call {call}");
        }
        assert!(!self.bench.coordinator.any_call());
        assert!(self.bench.coordinator.is_idle(GROUP));
        self.bench.coordinator.forget(GROUP);
        assert_eq!(self.bench.coordinator.bytes, 0);
        assert_eq!(self.bench.coordinator.next_deadline(), None);
    }
}

/// Each member is assigned the number of its client, and the generation.
fn assignments(joined: &Joined) -> Vec<(String, Bytes)> {
    let to = |member: &JoinedMember| {
        let client = member.member_id.split('-').next().unwrap_or_default();
        (member.member_id.clone(), format!("{client}@{}", joined.generation).into())
    };
    joined.members.iter().map(to).collect()
}

#[test]
fn whatever_members_do_generations_are_not_mixed_and_no_call_is_lost() {
    let mut stable = 0;
    for seed in 0..300 {
        let mut world = World::new(seed);
        let steps = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..2_000 {
                world.step();
            }
            world.end();
        }));
        assert!(steps.is_ok(), "seed {seed}");
        stable += world.stable;
    }
    assert!(stable > 10_000, "only {stable} syncs came to their end: nothing was tried");
}
