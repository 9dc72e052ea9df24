//! A partition's task: sends its batches in order, and sorts out what went wrong.
//!
//! ```text
//!             batches, oldest first, none decided yet
//!   ┌──────┬──────┬──────┬────────────┬────────────┐
//!   │ sent │ sent │ sent │ to be sent │ to be sent │  <── queue
//!   └──────┴──────┴──────┴────────────┴────────────┘
//!      └ the answer waited for
//! ```
//! As long as answers are good, the first is taken off and one more is sent. At the first bad one
//! the task *settles*: it sends nothing more until each batch that was sent has its answer, or its
//! connection is gone; then it decides for each, in order: delivered, failed, or again.
//!
//! Invariants of an idempotent producer:
//! - A batch is *exposed* once it was sent and nothing certain came back. It may be in the log, or
//!   lie in the buffers of a broken connection and get there later. It is only ever repeated as it
//!   is, so that the server can tell.
//! - A failed batch leaves a gap in the sequences. What comes behind goes on with the next epoch; an
//!   exposed batch can't, so it fails too. What a higher epoch follows, the server refuses to append
//!   late.
//! - The server remembers the last five batches: none is sent before the fifth one ahead of it is
//!   decided, also where those between are decided already.
//! - The first batch of an epoch travels alone: a server that does not know the producer accepts
//!   any sequence, also the second batch's if the first one is refused.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::batch::{Growing, Identity, Sealed};
use super::config::Acks;
use super::delivery::Receipt;
use super::queue::{Next, Queue};
use super::shared::Shared;
use crate::client::pool::Opened;
use crate::client::{Backoff, ClientError};
use crate::codes::{Class, ErrorCode};
use crate::native::NO_PRODUCER_ID;
use crate::native::messages::{AppendAnswer, Open, OpenAnswer};

/// What is known of a batch that was sent; none if it was not.
type Outcome = Option<Result<AppendAnswer, ClientError>>;

pub(super) struct Pipeline {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    partition: u32,
    opened: Option<Arc<Opened>>,
    /// Who owned the partition when it was last opened.
    owner: Option<u16>,
    /// The next batch's.
    identity: Identity,
    /// The next batch's: how many there were before.
    number: u64,
    /// The producer id and epoch of which the server has acknowledged a batch.
    proven: Option<(i64, i16)>,
    batches: VecDeque<Sealed>,
    backoff: Backoff,
}

impl Pipeline {
    pub(super) fn new(shared: Arc<Shared>, queue: Arc<Queue>, partition: u32) -> Self {
        let (epoch, base_sequence) = match shared.producer_id {
            NO_PRODUCER_ID => (-1, -1),
            _ => (0, 0),
        };
        Pipeline {
            identity: Identity { producer_id: shared.producer_id, epoch, base_sequence },
            number: 0,
            shared,
            queue,
            partition,
            opened: None,
            owner: None,
            proven: None,
            batches: VecDeque::new(),
            backoff: Backoff::new(Duration::MAX),
        }
    }

    /// Runs until the producer is dropped.
    pub(super) async fn run(mut self) {
        loop {
            if self.batches.is_empty() && self.queue.is_empty() {
                self.queue.news().await;
            } else if let Some(opened) = self.opened.clone() {
                self.step(&opened).await;
            } else {
                self.reopen().await;
            }
        }
    }

    fn is_idempotent(&self) -> bool {
        self.identity.producer_id != NO_PRODUCER_ID
    }

    /// Sends what may be sent, then waits for the next thing to happen.
    async fn step(&mut self, opened: &Opened) {
        let lingers = match self.fill(opened).await {
            Ok(lingers) => lingers,
            Err(_) => return self.settle(opened).await,
        };
        let request_timeout = self.shared.client.config().request_timeout;
        let full = !self.may_send_more();
        let answer = match self.batches.front_mut().and_then(|first| first.pending.as_mut()) {
            Some((pending, sent)) => {
                let late = *sent + request_timeout;
                tokio::select! {
                    answer = pending.answer() => Some(answer),
                    () = sleep_until(late) => Some(Err(opened.connection.no_answer())),
                    () = self.queue.news(), if !full => None,
                    () = sleep_until_some(lingers), if lingers.is_some() => None,
                }
            }
            None => {
                tokio::select! {
                    () = self.queue.news() => None,
                    () = sleep_until_some(lingers), if lingers.is_some() => None,
                }
            }
        };
        match answer {
            None => {}
            Some(Ok(answer)) => self.delivered(&answer),
            Some(Err(error)) => {
                // The answer is taken; settling must know it.
                self.settle_after(opened, error).await;
            }
        }
    }

