//! The server that is measured: a child of this process, or one that runs elsewhere.
//!
//! The child is the running executable itself, `duramen serve`, in a data directory of the
//! benchmark's, on the processors that are the server's. When it dies the benchmark fails, with
//! what it last said.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::bare::joined;
use super::cpus::Cpus;
use super::error::{BenchError, Result, Tried};
use super::litter;
use super::process::Usage;
use super::target::{Protocol, Target};

/// How long a server that broke a connection has to be gone before it counts as alive.
const LAST_BREATH: Duration = Duration::from_secs(2);
/// Lines of its last words that are shown.
const LAST_WORDS_LINES: usize = 10;

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens to native clients; of one that runs elsewhere, to whomever.
    address: SocketAddr,
    /// Where it listens to Kafka's, if it does.
    kafka: Option<SocketAddr>,
    embedded: Option<Embedded>,
}

#[derive(Debug)]
struct Embedded {
    child: Child,
    pid: Pid,
    log: PathBuf,
    /// What is removed when it ends.
    data: Option<PathBuf>,
    ready_after: Duration,
    /// Held open, as the server would fail to write to a closed one.
    _stdout: BufReader<ChildStdout>,
}

/// How to start one.
#[derive(Clone, Debug)]
pub(crate) struct Start<'a> {
    /// Its data directory.
    pub(crate) data: &'a Path,
    /// Whether that stays when the server ends; else it is removed.
    pub(crate) keeps_data: bool,
    /// Where it runs; it has a core for each.
    pub(crate) cpus: &'a Cpus,
    /// More arguments of `serve`.
    pub(crate) arguments: &'a [String],
}

impl Server {
    /// Names one that runs already.
    ///
    /// # Errors
    /// When there is no such address.
    pub(crate) fn remote(name: &str) -> Result<Server> {
        let mut found = name.to_socket_addrs().tried(|| format!("cannot find {name}"))?;
        let address = found.next();
        let none = || BenchError::Usage(format!("{name} has no address"));
        let address = address.ok_or_else(none)?;
        Ok(Server { address, kafka: Some(address), embedded: None })
    }

    /// Starts one, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start(start: &Start<'_>) -> Result<Server> {
        let log = start.data.with_extension("log");
        let mut command = command(start, &log)?;
        let since = Instant::now();
        let mut child = spawn_on(start.cpus, &mut command)?;
        let pid = Pid::from_child(&child);
        litter::note_server(pid);
        // The pipe was asked for just above, and nobody else takes it.
        let stdout = child.stdout.take().expect("standard output is a pipe of ours");
        let mut stdout = BufReader::new(stdout);
        let listening = wait_until_ready(&mut stdout);
        let ready_after = since.elapsed();
        let data = (!start.keeps_data).then(|| start.data.to_owned());
        let embedded = Embedded { child, pid, log, data, ready_after, _stdout: stdout };
        match listening {
            Some((address, kafka)) => Ok(Server { address, kafka, embedded: Some(embedded) }),
            None => Err(embedded.death("did not start")),
        }
    }

    /// Where it listens to native clients.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// It, as that protocol reaches it.
    ///
    /// # Errors
    /// When it does not speak it.
    pub(crate) fn target(&self, protocol: Protocol) -> Result<Target> {
        let address = match protocol {
            Protocol::Native => Some(self.address),
            Protocol::Kafka { .. } => self.kafka,
        };
        let none = || BenchError::Usage("the started server has no Kafka listener".into());
        Ok(Target { address: address.ok_or_else(none)?, protocol })
    }

    /// From its start to its `ready`; zero if it was there before.
    pub(crate) fn ready_after(&self) -> Duration {
        self.embedded.as_ref().map_or(Duration::ZERO, |embedded| embedded.ready_after)
    }

    /// What it takes; `None` for one that runs elsewhere.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.embedded.as_ref().and_then(|embedded| Usage::of(embedded.pid))
    }

    /// Its process, if it is ours.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.embedded.as_ref().map(|embedded| embedded.pid)
    }

    /// `result`, or in the place of its error what became of the server, if it died.
    pub(crate) fn judge<T>(&mut self, result: Result<T>) -> Result<T> {
        let Some(embedded) = &mut self.embedded else { return result };
        let is_suspect =
            matches!(result, Err(BenchError::Connection(_) | BenchError::System { .. }));
        match is_suspect && embedded.has_ended() {
            true => Err(embedded.death("ended in the middle")),
            false => result,
        }
    }

    /// Stops it as an operator would.
    ///
    /// # Errors
    /// When it says that it did not stop cleanly.
    pub(crate) fn stop(mut self) -> Result<()> {
        let Some(embedded) = &mut self.embedded else { return Ok(()) };
        kill_process(embedded.pid, Signal::TERM).tried(|| "cannot stop the server".into())?;
        match embedded.wait() {
            Some(status) if status.success() => Ok(()),
            _ => Err(embedded.death("did not stop cleanly")),
        }
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(mut self) {
        if let Some(embedded) = &mut self.embedded {
            embedded.kill();
        }
    }
}

impl Embedded {
    /// Whether it is gone, or goes within a moment.
    fn has_ended(&mut self) -> bool {
        let since = Instant::now();
        while since.elapsed() < LAST_BREATH {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        litter::forget_server(self.pid);
        self.child.wait().ok()
    }

    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.wait();
    }

    fn death(&self, what: &str) -> BenchError {
        // Without its last words its death is still worth telling.
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        // The frames of a panic's stack are indented, and would push its reason out.
        let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with(' ')).collect();
        let last = lines[lines.len().saturating_sub(LAST_WORDS_LINES)..].join("\n");
        let said = if last.is_empty() { last } else { format!("; it said:\n{last}") };
        BenchError::Server { what: what.to_owned(), said }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.kill();
        if let Some(data) = &self.data {
            // What can't be removed now goes with the folder that it is in.
            let _ = fs::remove_dir_all(data);
        }
    }
}

fn command(start: &Start<'_>, log: &Path) -> Result<Command> {
    let program = std::env::current_exe().tried(|| "cannot find this program".into())?;
    let log = File::options().create(true).append(true).open(log);
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--kafka", "none", "--cores"]);
    command.arg(start.cpus.count().to_string()).arg("--data").arg(start.data);
    command.args(start.arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(log.tried(|| "cannot write the server's log".into())?);
    Ok(command)
}

/// A thread of its own starts the child, as the child runs where its starter may.
fn spawn_on(cpus: &Cpus, command: &mut Command) -> Result<Child> {
    let spawn = || {
        cpus.allow()?;
        command.spawn().tried(|| "cannot start the server".into())
    };
    std::thread::scope(|scope| joined(scope.spawn(spawn)))
}

/// Where it listens, to native clients and to Kafka's, once it says `ready`; `None` when it ends
/// before.
fn wait_until_ready(
    stdout: &mut BufReader<ChildStdout>,
) -> Option<(SocketAddr, Option<SocketAddr>)> {
    let (mut native, mut kafka) = (None, None);
    let mut line = String::new();
    while stdout.read_line(&mut line).ok()? > 0 {
        let said = line.trim_end();
        if let Some(address) = said.strip_prefix("listening native ") {
            native = address.parse().ok();
        } else if let Some(address) = said.strip_prefix("listening kafka ") {
            // Each core has its own; the first one knows where the others are.
            kafka = kafka.or(address.parse().ok());
        } else if said == "ready" {
            return Some((native?, kafka));
        }
        line.clear();
    }
    None
}
