//! What the tasks of one core share: questions on their way to the tick, connections, the catalog.
//!
//! Connection tasks fill the inbox and wake the tick; the tick empties it, delivers what the shard
//! released, and flushes each socket that was touched, once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, oneshot, watch};

use crate::broker::catalog::Catalog;
use crate::broker::producer_ids::ProducerIds;
use crate::io::Descriptors;
use crate::shard::error::AskError;
use crate::shard::request::{Answer, Ask, ClientId, Released, Request, Ticket};

use super::calls::Calls;
use super::client::Client;
use super::mailbox::{Mail, Mailboxes};
use super::outbox::Receipt;

/// The tasks of the core, as a client of its shard.
const TASKS: ClientId = ClientId(0);

/// What a server is, as its hello says it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which data directory this is.
    pub server_id: [u8; 16],
    /// Rises with each start.
    pub start_epoch: u32,
    /// Name and version.
    pub software: String,
    /// The largest frame of a connection, header and all.
    pub max_frame_bytes: u32,
}

/// What the tasks of one core share.
pub struct Local {
    /// Which core this is.
    pub core: u16,
    /// Where to send to.
    pub mailboxes: Mailboxes,
    /// What the server is.
    pub facts: Facts,
    /// Producer ids leased to this core.
    pub producer_ids: RefCell<ProducerIds>,
    catalog: RefCell<Arc<Catalog>>,
    inbox: RefCell<Vec<Request>>,
    inbox_bytes: Cell<usize>,
    congested: Cell<bool>,
    /// The congestion is over.
    relief: Notify,
    tick: Arc<Notify>,
    clients: RefCell<HashMap<ClientId, Rc<dyn Client>>>,
    clients_named: Cell<u64>,
    /// Clients whose outbox was touched since the last flush.
    touched: RefCell<Vec<ClientId>>,
    questions: RefCell<Calls<oneshot::Sender<Result<Answer, AskError>>>>,
    stopping: watch::Sender<bool>,
}

