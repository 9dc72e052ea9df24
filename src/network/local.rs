//! What the tasks of one core share: questions on their way to the tick, connections, the catalog.
//!
//! Connection tasks fill the inbox and wake the tick; the tick empties it, delivers what the shard
//! released, and flushes each socket that was touched, once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use duramen_protocol::codes::ErrorCode;
use tokio::sync::{Notify, Semaphore, oneshot, watch};

use crate::broker::Refusal;
use crate::broker::catalog::Catalog;
use crate::broker::fetch_sessions::FetchSessions;
use crate::broker::producer_ids::ProducerIds;
use crate::io::Descriptors;
use crate::limits;
use crate::shard::error::AskError;
use crate::shard::request::{Answer, Ask, ClientId, ReadMany, Records, Released, Request, Ticket};

use super::calls::Calls;
use super::client::Client;
use super::inbound::Spare;
use super::mailbox::{Change, Changed, Mail, Mailboxes};
use super::outbox::{Chunk, Receipt};

/// The tasks of the core, as a client of its shard.
const TASKS: ClientId = ClientId(0);

/// Takes the answer to a question.
pub type Reply = oneshot::Sender<Result<Answer, AskError>>;
/// Takes the answer to a read of many partitions.
pub type ManyReply = oneshot::Sender<Result<Vec<PartitionRecords>, AskError>>;
/// What was read of one partition.
pub type PartitionRecords = Result<LocatedRecords, AskError>;

/// Bytes of a log, with their files at hand.
#[derive(Debug)]
pub struct LocatedRecords {
    /// The first offset there is.
    pub log_start: u64,
    /// The offset after the last durable one.
    pub durable: u64,
    /// How many bytes.
    pub bytes: usize,
    /// Where they are.
    pub chunks: Vec<Chunk>,
}

/// A question of the core's own tasks, and who waits for its answer.
enum Question {
    Plain(Reply),
    Many(ManyReply),
}

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
    /// The buffer that connections read into, one after the other.
    pub spare: Rc<Spare>,
    /// Producer ids leased to this core.
    pub producer_ids: RefCell<ProducerIds>,
    /// Fetch sessions of the core's connections.
    pub fetch_sessions: RefCell<FetchSessions>,
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
    questions: RefCell<Calls<Question>>,
    /// Room for bytes of batches that were sent on to other cores and are not answered yet.
    pub forwarding: Arc<Semaphore>,
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
            spare: Rc::default(),
            producer_ids: RefCell::default(),
            fetch_sessions: RefCell::new(FetchSessions::new(
                limits::FETCH_SESSIONS,
                limits::FETCH_SESSION_PARTITIONS,
            )),
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
            forwarding: Arc::new(Semaphore::new(limits::FORWARDED_BYTES)),
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
        let answer = self.submit(core, ask).await;
        answer.await.unwrap_or(Err(AskError::ShuttingDown))
    }

    /// Asks a core's shard; the answer comes out of what is returned. Questions to a core are taken
    /// in the order in which they were submitted. May have to wait for room in its mailbox.
    pub async fn submit(&self, core: u16, ask: Ask) -> oneshot::Receiver<Result<Answer, AskError>> {
        let (reply, answer) = oneshot::channel();
        if core == self.core {
            self.question(ask, reply);
        } else {
            self.mailboxes.send(usize::from(core), Mail::Ask(ask, reply)).await;
        }
        answer
    }

    /// Asks this core's shard for whoever holds the other end of `reply`.
    pub fn question(&self, ask: Ask, reply: Reply) {
        self.put_question(ask, Question::Plain(reply));
    }

    /// Names a question and puts it in the inbox.
    fn put_question(&self, ask: Ask, question: Question) -> Ticket {
        let call = self.questions.borrow_mut().insert(question);
        let ticket = Ticket { client: TASKS, call };
        self.enqueue(Request { ticket, ask });
        ticket
    }

    /// Reads partitions of one core, this one or another. Whoever drops this has the read ended.
    ///
    /// # Errors
    /// [`AskError::ShuttingDown`] when the core has stopped.
    pub async fn read_many(
        self: &Rc<Self>,
        core: u16,
        read: ReadMany,
    ) -> Result<Vec<PartitionRecords>, AskError> {
        let (reply, answer) = oneshot::channel();
        if core == self.core {
            self.begin_read_many(read, reply);
        } else {
            self.mailboxes.send(usize::from(core), Mail::ReadMany(Box::new(read), reply)).await;
        }
        answer.await.unwrap_or(Err(AskError::ShuttingDown))
    }

    /// Reads partitions of this core for whoever holds the other end of `reply`, as long as he
    /// holds it.
    pub fn begin_read_many(self: &Rc<Self>, read: ReadMany, mut reply: ManyReply) {
        let may_wait = read.max_wait_ms > 0;
        let (inner, mut answer) = oneshot::channel();
        let ask = Ask::ReadMany(Box::new(read));
        if !may_wait {
            self.put_question(ask, Question::Many(reply));
            return;
        }
        let ticket = self.put_question(ask, Question::Many(inner));
        let local = self.clone();
        tokio::task::spawn_local(async move {
            tokio::select! {
                biased;
                // Whoever asked may be gone at the same time.
                Ok(answer) = &mut answer => drop(reply.send(answer)),
                () = reply.closed() => local.enqueue(Request { ticket, ask: Ask::Hurry }),
            }
        });
    }

    /// A producer id that was never handed out: from this core's lease, and a new lease when that
    /// is used up.
    ///
    /// # Errors
    /// When the keeper of the catalog gives no lease.
    pub async fn allocate_producer_id(&self) -> Result<i64, Refusal> {
        if let Some(id) = self.producer_ids.borrow_mut().allocate() {
            return Ok(id);
        }
        let no_lease = || Refusal {
            code: ErrorCode::UNKNOWN_SERVER_ERROR,
            message: "no lease of producer ids came back".to_owned(),
        };
        let Changed::Leased(lease) = self.mailboxes.change(Change::LeaseProducerIds).await? else {
            return Err(no_lease());
        };
        let mut ids = self.producer_ids.borrow_mut();
        // Others may have asked for a lease at the same time: theirs came first, or comes later.
        if let Some(id) = ids.allocate() {
            return Ok(id);
        }
        ids.renew(lease);
        ids.allocate().ok_or_else(no_lease)
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
                let question = self.questions.borrow_mut().take(ticket.call);
                // Whoever asked may be gone.
                match question {
                    Some(Question::Plain(reply)) => drop(reply.send(result)),
                    Some(Question::Many(reply)) => drop(reply.send(locate_many(result, files))),
                    None => {}
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

/// The answer to a read of many partitions, with the files at hand.
fn locate_many(
    result: Result<Answer, AskError>,
    files: &dyn Descriptors,
) -> Result<Vec<PartitionRecords>, AskError> {
    match result? {
        Answer::Many(partitions) => {
            Ok(partitions.into_iter().map(|records| locate(records?, files)).collect())
        }
        other => unreachable!("a read of many partitions was answered with {other:?}"),
    }
}

fn locate(records: Records, files: &dyn Descriptors) -> PartitionRecords {
    let Records { log_start, durable, pieces, bytes, .. } = records;
    let chunks = Chunk::of_pieces(pieces, files)
        .map_err(|_| AskError::Overloaded("a segment was closed meanwhile: read again"))?;
    Ok(LocatedRecords { log_start, durable, bytes, chunks })
}