    /// Sends batches as long as there are some and as the bounds allow. Gives the time when one
    /// that lingers is due.
    async fn fill(&mut self, opened: &Opened) -> Result<Option<Instant>, ClientError> {
        loop {
            let sent = self.sent();
            if sent == self.batches.len() {
                if !self.may_send_more() {
                    return Ok(None);
                }
                match self.queue.next() {
                    Next::Nothing => return Ok(None),
                    Next::Lingers(until) => return Ok(Some(until)),
                    Next::Batch(batch) => self.seal(batch),
                }
            } else if self.may_send(self.batches[sent].identity, self.batches[sent].number) {
                self.send(opened, sent).await?;
            } else {
                return Ok(None);
            }
        }
    }

    /// How many batches are under way: they stand before the others.
    fn sent(&self) -> usize {
        self.batches.iter().take_while(|batch| batch.pending.is_some()).count()
    }

    fn may_send_more(&self) -> bool {
        self.sent() == self.batches.len() && self.may_send(self.identity, self.number)
    }

    fn may_send(&self, identity: Identity, number: u64) -> bool {
        let sent = self.sent();
        let bound = self.shared.config.max_in_flight;
        if sent == 0 || !self.is_idempotent() {
            return sent < bound;
        }
        let proven = self.proven == Some((identity.producer_id, identity.epoch));
        let oldest = self.batches.front().map_or(number, |first| first.number);
        proven && number < oldest + bound as u64
    }

    fn seal(&mut self, batch: Growing) {
        match batch.seal(self.identity, self.number) {
            Ok(batch) => {
                self.number += 1;
                if self.is_idempotent() {
                    self.identity = self.identity.after(batch.count);
                }
                self.batches.push_back(batch);
            }
            Err(error) => self.shared.failed(&error),
        }
    }

    async fn send(&mut self, opened: &Opened, at: usize) -> Result<(), ClientError> {
        let (connection, handle) = (&opened.connection, opened.partition.handle);
        let request_timeout = self.shared.client.config().request_timeout;
        let bytes = self.batches[at].bytes.clone();
        if self.shared.config.acks == Acks::None {
            let written = timeout(request_timeout, connection.append_unanswered(handle, bytes));
            let outcome = written.await.unwrap_or_else(|_| Err(connection.no_answer()));
            let Some(batch) = self.batches.remove(at) else { return Ok(()) };
            match &outcome {
                Ok(()) => batch.deliver(self.receipt(None, None)),
                Err(error) => self.fail(batch, error),
            }
            return outcome;
        }
        // Waiting for credit is waiting for answers.
        let pending = timeout(request_timeout, connection.append(handle, bytes)).await;
        let pending = pending.unwrap_or_else(|_| Err(connection.no_answer()))?;
        self.batches[at].pending = Some((pending, Instant::now()));
        Ok(())
    }

    /// The first batch is in the log.
    fn delivered(&mut self, answer: &AppendAnswer) {
        self.backoff.reset();
        if let Some(batch) = self.batches.pop_front() {
            self.deliver(batch, answer);
        }
    }

    fn deliver(&mut self, batch: Sealed, answer: &AppendAnswer) {
        self.proven = Some((batch.identity.producer_id, batch.identity.epoch));
        batch.deliver(self.receipt(Some(answer.base_offset), Some(answer.log_append_time_ms)));
    }

    fn receipt(&self, offset: Option<i64>, log_append_time_ms: Option<i64>) -> Receipt {
        Receipt {
            partition: self.partition,
            offset: offset.filter(|offset| *offset >= 0),
            log_append_time_ms: log_append_time_ms.filter(|time| *time >= 0),
        }
    }

