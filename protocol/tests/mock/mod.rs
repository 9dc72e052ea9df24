//! A server in memory, with faults to order: what the client's tests talk to.
//!
//! It keeps logs in vectors, judges sequences as the real one does, and pushes subscriptions in
//! pieces of any size. [`Mock::on_append`] decides the fate of each append, so that a test can lose
//! requests, answers and whole connections exactly where it wants to.

#![allow(dead_code, reason = "each test binary uses a part of it")]

mod connection;
mod log;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use duramen_protocol::TopicId;
use duramen_protocol::client::{Client, ClientConfig};
use duramen_protocol::native::{ErrorAnswer, ErrorCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use log::Log;

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Applied and answered.
    Serve,
    /// Not applied, and the connection is closed.
    LoseRequest,
    /// Applied, and the connection is closed before the answer.
    LoseAnswer,
    /// The connection is closed, and the batch applied before the next append of another one: as if
    /// it had lain in the buffers of the old connection.
    ApplyLate,
    /// Not applied, and refused.
    Refuse(ErrorCode),
    /// Applied, and answered with an error.
    ApplyAndSay(ErrorCode),
    /// Not applied, and no answer ever.
    Ignore,
}

/// Decides the fate of an append: topic, partition, how many there were before.
pub type Judge = Box<dyn FnMut(&str, u32, usize) -> Fate + Send>;

pub struct Topic {
    pub id: TopicId,
    pub logs: Vec<Log>,
}

/// Everything the server knows.
pub struct World {
    pub topics: BTreeMap<String, Topic>,
    pub offsets: BTreeMap<(String, String, u32), (i64, String)>,
    pub cores: u16,
    pub server_id: [u8; 16],
    pub next_producer_id: i64,
    pub appends: usize,
    pub judge: Judge,
    /// Batches to apply late.
    pub late: Vec<(String, u32, Vec<u8>)>,
    /// The most bytes of a push.
    pub push_bytes: usize,
    /// After so many pushes the connection is closed, once.
    pub drop_after_pushes: Option<usize>,
    /// The next push has one byte flipped.
    pub flip_in_next_push: bool,
    pub pushed_bytes: usize,
    pub max_message_bytes: u32,
    pub append_credit_bytes: u32,
    pub hellos: usize,
    /// Refuses to open, as long as it is there.
    pub open_error: Option<ErrorAnswer>,
}

pub struct Mock {
    pub address: SocketAddr,
    world: Arc<Mutex<World>>,
    /// Rises with every change that subscribers wait for.
    changed: watch::Sender<u64>,
    /// Rises when all connections shall end.
    kill: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.accepting.abort();
        self.kill.send_modify(|n| *n += 1);
    }
}

impl Mock {
    /// A server with one topic, `events`.
    pub async fn start(partitions: usize, cores: u16) -> Mock {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let topic = Topic {
            id: TopicId(*b"events----------"),
            logs: (0..partitions).map(|_| Log::default()).collect(),
        };
        let world = Arc::new(Mutex::new(World {
            topics: BTreeMap::from([("events".to_owned(), topic)]),
            offsets: BTreeMap::new(),
            cores,
            server_id: [7; 16],
            next_producer_id: 1000,
            appends: 0,
            judge: Box::new(|_, _, _| Fate::Serve),
            late: Vec::new(),
            push_bytes: 1 << 16,
            drop_after_pushes: None,
            flip_in_next_push: false,
            pushed_bytes: 0,
            max_message_bytes: 1 << 20,
            append_credit_bytes: 1 << 20,
            hellos: 0,
            open_error: None,
        }));
        let (changed, _) = watch::channel(0);
        let (kill, _) = watch::channel(0);
        let accepting =
            tokio::spawn(accept(listener, Arc::clone(&world), changed.clone(), kill.clone()));
        Mock { address, world, changed, kill, accepting }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test panics with it")
    }

    /// Changes something that subscribers may wait for.
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world());
        self.changed.send_modify(|n| *n += 1);
    }

    pub fn on_append(&self, judge: impl FnMut(&str, u32, usize) -> Fate + Send + 'static) {
        self.world().judge = Box::new(judge);
    }

    /// Closes all connections.
    pub fn kill_connections(&self) {
        self.kill.send_modify(|n| *n += 1);
    }

    /// The records' values of a partition of `events`, in order.
    pub fn values(&self, partition: usize) -> Vec<String> {
        self.world().topics["events"].logs[partition].values()
    }

    pub fn config(&self) -> ClientConfig {
        ClientConfig {
            retry_for: std::time::Duration::from_secs(60),
            ..ClientConfig::new(self.address.to_string())
        }
    }

    pub async fn client(&self) -> Client {
        Client::with_config(self.config()).await.expect("the mock answers")
    }
}

async fn accept(
    listener: TcpListener,
    world: Arc<Mutex<World>>,
    changed: watch::Sender<u64>,
    kill: watch::Sender<u64>,
) {
    while let Ok((socket, _)) = listener.accept().await {
        let (world, changed) = (Arc::clone(&world), changed.clone());
        let mut killed = kill.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ = killed.changed() => {}
                () = connection::serve(socket, world, changed) => {}
            }
        });
    }
}
