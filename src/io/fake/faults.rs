//! Which operations go wrong, and which are held back. Both are decided when an operation is
//! submitted, so that "the third write of a journal" means just that, whatever completes first.

use std::path::Path;

use fastrand::Rng;

use crate::io::{ErrorKind, Op};

/// What an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Open,
    Close,
    Write,
    Read,
    ReadAhead,
    Sync,
    SyncDir,
    Allocate,
    SetLen,
    Store,
    Load,
    Rename,
    Unlink,
    MakeDir,
    RemoveDir,
    List,
}

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 16;

    pub fn of(op: &Op) -> Kind {
        match op {
            Op::Open { .. } => Kind::Open,
            Op::Close { .. } => Kind::Close,
            Op::Write { .. } => Kind::Write,
            Op::Read { .. } => Kind::Read,
            Op::ReadAhead { .. } => Kind::ReadAhead,
            Op::Sync { .. } => Kind::Sync,
            Op::SyncDir { .. } => Kind::SyncDir,
            Op::Allocate { .. } => Kind::Allocate,
            Op::SetLen { .. } => Kind::SetLen,
            Op::Store { .. } => Kind::Store,
            Op::Load { .. } => Kind::Load,
            Op::Rename { .. } => Kind::Rename,
            Op::Unlink { .. } => Kind::Unlink,
            Op::MakeDir { .. } => Kind::MakeDir,
            Op::RemoveDir { .. } => Kind::RemoveDir,
            Op::List { .. } => Kind::List,
        }
    }

    /// The verb of error messages.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::Close => "close",
            Kind::Write => "write",
            Kind::Read => "read",
            Kind::ReadAhead => "read ahead in",
            Kind::Sync => "sync",
            Kind::SyncDir => "sync folder",
            Kind::Allocate => "allocate space in",
            Kind::SetLen => "set the length of",
            Kind::Store => "store",
            Kind::Load => "load",
            Kind::Rename => "rename",
            Kind::Unlink => "remove",
            Kind::MakeDir => "make folder",
            Kind::RemoveDir => "remove folder",
            Kind::List => "list folder",
        }
    }
}

/// Picks operations by kind and by path.
#[derive(Clone, Debug)]
pub struct Filter {
    kinds: Vec<Kind>,
    part: Option<String>,
}

impl Filter {
    /// Every operation.
    pub fn any() -> Filter {
        Filter { kinds: Vec::new(), part: None }
    }

    /// Operations of one kind.
    pub fn kind(kind: Kind) -> Filter {
        Filter::kinds(&[kind])
    }

    /// Operations of any of these kinds.
    pub fn kinds(kinds: &[Kind]) -> Filter {
        Filter { kinds: kinds.to_vec(), part: None }
    }

    /// Of those, the ones whose path has `part` in it. An open file's path is the one it was
    /// opened by; a rename has two.
    pub fn path(mut self, part: &str) -> Filter {
        self.part = Some(part.to_string());
        self
    }

    pub(super) fn matches(&self, kind: Kind, paths: &[&Path]) -> bool {
        let on_path =
            |part: &String| paths.iter().any(|path| path.to_string_lossy().contains(part.as_str()));
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.part.as_ref().is_none_or(on_path)
    }
}

/// Which of the operations that match.
#[derive(Clone, Debug)]
pub(super) enum When {
    /// One only, after this many others.
    Nth(u64),
    Always,
    /// Each with this probability.
    Chance(f64),
}

impl When {
    /// Whether the rule strikes this time, and whether it is spent then.
    fn strikes(&mut self, rng: &mut Rng) -> (bool, bool) {
        match self {
            When::Nth(0) => (true, true),
            When::Nth(left) => {
                *left -= 1;
                (false, false)
            }
            When::Always => (true, false),
            When::Chance(chance) => (rng.f64() < *chance, false),
        }
    }
}

/// Names a hold, to release it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold(pub(super) u64);

#[derive(Clone)]
struct Rule<T> {
    filter: Filter,
    when: When,
    what: T,
}

/// All rules in force.
#[derive(Clone, Default)]
pub(super) struct Rules {
    faults: Vec<Rule<ErrorKind>>,
    holds: Vec<Rule<Hold>>,
    next_hold: u64,
}

impl Rules {
    pub fn fail(&mut self, filter: Filter, when: When, what: ErrorKind) {
        self.faults.push(Rule { filter, when, what });
    }

    pub fn heal(&mut self) {
        self.faults.clear();
    }

    pub fn hold(&mut self, filter: Filter, when: When) -> Hold {
        let what = Hold(self.next_hold);
        self.next_hold += 1;
        self.holds.push(Rule { filter, when, what });
        what
    }

    pub fn release(&mut self, hold: Hold) {
        self.holds.retain(|rule| rule.what != hold);
    }

    pub fn release_all(&mut self) {
        self.holds.clear();
    }

    /// The error that strikes this operation, if one does.
    pub fn fault(&mut self, kind: Kind, paths: &[&Path], rng: &mut Rng) -> Option<ErrorKind> {
        struck(&mut self.faults, kind, paths, rng).first().copied()
    }

    /// The holds on this operation.
    pub fn holds(&mut self, kind: Kind, paths: &[&Path], rng: &mut Rng) -> Vec<Hold> {
        struck(&mut self.holds, kind, paths, rng)
    }
}

fn struck<T: Copy>(rules: &mut Vec<Rule<T>>, kind: Kind, paths: &[&Path], rng: &mut Rng) -> Vec<T> {
    let mut struck = Vec::new();
    rules.retain_mut(|rule| {
        if !rule.filter.matches(kind, paths) {
            return true;
        }
        let (strikes, spent) = rule.when.strikes(rng);
        if strikes {
            struck.push(rule.what);
        }
        !spent
    });
    struck
}
