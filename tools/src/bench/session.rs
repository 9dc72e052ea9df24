//! What every command has: where it runs, where its results go, and the server that it measures.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::bare::Sides;
use super::cpus::Cpus;
use super::error::{BenchError, Result, Tried};
use super::folder::Folder;
use super::progress::Progress;
use super::report::{self, HdrLog, Row};
use super::server::{Server, Start};
use super::target::{Protocol, Target};

/// What makes an embedded server listen to Kafka's clients.
pub(crate) const KAFKA_LISTENER: [&str; 2] = ["--kafka", "127.0.0.1:0"];

/// What the command line says for every benchmark.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the load speaks.
    pub protocol: Protocol,
    /// `HOST:PORT` of a server that runs already; without it each benchmark starts its own.
    pub server: Option<String>,
    /// The processors of the embedded server: one core of it on each.
    pub server_cpus: Cpus,
    /// The processors of the load.
    pub load_cpus: Cpus,
    /// A folder on the disk that is measured. What is put into it is removed in the end.
    pub folder: PathBuf,
    /// More arguments for the embedded `duramen serve`.
    pub serve_arguments: Vec<String>,
    /// Where the rows go as JSON.
    pub json: Option<PathBuf>,
    /// Where the histograms go as a log of HdrHistogram.
    pub hdr: Option<PathBuf>,
    /// Whether to show on standard error what is under way.
    pub progress: bool,
}

/// One benchmark that runs.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) progress: Progress,
    pub(crate) hdr: HdrLog,
    folder: Folder,
    servers: u64,
}

impl<'a> Session<'a> {
    /// Makes its folder, and moves this thread to the processors of the load.
    ///
    /// # Errors
    /// When the folder is in memory or takes nothing.
    pub(crate) fn open(setup: &'a Setup) -> Result<Session<'a>> {
        setup.load_cpus.allow()?;
        let folder = Folder::new(&setup.folder)?;
        let progress = Progress::new(setup.progress);
        Ok(Session { setup, progress, hdr: HdrLog::default(), folder, servers: 0 })
    }

    /// The folder, on the disk that is measured.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where each side runs.
    pub(crate) fn sides(&self) -> Sides<'a> {
        Sides { server: &self.setup.server_cpus, load: &self.setup.load_cpus }
    }

    /// The server that was named, or a new one with nothing in it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn server(&mut self) -> Result<Server> {
        self.server_with(&[])
    }

    /// The same, a new one with more arguments.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn server_with(&mut self, arguments: &[&str]) -> Result<Server> {
        if let Some(name) = &self.setup.server {
            return Server::remote(name);
        }
        let data = self.fresh_data();
        self.start_on(&data, arguments)
    }

    /// A data directory that no server had before.
    pub(crate) fn fresh_data(&mut self) -> PathBuf {
        self.servers += 1;
        self.folder.path().join(format!("data-{}", self.servers))
    }

    /// A server of our own on a data directory, which is removed with it.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start_on(&self, data: &Path, arguments: &[&str]) -> Result<Server> {
        self.start(data, false, arguments)
    }

    /// The same, and the data directory stays.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start_keeping(&self, data: &Path, arguments: &[&str]) -> Result<Server> {
        self.start(data, true, arguments)
    }

    fn start(&self, data: &Path, keeps_data: bool, arguments: &[&str]) -> Result<Server> {
        let mut all = Vec::new();
        if let Protocol::Kafka { .. } = self.setup.protocol {
            all.extend(KAFKA_LISTENER.map(str::to_owned));
        }
        all.extend(self.setup.serve_arguments.iter().cloned());
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        let cpus = &self.setup.server_cpus;
        Server::start(&Start { data, keeps_data, cpus, arguments: &all })
    }

    /// Refuses what Kafka's protocol has no part in.
    ///
    /// # Errors
    /// When the load is to speak it.
    pub(crate) fn native_only(setup: &Setup, why: &str) -> Result<()> {
        match setup.protocol {
            Protocol::Native => Ok(()),
            Protocol::Kafka { .. } => Err(BenchError::Usage(why.into())),
        }
    }

    /// Prints the rows, and writes what else was asked for.
    ///
    /// # Errors
    /// When there is no room for them.
    pub(crate) fn finish(self, rows: &[Row], out: &mut dyn Write) -> Result<()> {
        let Session { setup, progress, hdr, folder, .. } = self;
        drop(progress);
        report::print(rows, out).tried(|| "cannot print the table".into())?;
        if let Some(path) = &setup.json {
            let machine = report::machine(folder.path(), &setup.server_cpus, &setup.load_cpus);
            let json = format!("{:#}\n", report::to_json(&machine, rows));
            fs::write(path, json).tried(|| format!("cannot write {}", path.display()))?;
        }
        match &setup.hdr {
            Some(path) => hdr.write(path),
            None => Ok(()),
        }
    }
}

/// A topic of the benchmark's own, which is removed with this.
#[derive(Debug)]
pub(crate) struct Topic {
    name: String,
    target: Target,
}

impl Topic {
    /// A new one.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) fn new(
        server: &Server,
        protocol: Protocol,
        partitions: u32,
        configs: &[(&str, &str)],
    ) -> Result<Topic> {
        // On a server that runs elsewhere others may measure as well.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("duramen-bench-{}-{count}", std::process::id());
        let target = server.target(protocol)?;
        target.create(&name, partitions, configs)?;
        Ok(Topic { name, target })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // A server that is gone has taken its topics with it.
        let _ = self.target.delete(&self.name);
    }
}
