//! Starting a server, and waiting for its end.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::broker::catalog::{Catalog, TopicLimits};
use crate::config::server::ServerConfig;
use crate::io::{
    Chosen, Engine, Probe, choose, ignore_file_size_signal, probe, raise_nofile_limit,
};
use crate::limits;
use crate::network::local::Facts;
use crate::network::mailbox::{Mail, Mailboxes};
use crate::network::native::max_frame_bytes;
use crate::observe::Observer;
use crate::storage::names::Layout;
use crate::storage::recovery::Recovered;
use crate::storage::{JournalConfig, StoreConfig};

use super::catalog_file::CatalogWriter;
use super::error::ServerError;
use super::keeper::Keeper;
use super::listen::{KafkaListeners, bind};
use super::recover::{Damage, recover};
use super::signals::StopSignals;
use super::threads::{self, CoreThread, First, KafkaSeed, Seed};

/// Serves until a signal asks to stop.
///
/// # Errors
/// When the server can't start, or did not stop cleanly.
pub fn run(config: &ServerConfig) -> Result<(), ServerError> {
    let builder = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = builder.map_err(ServerError::system("make a runtime"))?;
    let _guard = runtime.enter();
    let mut signals = StopSignals::listen().map_err(ServerError::system("listen for signals"))?;
    let server = Server::start(config)?;
    runtime.block_on(server.serve(&mut signals))
}

/// A server whose cores have been started.
struct Server {
    /// Holds the data directory until the end.
    _lock: crate::io::LockFile,
    address: SocketAddr,
    /// Where Kafka clients connect, by node id.
    kafka: Vec<SocketAddr>,
    mailboxes: Mailboxes,
    cores: Vec<CoreThread>,
}

impl Server {
    fn start(config: &ServerConfig) -> Result<Server, ServerError> {
        raise_limits();
        let chosen = choose(config.io)?;
        let (layout, lock) = super::data_dir::lock(&config.data)?;
        let cores = config.cores.unwrap_or_else(all_cores);
        let (listener, address) = bind(config.listen, "--listen")?;
        let kafka = KafkaListeners::bind(config, cores)?;
        let probe = probe(layout.data())?;
        say_how(config, &chosen, &probe);
        let recovered = recover(config, &layout, &probe, cores, Damage::Refuse)?;
        let plan = Launch { config, layout, probe, chosen, cores };
        let kafka_addresses = kafka.addresses.clone();
        let (mailboxes, cores) = plan.launch(recovered, listener, kafka)?;
        Ok(Server { _lock: lock, address, kafka: kafka_addresses, mailboxes, cores })
    }

    async fn serve(mut self, signals: &mut StopSignals) -> Result<(), ServerError> {
        for core in &mut self.cores {
            let ready = (&mut core.ready).await;
            ready.unwrap_or_else(|_| ended_early(core)).map_err(ServerError::Core)?;
        }
        self.say_ready().map_err(ServerError::system("write to standard output"))?;
        tokio::select! {
            () = signals.next() => {}
            result = first_end(&mut self.cores) => return Err(ServerError::Core(result)),
        }
        eprintln!("duramen: stopping; another signal ends at once");
        tokio::select! {
            () = signals.next() => {
                eprintln!("duramen: ended; the next start replays the journals");
                std::process::exit(1)
            }
            result = self.stop() => result,
        }
    }

    fn say_ready(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "listening native {}", self.address)?;
        for address in &self.kafka {
            writeln!(out, "listening kafka {address}")?;
        }
        writeln!(out, "ready")?;
        out.flush()
    }

    /// Stops every core, and waits for all of them.
    async fn stop(&mut self) -> Result<(), ServerError> {
        for core in 0..self.mailboxes.cores() {
            self.mailboxes.send(core, Mail::Stop).await;
        }
        let mut result = Ok(());
        for core in &mut self.cores {
            let ended = (&mut core.ended).await;
            let ended = ended.unwrap_or_else(|_| Err("a core ended without a word".to_owned()));
            result = result.and(ended.map_err(ServerError::Core));
        }
        for core in self.cores.drain(..) {
            // A panic has ended the process.
            let _ = core.handle.join();
        }
        result
    }
}

/// A core that never got ready says why with its end.
fn ended_early(core: &mut CoreThread) -> Result<(), String> {
    match core.ended.try_recv() {
        Ok(Err(reason)) => Err(reason),
        _ => Err("a core ended before it was ready".to_owned()),
    }
}

