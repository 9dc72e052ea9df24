//! Big runs skip the journal, however fast they come.

use super::*;

const BATCH_BYTES: usize = 100_000;
/// Batches that are not answered: enough for a run while the run before it is written.
const IN_FLIGHT: usize = 16;

#[test]
fn a_steady_stream_of_big_batches_is_written_once() {
    let mut bench = Bench::new();
    let batch = batch(BATCH_BYTES);
    let mut calls = std::collections::VecDeque::new();
    let mut answered = 0;
    // The first are journaled: a file's name is made durable before it may hold what is nowhere
    // else.
    let (mut journaled, mut appended) = (0, 0);
    while answered < 400 {
        while calls.len() < IN_FLIGHT {
            calls.push_back(bench.append(0, batch.clone()));
        }
        bench.ticks(1);
        while let Some(outcome) = calls.front().and_then(|&call| bench.outcome(call)) {
            assert!(matches!(outcome, Ok(Answer::Appended { .. })), "{outcome:?}");
            calls.pop_front();
            answered += 1;
        }
        if answered >= 100 && appended == 0 {
            let counters = bench.shard.store.counters();
            (journaled, appended) = (counters.group_bytes, counters.appended_bytes);
        }
    }
    let counters = bench.shard.store.counters();
    let (journaled, appended) =
        (counters.group_bytes - journaled, counters.appended_bytes - appended);
    // Checkpoints, of which there are many with so small a journal, send runs through it.
    assert!(
        journaled * 5 < appended * 3,
        "{journaled} of {appended} bytes went through the journal"
    );
}
