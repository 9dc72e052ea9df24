//! What became of the records: the deliveries that are awaited, in order, and the sums.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use duramen_protocol::client::{ClientError, Delivery};

/// Deliveries that may be awaited at a time; more records than a producer usually has in flight.
const DELIVERIES_MAX: usize = 1 << 18;

/// Records sent and not yet decided, and counts of those that are.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Each with its line's bytes.
    awaited: VecDeque<(Delivery, u32)>,
    /// Records acknowledged.
    pub(super) delivered: u64,
    /// Bytes of their lines.
    pub(super) bytes: u64,
    /// Records that failed.
    pub(super) failed: u64,
    /// The first failure, and the number of its record, from 1 on.
    pub(super) failure: Option<(u64, ClientError)>,
}

impl Tally {
    /// Adds a record that was sent. Its line had `bytes`.
    pub(super) fn add(&mut self, delivery: Delivery, bytes: usize) {
        self.awaited.push_back((delivery, u32::try_from(bytes).unwrap_or(u32::MAX)));
    }

    /// Records sent.
    pub(super) fn sent(&self) -> u64 {
        self.delivered + self.failed + self.awaited.len() as u64
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Waits until another delivery may be added.
    pub(super) async fn room(&mut self) {
        while self.awaited.len() >= DELIVERIES_MAX {
            self.next().await;
        }
    }

    /// Waits until the oldest delivery is decided. May be dropped half-way without loss.
    pub(super) async fn next(&mut self) {
        if let Some((delivery, _)) = self.awaited.front_mut() {
            let outcome = delivery.await.map(|_| ());
            self.decided(outcome);
        }
    }

    /// Takes the deliveries that are decided, without waiting.
    pub(super) fn collect(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while let Some((delivery, _)) = self.awaited.front_mut() {
            let Poll::Ready(outcome) = Pin::new(delivery).poll(&mut context) else { return };
            self.decided(outcome.map(|_| ()));
        }
    }

    /// The oldest delivery is decided.
    fn decided(&mut self, outcome: Result<(), ClientError>) {
        let Some((_, bytes)) = self.awaited.pop_front() else { return };
        match outcome {
            Ok(()) => {
                self.delivered += 1;
                self.bytes += u64::from(bytes);
            }
            Err(error) => {
                self.failed += 1;
                let number = self.delivered + self.failed;
                self.failure.get_or_insert((number, error));
            }
        }
    }
}