impl Local {
    /// What the tasks of core `core` share. `tick` wakes the core's tick.
    pub fn new(
        core: u16,
        mailboxes: Mailboxes,
        facts: Facts,
        catalog: Arc<Catalog>,
        tick: Arc<Notify>,
    ) -> Local {
        Local {
            core,
            mailboxes,
            facts,
            producer_ids: RefCell::default(),
            catalog: RefCell::new(catalog),
            inbox: RefCell::default(),
            inbox_bytes: Cell::new(0),
            congested: Cell::new(false),
            relief: Notify::new(),
            tick,
            clients: RefCell::default(),
            clients_named: Cell::new(TASKS.0),
            touched: RefCell::default(),
            questions: RefCell::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// How many cores there are.
    pub fn cores(&self) -> u16 {
        self.mailboxes.cores() as u16
    }

    /// The catalog of now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.borrow().clone()
    }

    /// Replaces the catalog.
    pub fn set_catalog(&self, catalog: Arc<Catalog>) {
        *self.catalog.borrow_mut() = catalog;
    }

    /// Puts a question in the inbox and wakes the tick.
    pub fn enqueue(&self, request: Request) {
        if let Ask::Append { batch, .. } = &request.ask {
            self.inbox_bytes.set(self.inbox_bytes.get() + batch.len());
        }
        self.inbox.borrow_mut().push(request);
        self.wake();
    }

    /// Wakes the tick.
    pub fn wake(&self) {
        self.tick.notify_one();
    }

    /// Bytes of batches in the inbox.
    pub fn inbox_bytes(&self) -> usize {
        self.inbox_bytes.get()
    }

    /// Moves what is in the inbox to `requests`, which is empty.
    pub fn take_inbox(&self, requests: &mut Vec<Request>) {
        self.inbox_bytes.set(0);
        std::mem::swap(&mut *self.inbox.borrow_mut(), requests);
    }

    /// Says whether so many batches wait to be staged that readers should stop.
    pub fn set_congested(&self, congested: bool) {
        if self.congested.replace(congested) && !congested {
            self.relief.notify_waiters();
        }
    }

    /// Waits until batches may be brought.
    pub async fn uncongested(&self) {
        while self.congested.get() {
            self.relief.notified().await;
        }
    }

    /// Asks a core's shard, this one's or another's, and waits for the answer.
    ///
    /// # Errors
    /// The shard's; and [`AskError::ShuttingDown`] when the core has stopped.
    pub async fn ask(&self, core: u16, ask: Ask) -> Result<Answer, AskError> {
        let (reply, answer) = oneshot::channel();
        if core == self.core {
            self.question(ask, reply);
        } else {
            self.mailboxes.send(usize::from(core), Mail::Ask(ask, reply)).await;
        }
        answer.await.unwrap_or(Err(AskError::ShuttingDown))
    }

    /// Asks this core's shard for whoever holds the other end of `reply`.
    pub fn question(&self, ask: Ask, reply: oneshot::Sender<Result<Answer, AskError>>) {
        let call = self.questions.borrow_mut().insert(reply);
        self.enqueue(Request { ticket: Ticket { client: TASKS, call }, ask });
    }

    /// A name for a new client.
    pub fn name_client(&self) -> ClientId {
        self.clients_named.set(self.clients_named.get() + 1);
        ClientId(self.clients_named.get())
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.clients.borrow().len()
    }

    /// Makes a client known.
    pub fn join(&self, id: ClientId, client: Rc<dyn Client>) {
        self.clients.borrow_mut().insert(id, client);
    }

    /// Forgets a client, and has the shard forget it.
    pub fn leave(&self, id: ClientId) {
        self.clients.borrow_mut().remove(&id);
        self.enqueue(Request { ticket: Ticket { client: id, call: 0 }, ask: Ask::Leave });
    }

    /// The client's outbox was touched: the next tick flushes it.
    pub fn touch(&self, id: ClientId) {
        self.touched.borrow_mut().push(id);
        self.wake();
    }

    /// Records have left for the network.
    pub fn sent(&self, id: ClientId, receipt: Receipt) {
        let Receipt { bytes, pinned } = receipt;
        if receipt != Receipt::default() {
            let ticket = Ticket { client: id, call: 0 };
            self.enqueue(Request { ticket, ask: Ask::Sent { bytes, pinned } });
        }
    }

    /// Hands on what the shard released. What was meant for a client that is gone is dropped.
    pub fn deliver(&self, released: Released, files: &dyn Descriptors) {
        let id = match &released {
            Released::Answer { ticket, .. } => ticket.client,
            Released::Push { client, .. } | Released::PushEnd { client, .. } => *client,
        };
        match released {
            Released::Answer { ticket, result } if id == TASKS => {
                if let Some(reply) = self.questions.borrow_mut().take(ticket.call) {
                    // Whoever asked may be gone.
                    let _ = reply.send(result);
                }
            }
            released => {
                let client = self.clients.borrow().get(&id).cloned();
                if let Some(client) = client {
                    client.deliver(released, files);
                    self.touched.borrow_mut().push(id);
                }
            }
        }
    }

    /// Flushes the sockets that were touched.
    pub fn flush(&self) {
        let mut touched = self.touched.take();
        touched.sort_unstable();
        touched.dedup();
        for id in touched {
            let client = self.clients.borrow().get(&id).cloned();
            if let Some(client) = client {
                let receipt = client.socket().flush();
                self.sent(id, receipt);
            }
        }
    }

    /// Whether every client was sent everything.
    pub fn is_drained(&self) -> bool {
        self.clients.borrow().values().all(|client| client.socket().is_drained())
    }

    /// Lets readers and listeners end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
        self.wake();
    }

    /// Whether the server stops.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives as long as `self`.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}
