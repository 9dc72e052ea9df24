//! Pushes: bytes go to whoever subscribed as soon as they are durable, within a credit.
//!
//! ```text
//!            more durable, more credit          its turn
//!   Idle ───────────────────────────> Queued ──────────> pushed ──> Queued, or Idle
//!                                       │  ^                        when it is at the end
//!              no room at the client    v  │  the client sent some  or out of credit
//!                                     Stalled
//! ```
//! Subscriptions take turns; a turn pushes [`limits::PUSH_BYTES`] at most and a tick
//! [`limits::TICK_PUSH_BYTES`], so that none starves another and a catch-up does not hold up the
//! appends. The bytes go on exactly where the last push ended, which may be inside a batch.

use std::collections::{HashMap, VecDeque};

use crate::io::Disk;
use crate::limits;
use crate::storage::{Data, From, LogId, Read, ReadError};

use super::error::AskError;
use super::request::{Answer, ClientId, Released};
use super::{Reader, Shard};

/// Names a subscription: the client, and the client's own name for it.
pub(super) type SubscriptionKey = (ClientId, u32);

struct Subscription {
    log: LogId,
    /// Where the next push begins.
    from: From,
    /// For errors: an offset at or before the next one, the last that was known.
    offset: u64,
    credit: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for more durable bytes, or for credit.
    Idle,
    /// Waits for its turn.
    Queued,
    /// Waits for room at its client.
    Stalled,
    /// Waits for the disk.
    Reading,
}

/// The subscriptions of a shard.
#[derive(Default)]
pub(super) struct Subscriptions {
    subscriptions: HashMap<SubscriptionKey, Subscription>,
    queue: VecDeque<SubscriptionKey>,
}

impl Subscriptions {
    /// Puts an idle subscription in the queue.
    fn wake(&mut self, key: SubscriptionKey) {
        if let Some(subscription) = self.subscriptions.get_mut(&key)
            && subscription.state == State::Idle
        {
            subscription.state = State::Queued;
            self.queue.push_back(key);
        }
    }

    fn set_state(&mut self, key: SubscriptionKey, state: State) {
        if let Some(subscription) = self.subscriptions.get_mut(&key) {
            subscription.state = state;
        }
    }
}

impl<D: Disk> Shard<D> {
    pub(super) fn subscribe(
        &mut self,
        client: ClientId,
        log: LogId,
        name: u32,
        offset: u64,
        credit_bytes: u32,
    ) -> Result<Answer, AskError> {
        let key = (client, name);
        let state = self.logs.get_mut(log).ok_or(AskError::Deleted)?;
        let status = self.store.status(log);
        let (log_start, durable) = (status.log_start, status.durable);
        if self.shutting_down {
            return Err(AskError::ShuttingDown);
        }
        if !(log_start..=durable).contains(&offset) {
            return Err(AskError::OutOfRange { offset, log_start, durable });
        }
        if self.subscriptions.subscriptions.contains_key(&key) {
            return Err(AskError::SubscriptionInUse);
        }
        state.subscribers.push(key);
        let (from, credit) = (From::Offset(offset), u64::from(credit_bytes));
        let subscription = Subscription { log, from, offset, credit, state: State::Idle };
        self.subscriptions.subscriptions.insert(key, subscription);
        self.subscriptions.wake(key);
        Ok(Answer::Subscribed { log_start, durable })
    }

    pub(super) fn unsubscribe(&mut self, key: SubscriptionKey) -> Result<Answer, AskError> {
        self.forget_subscription(key).map(|()| Answer::Unsubscribed).ok_or(AskError::NoSubscription)
    }

    pub(super) fn add_credit(&mut self, key: SubscriptionKey, bytes: u32) {
        if let Some(subscription) = self.subscriptions.subscriptions.get_mut(&key) {
            let credit = subscription.credit + u64::from(bytes);
            subscription.credit = credit.min(u64::from(u32::MAX));
            self.subscriptions.wake(key);
        }
    }

    /// More of a partition is durable.
    pub(super) fn wake_subscribers(&mut self, log: LogId) {
        let Some(state) = self.logs.get(log) else { return };
        for &key in &state.subscribers {
            self.subscriptions.wake(key);
        }
    }

    /// Its client has room again.
    pub(super) fn unstall_subscription(&mut self, key: SubscriptionKey) {
        self.subscriptions.set_state(key, State::Idle);
        self.subscriptions.wake(key);
    }

