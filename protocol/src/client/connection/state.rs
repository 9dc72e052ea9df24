//! Who waits on a connection, and whether it still stands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::task::AbortHandle;

use crate::client::push::PushBuffer;
use crate::client::{ClientError, lock};
use crate::native::frame::FrameHeader;
use crate::native::messages::SubscribeAnswer;
use crate::native::{ErrorAnswer, Message};

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
}

pub(super) type AnswerSender = oneshot::Sender<Result<Answer, ClientError>>;

/// Who waits for an answer. The permits are given back with it.
#[derive(Debug)]
pub(super) enum Waiter {
    Answer(AnswerSender, Vec<OwnedSemaphorePermit>),
    /// Pushes may follow the answer at once, so the reader must know where to put them.
    Subscription {
        answer: AnswerSender,
        permits: Vec<OwnedSemaphorePermit>,
        buffer: Arc<PushBuffer>,
    },
}

/// What callers and the two tasks share.
#[derive(Debug)]
pub(super) struct State {
    server: Box<str>,
    waiting: Mutex<Waiting>,
    closing: Notify,
    tasks: OnceLock<[AbortHandle; 2]>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_correlation: HashMap<u32, Waiter>,
    subscriptions: HashMap<u32, Arc<PushBuffer>>,
    next_correlation: u32,
    closed: Option<ClientError>,
}

/// Closes the connection when its task ends, however it ends: nobody waits for a task that is gone.
pub(super) struct CloseOnDrop(pub(super) Arc<State>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close("the client's own task ended");
    }
}

impl State {
    pub(super) fn new(server: Box<str>) -> Self {
        State { server, waiting: Mutex::default(), closing: Notify::new(), tasks: OnceLock::new() }
    }

    /// Tells which tasks to end with the connection.
    pub(super) fn set_tasks(&self, tasks: [AbortHandle; 2]) {
        let tasks = self.tasks.get_or_init(|| tasks);
        // One of them may have closed the connection before this was known.
        if self.is_closed() {
            tasks.iter().for_each(AbortHandle::abort);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.waiting).closed.is_some()
    }

    /// Waits until the connection is closed.
    pub(super) async fn closed(&self) {
        let closing = self.closing.notified();
        tokio::pin!(closing);
        // Enabled before the check, so that a close between the two is not missed.
        closing.as_mut().enable();
        if !self.is_closed() {
            closing.await;
        }
    }

    /// Why the connection is closed.
    pub(super) fn closed_error(&self) -> ClientError {
        let closed = lock(&self.waiting).closed.clone();
        closed.unwrap_or_else(|| self.disconnected("closed"))
    }

    /// A new correlation number for `waiter`.
    ///
    /// # Errors
    /// When the connection is closed.
    pub(super) fn register(&self, waiter: Waiter) -> Result<u32, ClientError> {
        let mut waiting = lock(&self.waiting);
        if let Some(error) = &waiting.closed {
            return Err(error.clone());
        }
        // 0 marks what is not answered; a number still in use after 2^32 requests is passed over.
        let mut correlation = waiting.next_correlation;
        while correlation == 0 || waiting.by_correlation.contains_key(&correlation) {
            correlation = correlation.wrapping_add(1);
        }
        waiting.next_correlation = correlation.wrapping_add(1);
        waiting.by_correlation.insert(correlation, waiter);
        Ok(correlation)
    }

    /// Hands an answer to who waits for it.
    ///
    /// # Errors
    /// When the answer makes no sense; the connection is of no more use.
    pub(super) fn answer(&self, header: &FrameHeader, body: Bytes) -> Result<(), String> {
        let mut waiting = lock(&self.waiting);
        let Some(waiter) = waiting.by_correlation.remove(&header.correlation) else {
            return Err(format!("an answer to request {}, which is not open", header.correlation));
        };
        let answer = match header.error_code() {
            None => Ok(Answer { body }),
            Some(code) => {
                let error = ErrorAnswer::decode(code, &body);
                Err(ClientError::Server(error.map_err(|e| format!("an error answer: {e}"))?))
            }
        };
        match waiter {
            Waiter::Answer(sender, permits) => {
                drop(waiting);
                drop(permits);
                // Whoever stopped waiting does not want it.
                let _ = sender.send(answer);
            }
            Waiter::Subscription { answer: sender, permits, buffer } => {
                if let Ok(Answer { body }) = &answer {
                    let stands = SubscribeAnswer::decode(body).map_err(|e| e.to_string())?;
                    buffer.begin(stands.durable_end);
                    waiting.subscriptions.insert(stands.subscription, buffer);
                }
                drop(waiting);
                drop(permits);
                let _ = sender.send(answer);
            }
        }
        Ok(())
    }

    /// Where pushes of a subscription go; nowhere if it is over here already.
    pub(super) fn subscription(&self, id: u32) -> Option<Arc<PushBuffer>> {
        lock(&self.waiting).subscriptions.get(&id).cloned()
    }

    /// Drops what is pushed to a subscription from now on.
    pub(super) fn forget_subscription(&self, id: u32) {
        lock(&self.waiting).subscriptions.remove(&id);
    }

    /// Ends a subscription that the server has ended.
    ///
    /// # Errors
    /// When the reason makes no sense.
    pub(super) fn end_subscription(&self, header: &FrameHeader, body: &[u8]) -> Result<(), String> {
        let buffer = lock(&self.waiting).subscriptions.remove(&header.handle);
        let (Some(buffer), Some(code)) = (buffer, header.error_code()) else { return Ok(()) };
        let error = ErrorAnswer::decode(code, body).map_err(|e| format!("a push end: {e}"))?;
        buffer.end(ClientError::Server(error));
        Ok(())
    }

    /// Closes the connection; only the first reason counts.
    pub(super) fn close(&self, reason: &str) {
        let error = self.disconnected(reason);
        let mut waiting = lock(&self.waiting);
        if waiting.closed.is_some() {
            return;
        }
        waiting.closed = Some(error.clone());
        let waiters = std::mem::take(&mut waiting.by_correlation);
        let subscriptions = std::mem::take(&mut waiting.subscriptions);
        drop(waiting);
        for waiter in waiters.into_values() {
            let (Waiter::Answer(answer, _) | Waiter::Subscription { answer, .. }) = waiter;
            let _ = answer.send(Err(error.clone()));
        }
        subscriptions.into_values().for_each(|buffer| buffer.end(error.clone()));
        self.closing.notify_waiters();
        if let Some(tasks) = self.tasks.get() {
            tasks.iter().for_each(AbortHandle::abort);
        }
    }

    /// Closes the connection because the server sent what it may not.
    pub(super) fn breach(&self, what: &str) -> ClientError {
        self.close(&format!("the server broke the protocol: {what}"));
        self.closed_error()
    }

    fn disconnected(&self, reason: &str) -> ClientError {
        ClientError::Disconnected { server: self.server.to_string(), reason: reason.to_owned() }
    }
}