/// Waits for a core to end that nobody has stopped.
async fn first_end(cores: &mut [CoreThread]) -> String {
    std::future::poll_fn(|context| {
        for core in cores.iter_mut() {
            let ended = std::pin::Pin::new(&mut core.ended);
            if let std::task::Poll::Ready(result) = std::future::Future::poll(ended, context) {
                let reason = result.ok().and_then(Result::err);
                let reason = reason.unwrap_or_else(|| "a core ended by itself".to_owned());
                return std::task::Poll::Ready(reason);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Raises what the system lets us raise; without, the server goes as far as it can.
fn raise_limits() {
    ignore_file_size_signal();
    if let Err(error) = raise_nofile_limit() {
        eprintln!("duramen: the limit on open files stays as it is: {error}");
    }
}

/// As many cores as there are processors to run on.
fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(limits::CORES))
}

/// Says, before anything is served, on what and how.
fn say_how(config: &ServerConfig, chosen: &Chosen, probe: &Probe) {
    eprintln!("duramen: {chosen}; {probe}");
    if config.no_sync {
        eprintln!(
            "duramen: --no-sync: records are acknowledged from memory; a power cut or a crash \
             of the machine loses some"
        );
    }
}

/// What the cores are made of.
struct Launch<'a> {
    config: &'a ServerConfig,
    layout: Layout,
    probe: Probe,
    chosen: Chosen,
    cores: usize,
}

impl Launch<'_> {
    /// Starts the cores. They are ready when they say so.
    fn launch(
        &self,
        recovered: Recovered,
        listener: TcpListener,
        kafka: KafkaListeners,
    ) -> Result<(Mailboxes, Vec<CoreThread>), ServerError> {
        let limits = TopicLimits {
            arena_bytes: self.config.arena_bytes,
            journal_file_bytes: self.config.journal_file_bytes,
            ..TopicLimits::default()
        };
        let catalog = Arc::new(Catalog::from_file(recovered.catalog, &limits)?);
        let (mailboxes, receivers, orders) = Mailboxes::new(self.cores);
        let writer = CatalogWriter::start(self.layout.clone(), &self.probe, self.config.no_sync)
            .map_err(ServerError::system("start the catalog's disk"))?;
        let keeper = Keeper::new(
            catalog.clone(),
            writer,
            mailboxes.clone(),
            limits,
            self.config.default_partitions,
            self.observer(),
        );
        let settings = kafka.settings(self.config, &self.layout, limits).map(Arc::new);
        let mut kafka_listeners = kafka.listeners.into_iter();
        let mut first = Some(First { listener, keeper, orders });
        let mut started = Vec::new();
        let numbered = receivers.into_iter().zip(recovered.logs).zip(0..);
        for ((mailbox, logs), core) in numbered {
            let seed = Seed {
                core,
                engine: self.chosen.engine,
                setup: self.probe.setup(self.config.no_sync, Arc::new(|| ())),
                store: self.store(u32::from(core), catalog.start_epoch()),
                groups: self.config.groups,
                logs,
                catalog: catalog.clone(),
                facts: self.facts(&catalog),
                spin_us: self.config.spin_us,
                mailboxes: mailboxes.clone(),
                mailbox,
                kafka: settings
                    .clone()
                    .map(|settings| KafkaSeed { settings, listener: kafka_listeners.next() }),
                first: first.take(),
            };
            started.push(threads::start(seed).map_err(ServerError::system("start a thread"))?);
        }
        Ok((mailboxes, started))
    }

    fn facts(&self, catalog: &Catalog) -> Facts {
        Facts {
            server_id: catalog.cluster_id(),
            start_epoch: catalog.start_epoch(),
            software: concat!("duramen ", env!("CARGO_PKG_VERSION")).to_owned(),
            max_frame_bytes: max_frame_bytes(
                self.config.arena_bytes,
                self.config.journal_file_bytes,
            ),
        }
    }

    fn observer(&self) -> Observer {
        let facts = [
            ("data", self.layout.data().display().to_string()),
            ("io", self.chosen.to_string()),
            ("disk", self.probe.to_string()),
            ("pid", std::process::id().to_string()),
        ];
        let io_engine = match self.chosen.engine {
            Engine::Uring => "uring",
            Engine::Blocking => "blocking",
        };
        Observer { io_engine, no_sync: self.config.no_sync, facts: facts.into() }
    }

    fn store(&self, core: u32, start_epoch: u32) -> StoreConfig {
        let file_bytes = self.config.journal_file_bytes;
        let share = self.config.journal_bytes / self.cores as u64 / file_bytes;
        StoreConfig {
            layout: self.layout.clone(),
            journal: JournalConfig {
                folder: self.layout.core(start_epoch, core),
                core,
                start_epoch,
                file_bytes,
                files_max: (share as usize).max(limits::JOURNAL_FILES_MIN),
            },
            journal_files_min: limits::JOURNAL_FILES_MIN,
            arena_bytes: self.config.arena_bytes,
            extent_bytes_min: limits::EXTENT_BYTES_MIN,
            no_sync: self.config.no_sync,
            retention_check_ms: self.config.retention_check_ms,
            producer_expiration_ms: self.config.producer_expiration_ms,
        }
    }
}
