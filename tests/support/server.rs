//! The real binary, as a child process that ends with the test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::watchdog::Watchdog;

/// A running server.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Where Kafka clients connect, a core each.
    pub kafka: Vec<SocketAddr>,
    stderr: Log,
}

/// What a program has written to standard error until now.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<String>, Condvar)>);

/// A program that could not start, or has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Log {
    fn follow(&self, source: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                log.0.0.lock().unwrap().push_str(&(line + "\n"));
                log.0.1.notify_all();
            }
        })
    }

    pub fn text(&self) -> String {
        self.0.0.lock().unwrap().clone()
    }

    /// Waits until the text is as wanted; gives it as it is after a minute, wanted or not.
    fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let (text, written) = &*self.0;
        let text = text.lock().unwrap();
        let minute = Duration::from_secs(60);
        let waited = written.wait_timeout_while(text, minute, |text| !wanted(text)).unwrap();
        waited.0.clone()
    }
}

/// A `serve` command on a free port, two cores, no Kafka.
pub fn serve(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duramen"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--cores", "2", "--kafka", "none"]);
    command.arg("--data").arg(data);
    command
}

/// A `serve` command on the address of a server that was there before.
pub fn serve_again(data: &Path, address: SocketAddr) -> Command {
    let mut command = serve(data);
    command.args(["--listen", &address.to_string()]);
    command
}

impl Server {
    /// Starts a server on a data directory.
    pub fn start(data: &Path) -> Server {
        Server::spawn(&mut serve(data)).unwrap_or_else(|ended| panic!("no server: {ended:?}"))
    }

    /// Starts what `command` says, and waits until it is ready.
    pub fn spawn(command: &mut Command) -> Result<Server, Ended> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Log::default();
        let following = stderr.follow(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        let (mut address, mut kafka) = (None, Vec::new());
        while stdout.read_line(&mut text).unwrap() > 0 {
            let line = text.lines().last().unwrap();
            if let Some(native) = line.strip_prefix("listening native ") {
                address = Some(native.parse().unwrap());
            }
            if let Some(listening) = line.strip_prefix("listening kafka ") {
                kafka.push(listening.parse().unwrap());
            }
            if line == "ready" {
                let address = address.expect("a listening line before the ready one");
                return Ok(Server { child, address, kafka, stderr });
            }
        }
        let status = child.wait().unwrap();
        following.join().unwrap();
        Err(Ended { status, stdout: text, stderr: stderr.text() })
    }

    /// What it has written to standard error until now.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it has said something so many times, and no more often.
    pub fn says(&self, what: &str, times: usize) {
        let said = self.stderr.wait_for(|text| text.matches(what).count() >= times);
        assert_eq!(said.matches(what).count(), times, "{what:?} in {said}");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that is expected to end by itself.
pub fn run(command: &mut Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let watchdog = Watchdog::watch(&child);
    let output = child.wait_with_output().unwrap();
    watchdog.done();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Ended { status: output.status, stdout, stderr }
}

/// A folder for one test, on a real disk rather than in memory.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// Every file below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}