    fn fail(&self, batch: Sealed, error: &ClientError) {
        self.shared.failed(error);
        batch.fail(error);
    }

    /// Waits for all answers, then decides.
    async fn settle(&mut self, opened: &Opened) {
        let outcomes = self.outcomes(opened, 0).await;
        self.sort_out(outcomes).await;
        self.pause().await;
    }

    /// As [`Pipeline::settle`], after the first batch's answer was `error`.
    async fn settle_after(&mut self, opened: &Opened, error: ClientError) {
        if let Some(first) = self.batches.front_mut() {
            first.pending = None;
        }
        let mut outcomes = vec![Some(Err(error))];
        outcomes.extend(self.outcomes(opened, 1).await);
        self.sort_out(outcomes).await;
        self.pause().await;
    }

    /// Waits a little before something is repeated.
    async fn pause(&mut self) {
        if !self.batches.is_empty() {
            sleep(self.backoff.step()).await;
        }
    }

    /// The outcomes of the batches from `first` on.
    async fn outcomes(&mut self, opened: &Opened, first: usize) -> Vec<Outcome> {
        let request_timeout = self.shared.client.config().request_timeout;
        let mut outcomes = Vec::new();
        for batch in self.batches.iter_mut().skip(first) {
            outcomes.push(match batch.pending.take() {
                None => None,
                Some((mut pending, sent)) => {
                    let answer = timeout_at(sent + request_timeout, pending.answer()).await;
                    Some(answer.unwrap_or_else(|_| Err(opened.connection.no_answer())))
                }
            });
        }
        outcomes
    }

    /// Decides for each batch, in order: delivered, failed, or again.
    async fn sort_out(&mut self, outcomes: Vec<Outcome>) {
        if self.opened.as_ref().is_some_and(|opened| opened.connection.is_closed()) {
            self.opened = None;
        }
        let mut failure: Option<ClientError> = None;
        let mut again = VecDeque::new();
        let mut behind_failure = 0;
        for (mut batch, outcome) in std::mem::take(&mut self.batches).into_iter().zip(outcomes) {
            let error = match outcome {
                Some(Ok(answer)) => {
                    self.deliver(batch, &answer);
                    continue;
                }
                Some(Err(error)) => Some(error),
                None => None,
            };
            let behind = failure.is_some() || !again.is_empty();
            match self.verdict(&mut batch, error, behind, failure.as_ref()) {
                None => {
                    behind_failure += usize::from(failure.is_some());
                    again.push_back(batch);
                }
                Some(error) => {
                    self.fail(batch, &error);
                    failure.get_or_insert(error);
                }
            }
        }
        self.batches = again;
        if failure.is_some() && self.is_idempotent() {
            self.raise_epoch(behind_failure).await;
        }
    }

    /// Why a batch fails now; none if it is sent again.
    ///
    /// `behind`: a batch before it is not in the log. `failure`: one before it has failed.
    fn verdict(
        &mut self,
        batch: &mut Sealed,
        error: Option<ClientError>,
        behind: bool,
        failure: Option<&ClientError>,
    ) -> Option<ClientError> {
        if let Some(error) = error {
            let reopen = error.needs_reopening();
            if reopen {
                self.opened = None;
            }
            batch.exposed |= error.class() == Class::PerhapsApplied;
            let out_of_order = error.code() == Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            let again = reopen || error.class() != Class::Fatal || out_of_order && behind;
            if !again {
                return Some(error);
            }
            if let Some(gave_up) = self.expired(batch.begun, batch.exposed, error) {
                return Some(gave_up);
            }
        }
        match failure {
            Some(first) if batch.exposed && self.is_idempotent() => {
                Some(ClientError::BehindFailure { first: Box::new(first.clone()) })
            }
            _ => None,
        }
    }

    /// The error of a batch whose time is up.
    fn expired(
        &self,
        begun: Instant,
        perhaps_applied: bool,
        last: ClientError,
    ) -> Option<ClientError> {
        let after = self.shared.config.delivery_timeout;
        (begun.elapsed() >= after).then(|| ClientError::GaveUp {
            after,
            perhaps_applied,
            last: Box::new(last),
        })
    }

