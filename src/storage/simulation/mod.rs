//! The simulation: the storage that production runs, on a disk that does its worst.
//!
//! A run is a seed. It appends, reads, deletes, fills the disk, kills, cuts the power, in the
//! middle of recovery too, and a model that knows every acknowledged record checks after each
//! restart what the guarantees say. The same seed gives the same run.
//!
//! `DURAMEN_SEEDS=10000 cargo test --release simulation` runs as many seeds as asked;
//! `DURAMEN_SEED=17` runs one.

mod abandoned;
pub mod canary;
mod damage;
mod full;
mod model;
mod pressure;
mod reads;
mod restarts;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use self::canary::Canary;
use self::world::World;

/// Seeds of a quick run.
const SEEDS: u64 = 120;

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    match number("DURAMEN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("DURAMEN_SEEDS").unwrap_or(SEEDS),
    }
}

/// Runs one seed; what it finds wrong is the error.
fn run(seed: u64, canary: Option<Canary>) -> Result<u64, String> {
    let world = AssertUnwindSafe(|| canary::with(canary, || World::new(seed).run()));
    match catch_unwind(world) {
        Ok(result) => result,
        Err(panic) => Err(match panic.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => panic.downcast_ref::<&str>().map_or("a panic".into(), |t| t.to_string()),
        }),
    }
}

#[test]
fn guarantees_hold_for_every_seed() {
    for seed in seeds() {
        if let Err(wrong) = run(seed, None) {
            panic!("seed {seed}: {wrong}\nrepeat with DURAMEN_SEED={seed}");
        }
    }
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    for seed in 0..5 {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
}

/// Each way to break a guarantee is noticed by some seed among a few hundred.
#[test]
fn every_canary_is_caught() {
    // Each with a seed that is known to notice it, for speed; others are tried behind it.
    let canaries = [
        (Canary::AcknowledgeBeforeWrite, 4),
        (Canary::FreeBeforeCheckpoint, 9),
        (Canary::SnapshotEarly, 9),
        (Canary::ServePastDurable, 0),
        (Canary::SkipFlush, 0),
        (Canary::SkipNames, 0),
        (Canary::NoPrefix, 30),
        (Canary::ReplayStale, 0),
        (Canary::TrustPastRecoveryPoint, 0),
        (Canary::AcknowledgeBeforeExtents, 162),
        (Canary::ExtentUnnamed, 25),
        (Canary::TrustExtents, 162),
    ];
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let noticed = canaries.map(|(canary, known)| {
        let mut seeds = std::iter::once(known).chain(0..600);
        (canary, seeds.find(|&seed| run(seed, Some(canary)).is_err()))
    });
    std::panic::set_hook(hook);
    println!("noticed, by which seed: {noticed:?}");
    assert!(noticed.iter().all(|(_, seed)| seed.is_some()), "{noticed:?}");
}