    /// Gives turns to those in the queue, as many as a tick has time for. Whether some are left.
    pub(super) fn push_to_subscribers(&mut self) -> bool {
        let mut budget = limits::TICK_PUSH_BYTES;
        while budget > 0 {
            let Some(key) = self.subscriptions.queue.pop_front() else { return false };
            budget = budget.saturating_sub(self.take_turn(key).max(1));
        }
        !self.subscriptions.queue.is_empty()
    }

    /// One turn. Returns how many bytes it pushed.
    fn take_turn(&mut self, key: SubscriptionKey) -> usize {
        let Some(subscription) = self.subscriptions.subscriptions.get_mut(&key) else { return 0 };
        subscription.state = State::Idle;
        let room = self.clients.room(key.0);
        if subscription.credit == 0 {
            return 0;
        }
        if room == 0 {
            subscription.state = State::Stalled;
            self.clients.stall_subscription(key);
            return 0;
        }
        let credit = usize::try_from(subscription.credit).unwrap_or(usize::MAX);
        let max_bytes = credit.min(room).min(limits::PUSH_BYTES);
        match self.store.read(subscription.log, subscription.from, max_bytes as u64) {
            Read::Data(data) if data.bytes == 0 => {
                subscription.from = From::Cursor(data.next);
                0
            }
            Read::Data(data) => self.push(key, data),
            Read::Pending(read) => {
                subscription.state = State::Reading;
                self.reading.insert(read, Reader::Subscription(key));
                0
            }
            Read::Error(error) => {
                self.end_with(key, error);
                0
            }
        }
    }

    /// The disk has answered a subscription's read.
    pub(super) fn subscription_read(
        &mut self,
        key: SubscriptionKey,
        result: Result<Data, ReadError>,
    ) {
        self.subscriptions.set_state(key, State::Idle);
        match result {
            // More may have become durable meanwhile: the next turn tells.
            Ok(data) if data.bytes == 0 => self.subscriptions.wake(key),
            Ok(data) => {
                self.push(key, data);
            }
            Err(error) => self.end_with(key, error),
        }
    }

    /// Pushes bytes, and puts the subscription in the queue for its next turn.
    fn push(&mut self, key: SubscriptionKey, data: Data) -> usize {
        let Some(subscription) = self.subscriptions.subscriptions.get_mut(&key) else { return 0 };
        let (log, bytes) = (subscription.log, data.bytes as usize);
        subscription.from = From::Cursor(data.next);
        subscription.credit = subscription.credit.saturating_sub(data.bytes);
        subscription.offset = data.next.offset().unwrap_or(subscription.offset);
        self.counters.pushes += 1;
        let records = self.give(key.0, log, data);
        self.out.push(Released::Push { client: key.0, subscription: key.1, records });
        self.subscriptions.wake(key);
        bytes
    }

    fn end_with(&mut self, key: SubscriptionKey, error: ReadError) {
        let offset = self.subscriptions.subscriptions.get(&key).map_or(0, |s| s.offset);
        self.counters.read_errors += 1;
        self.end_subscription(key, AskError::of_read(error, offset));
    }

    fn end_subscription(&mut self, key: SubscriptionKey, error: AskError) {
        if self.forget_subscription(key).is_some() {
            self.out.push(Released::PushEnd { client: key.0, subscription: key.1, error });
        }
    }

    /// Ends all subscriptions whose partition `of` picks.
    pub(super) fn end_subscriptions(&mut self, of: impl Fn(LogId) -> bool, error: &AskError) {
        let all = &self.subscriptions.subscriptions;
        let mut picked: Vec<_> =
            all.iter().filter(|(_, s)| of(s.log)).map(|(key, _)| *key).collect();
        // In an order that does not depend on the map's.
        picked.sort_unstable();
        for key in picked {
            self.end_subscription(key, error.clone());
        }
    }

    /// Forgets the subscriptions of a client that is gone.
    pub(super) fn drop_subscriptions(&mut self, client: ClientId) {
        let keys = self.subscriptions.subscriptions.keys();
        let gone: Vec<_> = keys.filter(|key| key.0 == client).copied().collect();
        for key in gone {
            self.forget_subscription(key);
        }
    }

    fn forget_subscription(&mut self, key: SubscriptionKey) -> Option<()> {
        let subscription = self.subscriptions.subscriptions.remove(&key)?;
        if let Some(state) = self.logs.get_mut(subscription.log) {
            state.subscribers.retain(|other| *other != key);
        }
        Some(())
    }
}