    /// Goes on with the next epoch, from sequence 0: the last `moving` batches, and what follows.
    async fn raise_epoch(&mut self, moving: usize) {
        let Identity { producer_id, epoch, .. } = self.identity;
        let next = match epoch.checked_add(1) {
            Some(epoch) => Identity { producer_id, epoch, base_sequence: 0 },
            None => match self.shared.client.allocate_producer_id().await {
                Ok(fresh) => Identity {
                    producer_id: fresh.producer_id,
                    epoch: fresh.producer_epoch,
                    base_sequence: 0,
                },
                Err(error) => return self.fail_all(&error),
            },
        };
        self.identity = next;
        let first = self.batches.len() - moving;
        for batch in self.batches.iter_mut().skip(first) {
            batch.restamp(self.identity);
            self.identity = self.identity.after(batch.count);
        }
    }

    /// Opens the partition, and takes what the server has out of what is to be sent.
    async fn reopen(&mut self) {
        let identity = self.batches.front().map_or(self.identity, |batch| batch.identity);
        let open = Open {
            topic: self.shared.topic.to_string(),
            partition: self.partition,
            producer_id: identity.producer_id,
            producer_epoch: identity.epoch,
        };
        match self.shared.client.open_once(&open, self.owner).await {
            Ok(opened) => {
                self.shared.learn(&opened.partition);
                self.owner = Some(opened.partition.core);
                self.prune(&open, &opened.partition);
                self.opened = Some(Arc::new(opened));
            }
            Err(error) if error.class() == Class::Fatal => self.fail_all(&error),
            Err(error) => {
                // Another core may own the partition now.
                self.owner = None;
                self.expire(error).await;
                sleep(self.backoff.step()).await;
            }
        }
    }

    /// Delivers what the server says is durable.
    fn prune(&mut self, open: &Open, partition: &OpenAnswer) {
        let Some(newest) = partition.last_sequence() else {
            self.proven = None;
            return;
        };
        self.proven = Some((open.producer_id, open.producer_epoch));
        let is_newest = |batch: &Sealed| {
            batch.identity.epoch == open.producer_epoch && batch.last_sequence() == newest
        };
        let durable = self.batches.iter().position(is_newest).map_or(0, |at| at + 1);
        for batch in self.batches.drain(..durable).collect::<Vec<_>>() {
            let known = |entry: &&crate::native::messages::DurableBatch| {
                entry.last_sequence == batch.last_sequence()
            };
            let last = partition.durable.iter().find(known).map(|entry| entry.last_offset);
            let first = last.map(|last| last - i64::from(batch.count - 1));
            batch.deliver(self.receipt(first, None));
        }
    }

    /// Fails what has waited for too long. Nothing is under way, and `last` says why.
    async fn expire(&mut self, last: ClientError) {
        let after = self.shared.config.delivery_timeout;
        if let Some(then) = Instant::now().checked_sub(after) {
            let last = Box::new(last.clone());
            let gave_up = ClientError::GaveUp { after, perhaps_applied: false, last };
            for batch in self.queue.drain_begun_before(then) {
                self.shared.failed(&gave_up);
                batch.fail(&gave_up);
            }
        }
        // It was the attempt to open that failed: of the batches that says nothing new.
        let error = match last {
            unreachable @ ClientError::Unreachable { .. } => unreachable,
            last => ClientError::Unreachable {
                server: self.shared.client.config().server.clone(),
                reason: last.to_string(),
            },
        };
        let outcomes = self.batches.iter().map(|_| Some(Err(error.clone()))).collect();
        self.sort_out(outcomes).await;
    }

    fn fail_all(&mut self, error: &ClientError) {
        for batch in std::mem::take(&mut self.batches) {
            self.fail(batch, error);
        }
        for batch in self.queue.drain() {
            self.shared.failed(error);
            batch.fail(error);
        }
    }
}

/// Waits until then; forever without one.
async fn sleep_until_some(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}
