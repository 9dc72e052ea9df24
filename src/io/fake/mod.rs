//! A seeded file system in memory that is as unkind as the seam's promises allow.
//!
//! ```text
//! submit --> in flight --poll/wait, any order--> page cache --sync--> stable storage
//!                 |                                  |                      |
//!     crash:  wholly, in part, not at all    each sector may, or not    all of it
//!     kill:   may land later                      all of it             all of it
//! ```
//!
//! - *Time*: an operation takes effect at the moment it completes, which `poll` and
//!   `wait` choose by chance. The same seed and the same calls give the same run, and
//!   [`Fake::trace_hash`] tells whether two runs were the same.
//! - *Power cut*: [`Fake::crash`] gives a new disk with what one power cut at this moment could
//!   have left; another seed gives another. Bytes are decided per sector of 512, lengths and
//!   names apart from them. [`Fake::halt_at`] ends a run after a number of completions.
//! - *Kill*: [`Fake::kill`] gives a new disk as the next process finds it: the page cache is
//!   whole, and durable writes of the dead process land when they will. Opening their file with
//!   [`Mode::Durable`] waits for them; nothing else does.
//! - *Faults*: errors of any operation, once or for good; a capacity; operations that are held
//!   back until they are released.
//! - *The caller's duties* are checked, and broken ones panic: overlapping operations in
//!   flight, misaligned durable writes, memory that changes under a write, files that are used
//!   before they are open.
//!
//! `pages` and `file` are the bytes, `tree` the names, `submit` checks an operation and makes it
//! a `flight`, `faults` has the rules of what goes wrong, `power` the ends of a process, and
//! `inspect` is for tests to look and meddle.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::{Disk, DiskError, Done, ErrorKind, FileId, Mode, Op, Output, Token, WaitDisk};

mod faults;
mod file;
mod flight;
mod inspect;
mod page_cache;
mod pages;
mod power;
mod submit;
mod tree;

pub use faults::{Filter, Hold, Kind};
pub use inspect::Counters;

use faults::{Rules, When};
use file::Landing;
use flight::{Answer, Effect, Flight};
use page_cache::PageCache;
use tree::{NodeId, Refusal, Tree, View};

/// The disk. See the module's essay.
pub struct Fake {
    rng: Rng,
    tree: Tree,
    handles: BTreeMap<FileId, Handle>,
    flights: BTreeMap<Token, Flight>,
    /// What a killed process had in flight and has not landed yet.
    ghosts: Vec<Effect>,
    ghosts_held: bool,
    rules: Rules,
    knobs: Knobs,
    /// Rises with each effect, so that a sync knows what came before it.
    stamp: u64,
    completed: u64,
    halt_at: Option<u64>,
    /// Once the power is cut: what was in flight then.
    stranded: Option<Vec<Effect>>,
    trace: u64,
    log: VecDeque<String>,
    counters: Counters,
    page_cache: PageCache,
}

/// What stays the same across a restart.
#[derive(Clone)]
struct Knobs {
    block_bytes: usize,
    pace: u32,
    garbage: bool,
    log_lines: usize,
}

/// An open file.
struct Handle {
    node: NodeId,
    mode: Mode,
    path: PathBuf,
    closing: bool,
}

impl Fake {
    /// An empty disk: no folder but the root, which relative paths start from as well.
    pub fn new(seed: u64) -> Fake {
        let mut rng = Rng::with_seed(seed);
        let pace = [1, 2, 4, 8][rng.usize(0..4)];
        let knobs = Knobs { block_bytes: 4096, pace, garbage: false, log_lines: 0 };
        Fake::over(Tree::new(), rng, knobs)
    }

    /// A disk with this content, on which nothing has happened yet.
    fn over(tree: Tree, rng: Rng, knobs: Knobs) -> Fake {
        Fake {
            rng,
            tree,
            handles: BTreeMap::new(),
            flights: BTreeMap::new(),
            ghosts: Vec::new(),
            ghosts_held: false,
            rules: Rules::default(),
            knobs,
            stamp: 0,
            completed: 0,
            halt_at: None,
            stranded: None,
            trace: 0,
            log: VecDeque::new(),
            counters: Counters::default(),
            page_cache: PageCache::default(),
        }
    }

