//! The ends of a process, and what the next one finds.

use fastrand::Rng;

use super::file::Landing;
use super::flight::{self, Answer, Effect, Flight};
use super::tree::Tree;
use super::{Fake, Kind};
use crate::io::{DiskError, Done, ErrorKind, Op, Token};

impl Fake {
    /// A power cut at this moment: a disk with what it may have left. This one goes on, so that
    /// one moment can be tried with many seeds.
    ///
    /// What was in flight has arrived wholly, in part or not at all; of what was not durable
    /// any sectors, lengths and names have survived. Faults and holds are gone; capacity, block
    /// size and pace stay.
    pub fn crash(&self, seed: u64) -> Fake {
        let mut rng = Rng::with_seed(seed);
        let mut tree = self.tree.clone();
        let in_flight = self.flights.values().map(|flight| &flight.effect);
        let mut effects: Vec<&Effect> = match &self.stranded {
            Some(stranded) => stranded.iter().collect(),
            None => in_flight.collect(),
        };
        effects.extend(&self.ghosts);
        rng.shuffle(&mut effects);
        for effect in effects {
            tear(effect, &mut tree, self.stamp, self.knobs.garbage, &mut rng);
        }
        tree.settle(&mut rng);
        Fake::over(tree, rng, self.knobs.clone())
    }

    /// The process is killed at this moment: the disk that the next one finds. The page cache
    /// is whole. Changes through a [`Mode::Durable`](crate::io::Mode) file that were in flight
    /// land later, or not at all; everything else in flight has happened or will never.
    pub fn kill(&self, seed: u64) -> Fake {
        let mut rng = Rng::with_seed(seed);
        let mut tree = self.tree.clone();
        tree.files_mut().for_each(|file| file.syncing = 0);
        let mut ghosts = self.ghosts.clone();
        let mut effects: Vec<&Effect> = self.flights.values().map(|f| &f.effect).collect();
        rng.shuffle(&mut effects);
        for effect in effects {
            match effect {
                effect if effect.locked() => {
                    if rng.u8(0..4) > 0 {
                        ghosts.push(effect.clone());
                    }
                }
                Effect::Write { at, data, .. } => {
                    let landing = Landing::prefix(flight::write_range(*at, data), &mut rng);
                    effect.land(&mut tree, self.stamp, &landing, &mut rng);
                }
                effect => tear(effect, &mut tree, self.stamp, false, &mut rng),
            }
        }
        let mut next = Fake::over(tree, rng, self.knobs.clone());
        next.ghosts = ghosts;
        next.stamp = self.stamp;
        next.tree.forget_users();
        next.collect();
        next
    }

    /// A copy of what the running system sees, as if everything had been synced: nothing in
    /// flight, no faults.
    pub fn image(&self, seed: u64) -> Fake {
        let mut tree = self.tree.clone();
        tree.flush();
        tree.forget_users();
        Fake::over(tree, Rng::with_seed(seed), self.knobs.clone())
    }

    // ---- power cuts after a number of steps ----

    /// Operations completed so far.
    pub fn ops_completed(&self) -> u64 {
        self.completed
    }

    /// Cuts the power once `completions` operations have completed, counted from the start.
    /// From then on `poll` gives nothing, and `wait` fails everything in flight, so that code
    /// that waits comes to its end. [`Fake::crash`] then gives the next disk.
    pub fn halt_at(&mut self, completions: u64) {
        self.halt_at = Some(completions);
    }

    /// Cuts the power now.
    pub fn halt(&mut self) {
        if self.stranded.is_none() {
            let in_flight = self.flights.values().map(|flight| flight.effect.clone());
            self.stranded = Some(in_flight.collect());
        }
    }

    /// Whether the power is cut.
    pub fn halted(&self) -> bool {
        self.stranded.is_some()
    }

    pub(super) fn fail_stranded(&mut self, out: &mut Vec<Done>) {
        for (token, flight) in std::mem::take(&mut self.flights) {
            let error = DiskError {
                kind: ErrorKind::Failed,
                operation: flight.kind.verb(),
                path: flight.path.display().to_string(),
                reason: "power cut".to_string(),
            };
            out.push(Done { token, result: Err(error) });
        }
    }

    // ---- ghosts ----

    /// How many writes of a killed process have yet to land.
    pub fn ghosts(&self) -> usize {
        self.ghosts.len()
    }

    /// Keeps ghosts from landing, or lets them.
    pub fn hold_ghosts(&mut self, held: bool) {
        self.ghosts_held = held;
    }

    /// Lets some ghosts land; they are slower than the living.
    pub(super) fn land_ghosts(&mut self) {
        for _ in 0..self.ghosts.len() {
            if self.rng.u32(0..4 * self.knobs.pace) == 0 {
                self.land_one_ghost();
            }
        }
    }

    /// Whether one could.
    pub(super) fn land_one_ghost(&mut self) -> bool {
        if self.ghosts.is_empty() || self.ghosts_held {
            return false;
        }
        let ghost = self.ghosts.swap_remove(self.rng.usize(0..self.ghosts.len()));
        self.stamp += 1;
        // A ghost that finds the disk full is as good as one that was never submitted.
        let _ = ghost.apply(&mut self.tree, self.stamp, &mut self.rng);
        true
    }
}

impl Flight {
    /// An operation that was submitted after the power was cut.
    pub(super) fn stillborn(token: Token, op: &Op) -> Flight {
        Flight {
            token,
            kind: Kind::of(op),
            path: std::path::PathBuf::new(),
            effect: Effect::Nothing,
            answer: Answer::Nothing,
            fault: None,
            holds: Vec::new(),
            checksum: 0,
        }
    }
}

/// Does as much of an effect as chance has it. Whether one is refused makes no difference to a
/// disk without power.
fn tear(effect: &Effect, tree: &mut Tree, stamp: u64, garbage: bool, rng: &mut Rng) {
    match effect {
        Effect::Write { at, data, .. } => {
            let landing = Landing::torn(flight::write_range(*at, data), garbage, rng);
            effect.land(tree, stamp, &landing, rng);
        }
        Effect::Store { at, data, .. } => {
            let landing = Landing::torn(flight::store_range(*at, data), garbage, rng);
            let _ = effect.store(tree, stamp, &landing, rng);
        }
        Effect::RemoveDir { path } => {
            let _ = tree.remove_dir(path, stamp, Some(rng));
        }
        effect => {
            if rng.bool() {
                let _ = effect.apply(tree, stamp, rng);
            }
        }
    }
}
