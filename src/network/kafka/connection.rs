//! One connection: takes requests one after the other, and answers them in that order.
//!
//! ```text
//!  frame ──> produce? ── yes ──> submit ──> queue ──> each answered once it is durable ──┐
//!              │                              ^                                          │
//!              └─ no ──> wait until it is empty ──> handler ─────────────────────────────┴──> outbox
//! ```
//! A handler that may wait long, for records or for a group's other members, is dropped when the
//! client goes away meanwhile: so what comes behind such a request is read ahead, to a bound.
//!
//! Everything of it is one task: what waits, waits at its place, and with it, by way of the
//! socket's own window, the client.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use duramen_protocol::kafka::{ApiKey, RequestHeader};
use duramen_protocol::wire::Reader;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;

use crate::io::Descriptors;
use crate::limits;
use crate::network::client::Client;
use crate::network::inbound::Inbound;
use crate::network::local::Local;
use crate::network::socket::Socket;
use crate::shard::request::{ClientId, Released};

use super::Ending;
use super::call::{Call, Reply};
use super::dispatch::{SERVED, handle};
use super::produce::Appending;
use super::settings::Settings;
use super::{api_versions, produce};

/// How TLS begins: a handshake of version 3.
const TLS: u32 = 0x1603;

/// What may be answered only after a long time.
const MAY_WAIT: [ApiKey; 3] = [ApiKey::Fetch, ApiKey::JoinGroup, ApiKey::SyncGroup];

/// A connection of Kafka's protocol.
pub struct Connection {
    id: ClientId,
    local: Rc<Local>,
    settings: Arc<Settings>,
    socket: Socket,
    peer: SocketAddr,
    reached: SocketAddr,
    /// Produce requests that are not answered yet.
    appending: RefCell<VecDeque<Appending>>,
    /// Bytes of those, and of the one that is being answered.
    appending_bytes: Cell<usize>,
    /// Something was put into `appending`.
    appended: Notify,
    /// Something of it was answered.
    answered: Notify,
}

