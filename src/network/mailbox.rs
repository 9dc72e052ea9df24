//! What cores tell each other.
//!
//! Each core has one mailbox, a bounded queue. Who sends reserves the slot for the answer first (a
//! `oneshot`), so that answering never waits and a core always drains its mailbox. Who sends may
//! have to wait for room: only tasks of connections and of the server do that, never the tick.
//!
//! Changes of the catalog go to its keeper on core 0, which has a queue of its own.

use std::net::TcpStream;
use std::sync::Arc;

use duramen_protocol::native::messages::{Hello, StatsAnswer};
use tokio::sync::{mpsc, oneshot};

use crate::broker::Refusal;
use crate::broker::catalog::{Catalog, ConfigChange, Topic};
use crate::broker::producer_ids::Lease;
use crate::limits;
use crate::shard::request::{Ask, ReadMany};

use super::local::{ManyReply, Reply};

/// One message to a core.
#[derive(Debug)]
pub enum Mail {
    /// A connection that is to live there.
    Connection(Box<Arrival>),
    /// A question to the core's shard.
    Ask(Ask, Reply),
    /// A read of partitions of the core, which ends when nobody waits for it any more.
    ReadMany(Box<ReadMany>, ManyReply),
    /// A connection of Kafka's protocol that is to live there.
    KafkaConnection(TcpStream),
    /// There is a new catalog. Answered once the core goes by it.
    Catalog(Arc<Catalog>, oneshot::Sender<()>),
    /// The server stops.
    Stop,
}

/// A connection that has said hello.
#[derive(Debug)]
pub struct Arrival {
    /// Its socket.
    pub stream: TcpStream,
    /// What it said.
    pub hello: Hello,
    /// The hello's correlation.
    pub correlation: u32,
}

/// An order to the keeper of the catalog.
#[derive(Debug)]
pub struct Order {
    /// What is to be done.
    pub change: Change,
    /// Takes what came of it, once that is durable and known to every core.
    pub reply: oneshot::Sender<Result<Changed, Refusal>>,
}

/// What the keeper of the catalog can be asked.
#[derive(Debug)]
pub enum Change {
    /// Make a topic. Partitions 0: as many as the server's default.
    CreateTopic {
        /// Its name.
        name: String,
        /// How many partitions.
        partitions: u32,
        /// Names and values to set.
        configs: Vec<(String, String)>,
        /// Whether a topic of that name is fine as it is.
        if_not_exists: bool,
    },
    /// Make the topic of consumers' offsets, unless it is there.
    CreateConsumerOffsets,
    /// Delete a topic.
    DeleteTopic(String),
    /// Set and unset configurations, and add partitions (0: none).
    AlterTopic {
        /// Its name.
        name: String,
        /// What to set.
        configs: Vec<ConfigChange>,
        /// How many partitions it shall have.
        partitions: u32,
    },
    /// Raise the number of a topic's partitions.
    AddPartitions {
        /// Its name.
        name: String,
        /// How many it shall have.
        partitions: u32,
    },
    /// Hand a block of producer ids out.
    LeaseProducerIds,
    /// Clear a deleted partition away: no journal of its core names it any more.
    Passed(Vec<duramen_protocol::files::journal::PartitionKey>),
    /// Collect the server's figures. Changes nothing.
    Stats,
}

/// What came of a [`Change`].
#[derive(Debug)]
pub enum Changed {
    /// The topic, and whether it was made just now.
    Topic(Arc<Topic>, bool),
    /// It was done.
    Done,
    /// The ids.
    Leased(Lease),
    /// The figures.
    Stats(Box<StatsAnswer>),
}

/// Where to send to: every core, and the keeper of the catalog.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    cores: Arc<[mpsc::Sender<Mail>]>,
    keeper: mpsc::Sender<Order>,
}

impl Mailboxes {
    /// The mailboxes of `cores` cores, with the ends where mail and orders come out.
    pub fn new(cores: usize) -> (Mailboxes, Vec<mpsc::Receiver<Mail>>, mpsc::Receiver<Order>) {
        let pairs = (0..cores).map(|_| mpsc::channel(limits::MAILBOX_MAILS));
        let (senders, receivers): (Vec<_>, Vec<_>) = pairs.unzip();
        let (keeper, orders) = mpsc::channel(limits::MAILBOX_MAILS);
        (Mailboxes { cores: senders.into(), keeper }, receivers, orders)
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// Sends mail, when there is room. Mail to a core that has stopped is lost, and with it the
    /// sender of its answer, which tells whoever waits.
    pub async fn send(&self, core: usize, mail: Mail) {
        if let Some(mailbox) = self.cores.get(core) {
            // The core has stopped: see above.
            let _ = mailbox.send(mail).await;
        }
    }

    /// Has the catalog changed, or what else the keeper is asked.
    ///
    /// # Errors
    /// What the keeper refuses.
    pub async fn change(&self, change: Change) -> Result<Changed, Refusal> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Refusal {
            code: duramen_protocol::codes::ErrorCode::SHUTTING_DOWN,
            message: "the server is shutting down".to_owned(),
        };
        self.keeper.send(Order { change, reply }).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}