    // ---- knobs ----

    /// Sets the unit of durable writes: a power of two, at least 4096, which is the default.
    pub fn set_block_bytes(&mut self, block_bytes: usize) {
        assert!(block_bytes.is_power_of_two() && block_bytes >= 4096, "{block_bytes}");
        self.knobs.block_bytes = block_bytes;
    }

    /// How slow the disk is: each operation completes at one in `polls` calls of `poll`, by
    /// chance. With 1 every call completes everything. A seed's own is 1, 2, 4 or 8.
    pub fn set_pace(&mut self, polls: u32) {
        self.knobs.pace = polls.max(1);
    }

    /// Whether sectors that a power cut catches in flight may hold neither the old bytes nor
    /// the new ones. Off by default: the seam promises whole sectors.
    pub fn set_torn_sectors_garbage(&mut self, garbage: bool) {
        self.knobs.garbage = garbage;
    }

    /// Bytes that all files together may occupy, counted in blocks of 4096; `None` for no
    /// bound. What goes over it fails with [`ErrorKind::Full`].
    pub fn set_capacity(&mut self, capacity: Option<u64>) {
        self.tree.capacity = capacity;
    }

    /// Keeps the last `lines` submissions and completions in words, for [`Fake::log`].
    pub fn keep_log(&mut self, lines: usize) {
        self.knobs.log_lines = lines;
    }

    /// Drops the page cache: what is read from now on is in it, and nothing else. Until then it is
    /// a matter of chance what is.
    pub fn drop_page_cache(&mut self) {
        self.page_cache.drop_all();
    }

    // ---- faults ----

    /// Fails the next operation submitted that `filter` matches. A write that fails may have
    /// landed in parts; a sync that fails has dropped what was dirty.
    pub fn fail_next(&mut self, filter: Filter, kind: ErrorKind) {
        self.fail_nth(filter, 0, kind);
    }

    /// Fails one matching operation, after `others` that succeed.
    pub fn fail_nth(&mut self, filter: Filter, others: u64, kind: ErrorKind) {
        self.rules.fail(filter, When::Nth(others), kind);
    }

    /// Fails every matching operation submitted from now on, until [`Fake::heal`].
    pub fn fail_for_good(&mut self, filter: Filter, kind: ErrorKind) {
        self.rules.fail(filter, When::Always, kind);
    }

    /// Fails each matching operation with a probability from 0 to 1, until [`Fake::heal`].
    pub fn fail_sometimes(&mut self, filter: Filter, probability: f64, kind: ErrorKind) {
        self.rules.fail(filter, When::Chance(probability), kind);
    }

    /// Ends all faults. What is in flight keeps the one it was struck by.
    pub fn heal(&mut self) {
        self.rules.heal();
    }

    /// Holds back every matching operation, in flight or yet to come, until it is released.
    pub fn hold(&mut self, filter: Filter) -> Hold {
        let hold = self.rules.hold(filter.clone(), When::Always);
        for flight in self.flights.values_mut() {
            if filter.matches(flight.kind, &flight.paths()) {
                flight.holds.push(hold);
            }
        }
        hold
    }

    /// Holds back one operation that is yet to come, the matching one after `others`.
    pub fn hold_nth(&mut self, filter: Filter, others: u64) -> Hold {
        self.rules.hold(filter, When::Nth(others))
    }

    /// Ends a hold.
    pub fn release(&mut self, hold: Hold) {
        self.rules.release(hold);
        self.flights.values_mut().for_each(|flight| flight.holds.retain(|h| *h != hold));
    }

    /// Ends all holds.
    pub fn release_all(&mut self) {
        self.rules.release_all();
        self.flights.values_mut().for_each(|flight| flight.holds.clear());
    }

    // ---- completing ----

