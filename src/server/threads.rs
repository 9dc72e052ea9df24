//! A thread a core, pinned, each with its own runtime and disk.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::LocalSet;

use crate::broker::catalog::Catalog;
use crate::config::groups::GroupSettings;
use crate::io::blocking::Blocking;
use crate::io::uring::{self, Uring};
use crate::io::{Descriptors, Disk, Engine, Now, Setup, pin_current_thread};
use crate::limits;
use crate::network::kafka;
use crate::network::kafka::settings::Settings;
use crate::network::local::{Facts, Local};
use crate::network::mailbox::{Mail, Mailboxes};
use crate::network::native;
use crate::shard::Shard;
use crate::storage::{RecoveredLog, Store, StoreConfig};

use super::core::Core;
use super::keeper::Keeper;

/// What a core starts with.
pub struct Seed {
    /// Which core.
    pub core: u16,
    /// Its disk.
    pub engine: Engine,
    /// How its disk is made; the core puts its own waker in.
    pub setup: Setup,
    /// Its store.
    pub store: StoreConfig,
    /// What holds for the groups that it coordinates.
    pub groups: GroupSettings,
    /// Its partitions, as recovery left them.
    pub logs: Vec<RecoveredLog>,
    /// The topics.
    pub catalog: Arc<Catalog>,
    /// What the server is.
    pub facts: Facts,
    /// For how long it stays awake with nothing to do.
    pub spin_us: u64,
    /// Every core's mailbox.
    pub mailboxes: Mailboxes,
    /// This core's.
    pub mailbox: mpsc::Receiver<Mail>,
    /// Where Kafka clients connect, on this core or another.
    pub kafka: Option<KafkaSeed>,
    /// What only the first core has.
    pub first: Option<First>,
}

/// What a core serves Kafka clients with.
pub struct KafkaSeed {
    /// What all listeners know.
    pub settings: Arc<Settings>,
    /// Where this core listens; not at all where one port stands for all.
    pub listener: Option<std::net::TcpListener>,
}

/// What only the first core has.
pub struct First {
    /// Where the native protocol listens.
    pub listener: std::net::TcpListener,
    /// The keeper of the catalog.
    pub keeper: Keeper,
    /// Its orders.
    pub orders: mpsc::Receiver<crate::network::mailbox::Order>,
}

/// A core's thread.
pub struct CoreThread {
    /// Tells when the core is ready, or why it can't be.
    pub ready: oneshot::Receiver<Result<(), String>>,
    /// Tells when the core has come to its end.
    pub ended: oneshot::Receiver<Result<(), String>>,
    /// The thread.
    pub handle: JoinHandle<()>,
}

/// Starts a core's thread.
///
/// # Errors
/// When the system refuses a thread.
pub fn start(seed: Seed) -> io::Result<CoreThread> {
    let (ready_sender, ready) = oneshot::channel();
    let (ended_sender, ended) = oneshot::channel();
    let name = format!("core-{}", seed.core);
    let handle = std::thread::Builder::new().name(name).spawn(move || {
        let _guard = EndWithPanic;
        let result = live(seed, ready_sender);
        // Nobody listens after a second signal.
        let _ = ended_sender.send(result);
    })?;
    Ok(CoreThread { ready, ended, handle })
}

/// A core that panicked holds answers back for ever: the process ends instead, and the next start
/// finds everything acknowledged.
struct EndWithPanic;

impl Drop for EndWithPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("duramen: a core panicked (see above): this is a bug. The server ends");
            std::process::abort();
        }
    }
}

/// A core's life.
fn live(seed: Seed, ready: oneshot::Sender<Result<(), String>>) -> Result<(), String> {
    if let Err(error) = pin_current_thread(usize::from(seed.core)) {
        eprintln!("duramen: core {} is not pinned: {error}", seed.core);
    }
    let wake = Arc::new(Notify::new());
    let woken = wake.clone();
    let setup = Setup { wake: Arc::new(move || woken.notify_one()), ..seed.setup.clone() };
    let told = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    match seed.engine {
        Engine::Uring => uring::start(async move {
            let disk = Uring::new(setup).map_err(told("start the disk's threads"))?;
            serve(disk, seed, wake, ready).await
        })
        .map_err(told("make a ring"))?,
        Engine::Blocking => {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().map_err(told("make a runtime"))?;
            let disk = Blocking::start(limits::BLOCKING_THREADS, setup)
                .map_err(told("start the disk's threads"))?;
            LocalSet::new().block_on(&runtime, serve(disk, seed, wake, ready))
        }
    }
}

/// Serves until the server stops.
async fn serve<D: Disk + Descriptors + 'static>(
    disk: D,
    seed: Seed,
    wake: Arc<Notify>,
    ready: oneshot::Sender<Result<(), String>>,
) -> Result<(), String> {
    let Seed {
        core,
        store,
        groups,
        logs,
        catalog,
        facts,
        spin_us,
        mailboxes,
        mailbox,
        kafka,
        first,
        ..
    } = seed;
    let cores = mailboxes.cores() as u32;
    let store = Store::open(disk, store, logs, Now::read());
    let shard = Shard::new(store, u32::from(core), cores, catalog.clone(), groups);
    let local = Rc::new(Local::new(core, mailboxes, facts, catalog, wake.clone()));
    if let Some(First { listener, keeper, orders }) = first {
        let listener = to_tokio(listener)?;
        tokio::task::spawn_local(native::accept::accept(local.clone(), listener));
        tokio::task::spawn_local(keeper.keep(orders));
    }
    let mut settings = None;
    if let Some(KafkaSeed { settings: known, listener }) = kafka {
        if let Some(listener) = listener {
            let listener = to_tokio(listener)?;
            let accept = kafka::accept::accept(local.clone(), known.clone(), listener);
            tokio::task::spawn_local(accept);
        }
        settings = Some(known);
    }
    // Nobody listens when another core could not start.
    let _ = ready.send(Ok(()));
    Core::new(local, shard, settings, spin_us).run(mailbox, wake).await
}

fn to_tokio(listener: std::net::TcpListener) -> Result<tokio::net::TcpListener, String> {
    tokio::net::TcpListener::from_std(listener).map_err(|error| format!("cannot listen: {error}"))
}