/// Nothing is delivered to it: its handlers wait for their answers themselves.
impl Client for Connection {
    fn deliver(&self, released: Released, _: &dyn Descriptors) {
        unreachable!("nobody asks in the name of a Kafka connection, but there is {released:?}");
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Connection {
    /// A connection, and where its requests come from: [`Connection::run`] takes that.
    ///
    /// # Errors
    /// When the peer is gone already.
    pub fn new(
        local: Rc<Local>,
        settings: Arc<Settings>,
        stream: TcpStream,
    ) -> io::Result<(Connection, OwnedReadHalf)> {
        let (peer, reached) = (stream.peer_addr()?, stream.local_addr()?);
        let (requests, answers) = stream.into_split();
        let connection = Connection {
            id: local.name_client(),
            local,
            settings,
            socket: Socket::new(answers),
            peer,
            reached,
            appending: RefCell::default(),
            appending_bytes: Cell::new(0),
            appended: Notify::new(),
            answered: Notify::new(),
        };
        Ok((connection, requests))
    }

    /// The connection's life.
    pub async fn run(self: Rc<Self>, requests: OwnedReadHalf) {
        self.local.join(self.id, self.clone());
        let ending = tokio::select! {
            ending = self.read_on(requests) => ending,
            ending = self.answer_on() => ending,
            error = self.socket.write_on(|_| ()) => Ending::Gone(error),
        };
        match &ending {
            Ending::Gone(_) => {}
            Ending::Refused(_) => {
                eprintln!("duramen: {}: {ending}; the connection is closed", self.peer);
            }
            // What was accepted is still answered. The end of the runtime is the end of this.
            Ending::Stopping => {
                tokio::select! {
                    _ = self.answer_on() => {}
                    _ = self.socket.write_on(|_| ()) => {}
                }
            }
        }
        self.local.leave(self.id);
    }

    /// Takes requests until the connection ends.
    async fn read_on(&self, mut requests: OwnedReadHalf) -> Ending {
        let mut inbound = Inbound::new(self.local.spare.clone());
        loop {
            match inbound.take_prefixed(self.settings.request_bytes_max) {
                Ok(Some(frame)) => {
                    if let Err(ending) = self.take(frame, &mut inbound, &mut requests).await {
                        return ending;
                    }
                }
                Ok(None) => {
                    let read = tokio::select! {
                        read = inbound.read(&mut requests) => read,
                        () = self.local.stopped() => return Ending::Stopping,
                    };
                    match read {
                        Ok(true) => {}
                        Ok(false) => return Ending::Gone(io::ErrorKind::UnexpectedEof.into()),
                        Err(error) => return Ending::Gone(error),
                    }
                }
                Err(length) => return Ending::Refused(self.wrong_length(length)),
            }
            if self.local.is_stopping() {
                return Ending::Stopping;
            }
        }
    }

    fn wrong_length(&self, length: i32) -> String {
        let most = self.settings.request_bytes_max;
        match (length as u32) >> 16 {
            TLS => "a TLS handshake, where plain Kafka requests are expected".to_owned(),
            _ => format!("a request of {length} bytes; socket.request.max.bytes is {most}"),
        }
    }

    /// Takes one request.
    async fn take(
        &self,
        frame: Bytes,
        inbound: &mut Inbound,
        requests: &mut OwnedReadHalf,
    ) -> Result<(), Ending> {
        let mut body = Reader::new(&frame);
        let header = RequestHeader::decode(&mut body)?;
        let call = Call {
            local: &self.local,
            settings: &self.settings,
            header,
            reached: self.reached.ip(),
            peer: self.peer.ip(),
        };
        let api = call.header.supported_api().filter(|api| SERVED.contains(api));
        match api {
            Some(ApiKey::Produce) => self.produce(&call, body, &frame).await,
            Some(api) => {
                self.all_answered().await;
                let handler = handle(api, &call, body);
                let reply = match MAY_WAIT.contains(&api) {
                    true => unless_gone(handler, inbound, requests).await?,
                    false => handler.await?,
                };
                self.send(reply).await;
                Ok(())
            }
            None if call.header.api_key == ApiKey::ApiVersions.number() => {
                self.all_answered().await;
                self.send(api_versions::table(&call)?).await;
                Ok(())
            }
            None => {
                let RequestHeader { api_key, api_version, .. } = call.header;
                let api = ApiKey::from_number(api_key).map_or("unknown", ApiKey::name);
                let message = format!("a request of API {api_key} ({api}), version {api_version}");
                Err(Ending::Refused(format!("{message}, which is not served")))
            }
        }
    }

    /// Hands a produce request to its partitions, and leaves its answer to [`Self::answer_on`].
    async fn produce(
        &self,
        call: &Call<'_>,
        body: Reader<'_>,
        frame: &Bytes,
    ) -> Result<(), Ending> {
        let credit = limits::APPEND_CREDIT_BYTES as usize;
        // One may be under way whatever its size.
        while self.appending_bytes.get() > 0 && self.appending_bytes.get() + frame.len() > credit
            || self.appending.borrow().len() >= limits::CALLS_IN_FLIGHT
        {
            self.answered.notified().await;
        }
        self.local.uncongested().await;
        let appending = produce::submit(call, call.read(body)?, frame).await;
        self.appending_bytes.set(self.appending_bytes.get() + appending.bytes());
        self.appending.borrow_mut().push_back(appending);
        self.appended.notify_one();
        // Lets the tick have what there is while it is warm.
        if self.local.inbox_bytes() >= limits::INBOX_BYTES {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Answers produce requests, in their order, each when all of it is durable.
    async fn answer_on(&self) -> Ending {
        loop {
            let first = self.appending.borrow_mut().pop_front();
            let Some(appending) = first else {
                self.socket.flush();
                self.appended.notified().await;
                continue;
            };
            let bytes = appending.bytes();
            let flush = || {
                self.socket.flush();
            };
            match appending.answer(flush).await {
                Ok(Some(reply)) => self.socket.outbox(|outbox| reply.put(outbox)),
                Ok(None) => {}
                Err(ending) => return ending,
            }
            self.appending_bytes.set(self.appending_bytes.get() - bytes);
            self.answered.notify_one();
        }
    }

    /// Waits until no produce request is unanswered.
    async fn all_answered(&self) {
        while self.appending_bytes.get() > 0 {
            self.answered.notified().await;
        }
    }

    /// Sends an answer, and waits until most of what is to be sent has left.
    async fn send(&self, reply: Reply) {
        self.socket.outbox(|outbox| reply.put(outbox));
        self.socket.flush();
        while !self.has_room() {
            self.socket.drained.notified().await;
        }
    }

    /// Whether the socket has taken what it was given: one answer with records at a time.
    fn has_room(&self) -> bool {
        self.socket.outbox(|outbox| !outbox.holds_records())
            && self.socket.outbox(|outbox| outbox.buffered()) < limits::OUTBOX_BYTES
    }
}

/// Runs a handler to its end, or until the client has gone away.
async fn unless_gone(
    handler: impl Future<Output = Result<Reply, Ending>>,
    inbound: &mut Inbound,
    requests: &mut OwnedReadHalf,
) -> Result<Reply, Ending> {
    tokio::select! {
        biased;
        reply = handler => reply,
        ending = gone(inbound, requests) => Err(ending),
    }
}

/// Waits until the client has gone away, as long as that can be told: behind more requests than are
/// read ahead its end is not seen.
async fn gone(inbound: &mut Inbound, requests: &mut OwnedReadHalf) -> Ending {
    while inbound.buffered() < limits::READ_AHEAD_BYTES {
        match inbound.read(requests).await {
            Ok(true) => {}
            Ok(false) => return Ending::Gone(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => return Ending::Gone(error),
        }
    }
    std::future::pending().await
}