    /// Completes some of what can be completed, at least one if `some`.
    fn step(&mut self, some: bool, out: &mut Vec<Done>) {
        if self.halt_due() {
            return self.halt();
        }
        self.land_ghosts();
        let mut picked: Vec<Token> =
            self.flights.keys().copied().filter(|token| self.is_ready(*token)).collect();
        self.rng.shuffle(&mut picked);
        let first = picked.first().copied().filter(|_| some);
        picked.retain(|_| self.rng.u32(0..self.knobs.pace) == 0);
        if picked.is_empty() {
            picked.extend(first);
        }
        for token in picked {
            if self.halt_due() {
                return self.halt();
            }
            // The completion before may have taken the lock that this one waits for.
            if self.is_ready(token)
                && let Some(flight) = self.flights.remove(&token)
            {
                let done = self.complete(flight);
                out.push(done);
            }
        }
    }

    fn halt_due(&self) -> bool {
        self.halt_at.is_some_and(|at| self.completed >= at)
    }

    fn any_ready(&self) -> bool {
        self.flights.keys().any(|token| self.is_ready(*token))
    }

    fn is_ready(&self, token: Token) -> bool {
        let Some(flight) = self.flights.get(&token) else { return false };
        flight.holds.is_empty() && !self.waits_for_lock(flight)
    }

    /// Whether it opens a file whose lock somebody holds: an open file, what was submitted
    /// through one, or a ghost.
    fn waits_for_lock(&self, flight: &Flight) -> bool {
        let Answer::Open { path, mode: Mode::Durable, .. } = &flight.answer else { return false };
        let Some(node) = self.tree.find(path, View::Cached) else { return false };
        let holds = |effect: &Effect| effect.locked() && effect.node() == Some(node);
        self.handles.values().any(|handle| handle.node == node && handle.mode == Mode::Durable)
            || self.flights.values().any(|flight| holds(&flight.effect))
            || self.ghosts.iter().any(holds)
    }

    fn complete(&mut self, flight: Flight) -> Done {
        flight.assert_unchanged();
        self.stamp += 1;
        self.completed += 1;
        if let Effect::Sync { node, .. } = &flight.effect
            && let Some(file) = self.tree.file_mut(*node)
        {
            file.syncing -= 1;
        }
        let (token, kind, path) = (flight.token, flight.kind, flight.path.clone());
        let result = match flight.fault {
            Some(error) => self.fail(flight, error),
            None => self.perform(flight),
        };
        let result = result.map_err(|refusal| DiskError {
            kind: refusal.kind,
            operation: kind.verb(),
            path: path.display().to_string(),
            reason: refusal.reason,
        });
        if matches!(kind, Kind::Close | Kind::SyncDir) {
            self.collect();
        }
        let done = Done { token, result };
        self.trace_done(&done);
        done
    }

    /// The damage that a failing operation does all the same.
    fn fail(&mut self, flight: Flight, kind: ErrorKind) -> Result<Output, Refusal> {
        match &flight.effect {
            Effect::Write { at, data, .. } if kind != ErrorKind::Full => {
                let range = flight::write_range(*at, data);
                let landing = Landing::torn(range, false, &mut self.rng);
                flight.effect.land(&mut self.tree, self.stamp, &landing, &mut self.rng);
            }
            Effect::Store { at, data, .. } => {
                let landing = Landing::torn(flight::store_range(*at, data), false, &mut self.rng);
                // It fails in either case.
                let _ = flight.effect.store(&mut self.tree, self.stamp, &landing, &mut self.rng);
            }
            Effect::Sync { node, stamp, .. } => {
                if let Some(file) = self.tree.file_mut(*node) {
                    file.fail_sync(*stamp, &mut self.rng);
                }
            }
            _ => {}
        }
        if let Answer::Close { file } = flight.answer {
            self.forget(file);
        }
        Err(Refusal { kind, reason: "injected fault".to_string() })
    }

