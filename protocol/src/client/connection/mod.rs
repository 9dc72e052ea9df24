//! One connection: a task that reads, a task that writes, and who waits for what.
//!
//! ```text
//! callers ──register──> Waiting (by correlation) <──answer── reader task <── socket
//!    └────frame──> bounded channel ──> writer task ──────────────────────> socket
//! ```
//! Invariants:
//! - A caller takes its permits and its place in the channel first, and only then, without waiting
//!   in between, a correlation number and its place among those who wait. So whoever stops waiting
//!   half-way leaves nothing behind, and appends of one caller go out in its order.
//! - Permits stay with the waiting entry until the answer comes, not until somebody stops waiting:
//!   what is under way stays within the server's bounds.
//! - When either task ends, everybody who waits hears why; nobody waits on a closed connection.

mod handshake;
mod reader;
mod state;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::push::PushBuffer;
use super::{ClientConfig, ClientError};
use crate::native::field::{Call, Message};
use crate::native::frame::{self, FrameHeader, HEADER_LEN};
use crate::native::messages::{
    AppendAnswer, Credit, Empty, HelloAnswer, Subscribe, SubscribeAnswer, Unsubscribe,
};
use crate::native::opcode::Opcode;
use state::{Answer, State, Waiter};
use writer::Outgoing;

/// How many frames may lie between callers and the writer.
const OUTGOING_FRAMES: usize = 64;

/// A connection to one core. Clones share it; the last one closes it.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hello: HelloAnswer,
    outgoing: mpsc::Sender<Outgoing>,
    state: Arc<State>,
    in_flight: Arc<Semaphore>,
    append_credit: Arc<Semaphore>,
    request_timeout: Duration,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.state.close("closed by the client");
    }
}

/// An append under way.
#[derive(Debug)]
pub(crate) struct PendingAppend {
    answer: oneshot::Receiver<Result<Answer, ClientError>>,
    state: Arc<State>,
}

