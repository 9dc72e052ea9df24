//! How the sender of a record learns what became of it.
//!
//! All records of a batch share its fate, so they share one cell: a million records a second cost a
//! few thousand allocations, not a million.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::client::{ClientError, lock};

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The partition.
    pub partition: u32,
    /// The offset. None with [`Acks::None`](super::Acks::None), and where the server knows that the
    /// record is durable, but no longer where: after a connection was lost, seldom.
    pub offset: Option<i64>,
    /// The timestamp the server gave the record, in ms since 1970, where the topic says so.
    pub log_append_time_ms: Option<i64>,
}

/// A future: the record is durable, or its delivery has failed. Need not be waited for: a failure is
/// told by [`Producer::flush`](super::Producer::flush) too.
#[derive(Debug)]
pub struct Delivery {
    fate: Arc<Fate>,
    index: u32,
    /// This delivery's place among the wakers.
    place: Option<usize>,
}

/// What became of a batch, and who wants to know.
#[derive(Debug, Default)]
struct Fate(Mutex<State>);

/// The batch's end of it. Dropped undecided, it says that the producer is closed.
#[derive(Debug, Default)]
pub(super) struct Decider(Arc<Fate>);

#[derive(Debug, Default)]
struct State {
    outcome: Option<Result<Receipt, ClientError>>,
    wakers: Vec<Waker>,
}

impl Decider {
    /// The delivery of the batch's record number `index`.
    pub(super) fn delivery(&self, index: u32) -> Delivery {
        Delivery { fate: Arc::clone(&self.0), index, place: None }
    }

    /// Tells everybody; only the first time counts. The receipt is the first record's.
    pub(super) fn decide(&self, outcome: Result<Receipt, ClientError>) {
        let mut state = lock(&self.0.0);
        state.outcome.get_or_insert(outcome);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Decider {
    fn drop(&mut self) {
        self.decide(Err(ClientError::Closed));
    }
}

impl Future for Delivery {
    type Output = Result<Receipt, ClientError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let delivery = &mut *self;
        let mut state = lock(&delivery.fate.0);
        if let Some(outcome) = &state.outcome {
            let index = i64::from(delivery.index);
            return Poll::Ready(outcome.clone().map(|first| Receipt {
                offset: first.offset.map(|offset| offset + index),
                ..first
            }));
        }
        match delivery.place.and_then(|place| state.wakers.get_mut(place)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                delivery.place = Some(state.wakers.len());
                state.wakers.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}