    fn perform(&mut self, flight: Flight) -> Result<Output, Refusal> {
        flight.effect.apply(&mut self.tree, self.stamp, &mut self.rng)?;
        self.counters.count(&flight);
        match flight.answer {
            Answer::Nothing | Answer::ReadAhead { .. } => Ok(Output::Nothing),
            Answer::Open { file, path, mode } => self.open(file, path, mode),
            Answer::Close { file } => {
                self.forget(file);
                Ok(Output::Nothing)
            }
            Answer::Read { node, at, mut into } => {
                let n = self.tree.file(node).map_or(0, |file| file.read(at, into.spare()));
                into.advance(n);
                self.page_cache.read(node, at, n as u64);
                self.counters.read_bytes += n as u64;
                Ok(Output::Read(into))
            }
            Answer::Load { path, at, max_len, .. } => self.load(&path, at, max_len),
            Answer::List { path } => self.tree.list(&path).map(Output::Names),
        }
    }

    fn open(&mut self, file: FileId, path: PathBuf, mode: Mode) -> Result<Output, Refusal> {
        let node = self.tree.find(&path, View::Cached);
        let found = node.and_then(|node| Some((node, self.tree.file_mut(node)?)));
        let Some((node, content)) = found else {
            return Err(no_file());
        };
        content.handles += 1;
        let len = content.len();
        self.handles.insert(file, Handle { node, mode, path, closing: false });
        Ok(Output::Opened { len })
    }

    fn load(&mut self, path: &Path, at: u64, max_len: u64) -> Result<Output, Refusal> {
        let node = self.tree.find(path, View::Cached);
        let Some(file) = node.and_then(|node| self.tree.file(node)) else {
            return Err(no_file());
        };
        let mut bytes = vec![0; file.len().saturating_sub(at).min(max_len) as usize];
        file.read(at, &mut bytes);
        self.counters.read_bytes += bytes.len() as u64;
        Ok(Output::Bytes(bytes))
    }

    fn forget(&mut self, file: FileId) {
        let handle = self.handles.remove(&file);
        if let Some(file) = handle.and_then(|handle| self.tree.file_mut(handle.node)) {
            file.handles -= 1;
        }
    }

    /// Drops files that nothing leads to any more.
    fn collect(&mut self) {
        let mut users: Vec<NodeId> = self.handles.values().map(|handle| handle.node).collect();
        users.extend(self.flights.values().filter_map(Flight::node));
        users.extend(self.ghosts.iter().filter_map(Effect::node));
        self.tree.collect(&users);
    }
}

fn no_file() -> Refusal {
    Refusal { kind: ErrorKind::NotFound, reason: "no such file".to_string() }
}

impl Disk for Fake {
    fn submit(&mut self, token: Token, op: Op) {
        assert!(!self.flights.contains_key(&token), "token {} is in flight already", token.0);
        let flight =
            if self.halted() { Flight::stillborn(token, &op) } else { self.take_off(token, op) };
        self.flights.insert(token, flight);
    }

    fn poll(&mut self, out: &mut Vec<Done>) {
        if !self.halted() {
            self.step(false, out);
        }
    }

    fn block_bytes(&self) -> usize {
        self.knobs.block_bytes
    }

    fn resident(&mut self, file: FileId, at: u64, len: u64) -> bool {
        let handle = self.handles.get(&file);
        let held = handle.and_then(|handle| self.page_cache.holds(handle.node, at, len));
        held.unwrap_or_else(|| self.rng.bool())
    }
}

impl WaitDisk for Fake {
    /// After a power cut, fails everything in flight.
    ///
    /// # Panics
    /// When nothing in flight can ever complete: all of it is held, or waits for a lock that
    /// this very process holds.
    fn wait(&mut self, out: &mut Vec<Done>) {
        let before = out.len();
        while out.len() == before && !self.flights.is_empty() {
            if self.halted() {
                return self.fail_stranded(out);
            }
            self.step(true, out);
            if out.len() == before && !self.halted() && !self.land_one_ghost() {
                let all: Vec<String> = self.flights.values().map(Flight::describe).collect();
                assert!(self.any_ready(), "all in flight is held or locked out: {all:?}");
            }
        }
    }
}