impl Connection {
    /// Connects to `core`, or to any.
    ///
    /// # Errors
    /// When the server can't be reached, or does not want us.
    pub(crate) async fn open(config: &ClientConfig, core: u16) -> Result<Self, ClientError> {
        let connecting = handshake::connect(config, core);
        let (socket, hello) = tokio::time::timeout(config.connect_timeout, connecting)
            .await
            .map_err(|_| ClientError::Unreachable {
                server: config.server.clone(),
                reason: format!("no connection within {:?}", config.connect_timeout),
            })??;
        let state = Arc::new(State::new(config.server.as_str().into()));
        let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES);
        let (read, write) = socket.into_split();
        let reader = reader::run(read, Arc::clone(&state), hello.max_frame_bytes);
        let writer = writer::run(write, Arc::clone(&state), frames);
        state.set_tasks([tokio::spawn(reader).abort_handle(), tokio::spawn(writer).abort_handle()]);
        let permits = |n: u32| Arc::new(Semaphore::new(n.max(1) as usize));
        Ok(Connection(Arc::new(Inner {
            in_flight: permits(hello.max_in_flight),
            append_credit: permits(hello.append_credit_bytes),
            request_timeout: config.request_timeout,
            hello,
            outgoing,
            state,
        })))
    }

    /// What the server said of itself.
    pub(crate) fn hello(&self) -> &HelloAnswer {
        &self.0.hello
    }

    /// Whether it is of no more use.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.state.is_closed()
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the server answers, or that the connection broke meanwhile.
    pub(crate) async fn call<C: Call>(
        &self,
        handle: u32,
        call: &C,
    ) -> Result<C::Answer, ClientError> {
        let body = self.body(handle, call, Duration::ZERO).await?;
        C::Answer::decode(&body).map_err(|error| self.0.state.breach(&error.to_string()))
    }

    /// Subscribes; pushes go to `buffer`.
    ///
    /// # Errors
    /// As for [`Connection::call`].
    pub(crate) async fn subscribe(
        &self,
        handle: u32,
        call: &Subscribe,
        buffer: Arc<PushBuffer>,
    ) -> Result<SubscribeAnswer, ClientError> {
        let waiter = |answer, permits| Waiter::Subscription { answer, permits, buffer };
        let answer = self.exchange(handle, call, waiter, Duration::ZERO).await?;
        SubscribeAnswer::decode(&answer.body)
            .map_err(|error| self.0.state.breach(&error.to_string()))
    }

    /// Ends a subscription; what is still pushed is dropped.
    ///
    /// # Errors
    /// As for [`Connection::call`].
    pub(crate) async fn unsubscribe(&self, subscription: u32) -> Result<(), ClientError> {
        self.0.state.forget_subscription(subscription);
        self.call(subscription, &Unsubscribe).await.map(|Empty| ())
    }

    /// Asks, and gives the answer's body as it came. The server may take `wait` on purpose.
    ///
    /// # Errors
    /// As for [`Connection::call`].
    pub(crate) async fn body<C: Call>(
        &self,
        handle: u32,
        call: &C,
        wait: Duration,
    ) -> Result<Bytes, ClientError> {
        self.exchange(handle, call, Waiter::Answer, wait).await.map(|answer| answer.body)
    }

    /// Closes the connection because the server sent what it may not.
    pub(crate) fn breach(&self, what: &str) -> ClientError {
        self.0.state.breach(what)
    }

    async fn exchange<C: Call>(
        &self,
        handle: u32,
        call: &C,
        waiter: impl FnOnce(state::AnswerSender, Vec<OwnedSemaphorePermit>) -> Waiter,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        call.check().map_err(|error| ClientError::Invalid(error.to_string()))?;
        let exchange = async {
            let permit = self.permit(&self.0.in_flight, 1).await?;
            let slot = self.slot().await?;
            let (sender, answer) = oneshot::channel();
            let correlation = self.0.state.register(waiter(sender, vec![permit]))?;
            slot.send(Outgoing::frame(frame::request(correlation, handle, call).freeze()));
            answer.await.map_err(|_| self.0.state.closed_error())?
        };
        match tokio::time::timeout(self.0.request_timeout + wait, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(self.no_answer()),
        }
    }

    /// Sends one batch, once there is credit for it. Appends made one after the other go out in that
    /// order.
    ///
    /// # Errors
    /// When the connection is closed.
    pub(crate) async fn append(
        &self,
        handle: u32,
        batch: Bytes,
    ) -> Result<PendingAppend, ClientError> {
        let (sender, answer) = oneshot::channel();
        let pending = PendingAppend { answer, state: Arc::clone(&self.0.state) };
        let frame_bytes = HEADER_LEN + batch.len();
        if frame_bytes > self.0.hello.max_frame_bytes as usize {
            // The server would close the connection.
            let _ = sender.send(Err(ClientError::Invalid(format!(
                "a batch of {} bytes does not fit into a frame of {}",
                batch.len(),
                self.0.hello.max_frame_bytes
            ))));
            return Ok(pending);
        }
        let credit = frame_bytes as u64;
        let credit = credit.min(u64::from(self.0.hello.append_credit_bytes.max(1))) as u32;
        let permits = vec![
            self.permit(&self.0.append_credit, credit).await?,
            self.permit(&self.0.in_flight, 1).await?,
        ];
        let slot = self.slot().await?;
        let correlation = self.0.state.register(Waiter::Answer(sender, permits))?;
        let header = FrameHeader::append(correlation, handle, 0, batch.len() as u32);
        slot.send(Outgoing { header: header_bytes(&header), body: batch, written: None });
        Ok(pending)
    }

    /// Sends one batch that is not answered, and waits until the operating system has it.
    ///
    /// # Errors
    /// When the connection broke before that.
    pub(crate) async fn append_unanswered(
        &self,
        handle: u32,
        batch: Bytes,
    ) -> Result<(), ClientError> {
        let slot = self.slot().await?;
        let (sender, written) = oneshot::channel();
        let header = FrameHeader::append(0, handle, frame::NO_ANSWER, batch.len() as u32);
        slot.send(Outgoing { header: header_bytes(&header), body: batch, written: Some(sender) });
        written.await.map_err(|_| self.0.state.closed_error())
    }

    /// Lets the server push more. The caller has a place in the channel already, so this does not
    /// wait.
    pub(crate) fn send_credit(slot: Slot<'_>, subscription: u32, bytes: u32) {
        slot.send(Outgoing::frame(frame::request(0, subscription, &Credit { bytes }).freeze()));
    }

    /// A place in the channel to the writer.
    ///
    /// # Errors
    /// When the connection is closed.
    pub(crate) async fn slot(&self) -> Result<Slot<'_>, ClientError> {
        self.0.outgoing.reserve().await.map_err(|_| self.0.state.closed_error())
    }

    /// Closes the connection because an answer did not come in time.
    pub(crate) fn no_answer(&self) -> ClientError {
        self.0.state.close(&format!("no answer within {:?}", self.0.request_timeout));
        self.0.state.closed_error()
    }

    /// Closes the connection.
    pub(crate) fn close(&self, reason: &str) {
        self.0.state.close(reason);
    }

    async fn permit(
        &self,
        of: &Arc<Semaphore>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, ClientError> {
        let state = &self.0.state;
        tokio::select! {
            permit = Arc::clone(of).acquire_many_owned(n) => permit.map_err(|_| state.closed_error()),
            () = state.closed() => Err(state.closed_error()),
        }
    }
}

/// A place in the channel to the writer.
pub(crate) type Slot<'a> = mpsc::Permit<'a, Outgoing>;

impl PendingAppend {
    /// Waits for the answer. May be called again if it was not waited for to the end.
    ///
    /// # Errors
    /// What the server answers, or that the connection broke meanwhile.
    pub(crate) async fn answer(&mut self) -> Result<AppendAnswer, ClientError> {
        let answer = (&mut self.answer).await.map_err(|_| self.state.closed_error())??;
        AppendAnswer::decode(&answer.body).map_err(|error| self.state.breach(&error.to_string()))
    }
}

fn header_bytes(header: &FrameHeader) -> Bytes {
    Bytes::copy_from_slice(&header.encode())
}

// An append's answer is no `Call`'s; this ties its type to its opcode.
const _: () = assert!(AppendAnswer::OPCODE as u16 == Opcode::Append as u16);
