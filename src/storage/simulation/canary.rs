//! Canaries: ways to break one guarantee on purpose, for the tests that must notice.
//!
//! `canary!(SkipFlush)` stands where a guarantee is kept, and is true while a run breaks it; behind
//! a comma may stand when. A run is one thread, so what it breaks is the thread's. In the program
//! there is neither the list nor the question: the macro is the word `false`.

use std::cell::Cell;

/// A guarantee's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// Acknowledge when the group is submitted.
    AcknowledgeBeforeWrite,
    /// Put journal files back before the checkpoint is written.
    FreeBeforeCheckpoint,
    /// Write producer snapshots at once.
    SnapshotEarly,
    /// Show readers what is only staged.
    ServePastDurable,
    /// Checkpoint without waiting for the segments.
    SkipFlush,
    /// Checkpoint without syncing folders.
    SkipNames,
    /// Leave the block of the recovery point out of the journal.
    NoPrefix,
    /// Replay whatever groups stand in a journal file, of whatever use.
    ReplayStale,
    /// Take bytes past the recovery point for what the journal would bring.
    TrustPastRecoveryPoint,
    /// Acknowledge a group when one of its writes is done, be it the journal's or an extent's.
    AcknowledgeBeforeExtents,
    /// Let runs skip the journal to files whose name may get lost.
    ExtentUnnamed,
    /// Take an extent of the last group for granted.
    TrustExtents,
}

thread_local! {
    static SET: Cell<Option<Canary>> = const { Cell::new(None) };
}

/// Whether the run at hand breaks this.
pub fn is_set(which: Canary) -> bool {
    SET.get() == Some(which)
}

/// Does something with a canary set; it is taken back also if that panics.
pub fn with<T>(canary: Option<Canary>, run: impl FnOnce() -> T) -> T {
    struct Unset;
    impl Drop for Unset {
        fn drop(&mut self) {
            SET.set(None);
        }
    }
    let _unset = Unset;
    SET.set(canary);
    run()
}
