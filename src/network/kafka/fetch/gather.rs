//! Reading many partitions of several cores until there is enough.
//!
//! At first one core is read after the other, then, if there is too little, on all of them at once
//! until the first has something.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use duramen_protocol::codes::ErrorCode;
use tokio::time::Instant;

use crate::network::kafka::call::Call;
use crate::network::kafka::errors::code_of;
use crate::network::kafka::partitions::Target;
use crate::network::local::{LocatedRecords, PartitionRecords};
use crate::shard::error::AskError;
use crate::shard::request::{PartitionRead, ReadMany};

/// A partition to read, in the order of the request; or why it can't be.
pub struct Wanted {
    pub target: Result<Target, ErrorCode>,
    pub offset: u64,
    pub max_bytes: u32,
}

/// What was found of each.
pub type Outcome = Result<LocatedRecords, ErrorCode>;

/// What a fetch waits for.
#[derive(Clone, Copy)]
pub struct Terms {
    pub min_bytes: u32,
    pub max_bytes: u32,
    pub max_wait: Duration,
}

/// Reads until there is enough.
pub async fn gather(call: &Call<'_>, wanted: &[Wanted], terms: Terms) -> Vec<Outcome> {
    let mut by_core: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (index, wanted) in wanted.iter().enumerate() {
        if let Ok(target) = wanted.target {
            by_core.entry(target.core).or_default().push(index);
        }
    }
    if by_core.len() <= 1 {
        return read_all(call, wanted, &by_core, terms).await;
    }
    let end = Instant::now() + terms.max_wait;
    let mut before = None;
    loop {
        let at_once = Terms { max_wait: Duration::ZERO, ..terms };
        let outcomes = read_all(call, wanted, &by_core, at_once).await;
        let bytes: usize = outcomes.iter().flatten().map(|records| records.bytes).sum();
        let is_error = outcomes.iter().any(Result::is_err);
        // No more than before, though something came: a bound cuts it short.
        let enough = bytes >= terms.min_bytes as usize || is_error || before == Some(bytes);
        let left = end.saturating_duration_since(Instant::now());
        if enough || left.is_zero() || call.local.is_stopping() {
            return outcomes;
        }
        before = Some(bytes);
        let left = Terms { max_wait: left, ..terms };
        wait_for_more(call, wanted, &by_core, &outcomes, left).await;
    }
}

/// Reads on one core after the other, each with what is left of the bytes.
async fn read_all(
    call: &Call<'_>,
    wanted: &[Wanted],
    by_core: &BTreeMap<u16, Vec<usize>>,
    terms: Terms,
) -> Vec<Outcome> {
    let unread = |wanted: &Wanted| match wanted.target {
        Ok(_) => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
        Err(code) => Err(code),
    };
    let mut outcomes: Vec<Outcome> = wanted.iter().map(unread).collect();
    let mut left = terms;
    for (&core, indexes) in by_core {
        let read = read_many(wanted, indexes, left);
        let found = call.local.read_many(core, read).await;
        for (&index, found) in indexes.iter().zip(spread(found, indexes.len())) {
            if let Ok(records) = &found {
                left.max_bytes = left.max_bytes.saturating_sub(records.bytes as u32);
            }
            outcomes[index] = found.map_err(|error| complain(call, &error));
        }
    }
    outcomes
}

/// Waits until a core has more than it gave.
async fn wait_for_more(
    call: &Call<'_>,
    wanted: &[Wanted],
    by_core: &BTreeMap<u16, Vec<usize>>,
    outcomes: &[Outcome],
    left: Terms,
) {
    let mut waits = Vec::with_capacity(by_core.len());
    for (&core, indexes) in by_core {
        let had: usize =
            indexes.iter().filter_map(|&i| Some(outcomes[i].as_ref().ok()?.bytes)).sum();
        // A byte more than it gave is something new.
        let terms = Terms { min_bytes: had as u32 + 1, ..left };
        waits.push(Box::pin(call.local.read_many(core, read_many(wanted, indexes, terms))));
    }
    // What it has is read again with what the others have.
    drop(first_of(waits).await);
}

/// The read of the partitions at these places, all of which were found.
fn read_many(wanted: &[Wanted], indexes: &[usize], terms: Terms) -> ReadMany {
    let of_place = |&index: &usize| {
        let Wanted { target, offset, max_bytes } = &wanted[index];
        let key = target.as_ref().ok()?.key;
        Some(PartitionRead { key, offset: *offset, max_bytes: *max_bytes })
    };
    let partitions = indexes.iter().filter_map(of_place).collect();
    let Terms { min_bytes, max_bytes, max_wait } = terms;
    let max_wait_ms = u32::try_from(max_wait.as_millis()).unwrap_or(u32::MAX);
    ReadMany { partitions, min_bytes, max_bytes, max_wait_ms }
}

/// Waits for the first of several; the others are dropped.
async fn first_of<F: Future>(mut futures: Vec<Pin<Box<F>>>) -> F::Output {
    std::future::poll_fn(|context| {
        for future in &mut futures {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

/// The answer of a core, for each partition; where there is none, the error for each.
fn spread(
    found: Result<Vec<PartitionRecords>, AskError>,
    partitions: usize,
) -> Vec<PartitionRecords> {
    match found {
        Ok(found) => found,
        Err(error) => (0..partitions).map(|_| Err(error.clone())).collect(),
    }
}

fn complain(call: &Call<'_>, error: &AskError) -> ErrorCode {
    if let AskError::Io(_) | AskError::Corrupt { .. } = error {
        eprintln!("duramen: a fetch by {}: {error}", call.peer);
    }
    code_of(error)
}
