//! Running commands against a server.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::server::{Server, folder};
use crate::support::watchdog::Watchdog;

/// A server with a data directory of its own.
pub struct Site {
    pub server: Server,
    pub folder: tempfile::TempDir,
}

/// What came of a command.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// A command that runs beside the test.
pub struct Running {
    child: Child,
    watchdog: Watchdog,
    pub stdin: Option<ChildStdin>,
    pub stdout: BufReader<ChildStdout>,
}

/// `duramen` with these words.
pub fn duramen<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_duramen"));
    command.args(words);
    command
}

/// Runs a command with `input` as its standard input.
pub fn feed(command: &mut Command, input: &[u8]) -> Done {
    // As a file, so that nothing waits for a command that does not read.
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input).unwrap();
    stdin.seek(SeekFrom::Start(0)).unwrap();
    let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let watchdog = Watchdog::watch(&child);
    let output = child.wait_with_output().unwrap();
    watchdog.done();
    let stderr = String::from_utf8(output.stderr).unwrap();
    Done { code: output.status.code(), stdout: output.stdout, stderr }
}

/// Runs a command that needs no server.
pub fn run(words: &[&str]) -> Done {
    feed(&mut duramen(words), b"")
}

impl Site {
    /// A server on a fresh data directory.
    pub fn new() -> Site {
        let folder = folder();
        let server = Server::start(&folder.path().join("data"));
        Site { server, folder }
    }

    /// With a topic of so many partitions.
    pub fn with_topic(name: &str, partitions: u32) -> Site {
        let site = Site::new();
        let partitions = partitions.to_string();
        site.ok(&["topic", "create", name, "--partitions", &partitions]);
        site
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command that talks to the server.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = duramen(words);
        command.arg("--server").arg(self.server.address.to_string());
        command
    }

    pub fn feed(&self, words: &[&str], input: &[u8]) -> Done {
        feed(&mut self.command(words), input)
    }

    pub fn run(&self, words: &[&str]) -> Done {
        self.feed(words, b"")
    }

    /// Runs a command that must succeed, and gives what it has printed.
    pub fn ok(&self, words: &[&str]) -> Vec<u8> {
        self.run(words).ok()
    }

    /// As text.
    pub fn text(&self, words: &[&str]) -> String {
        String::from_utf8(self.ok(words)).unwrap()
    }

    /// Produces what must be taken.
    pub fn produce(&self, words: &[&str], input: &[u8]) {
        let words = [&["produce"], words].concat();
        assert_eq!(self.feed(&words, input).ok(), b"");
    }

    /// Everything in a topic, or in one partition of it.
    pub fn consume(&self, words: &[&str]) -> Vec<u8> {
        let all = ["--from", "beginning", "--until-end"];
        self.ok(&[&["consume"], words, &all].concat())
    }

    /// Starts a command.
    pub fn spawn(&self, words: &[&str]) -> Running {
        Running::spawn(&mut self.command(words))
    }
}

impl Done {
    /// What was printed by a command that has succeeded.
    pub fn ok(self) -> Vec<u8> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// What a command that has failed with this exit code said on standard error.
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        self.stderr
    }
}

impl Running {
    fn spawn(command: &mut Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let watchdog = Watchdog::watch(&child);
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running { child, watchdog, stdin, stdout }
    }

    /// The next line it prints, without its LF.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert_eq!(line.pop(), Some('\n'), "the command has ended");
        line
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a crash does, and gives what it had printed and nobody had read.
    pub fn kill(mut self) -> Vec<u8> {
        self.child.kill().unwrap();
        self.wait().1
    }

    /// Ends its input, and waits for its end.
    pub fn end(mut self) -> (ExitStatus, Vec<u8>) {
        self.stdin = None;
        self.wait()
    }

    /// Waits for its end, without ending its input.
    pub fn wait(mut self) -> (ExitStatus, Vec<u8>) {
        let mut rest = Vec::new();
        self.stdout.read_to_end(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        self.watchdog.done();
        (status, rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Overwrites a byte of a file with another one.
pub fn flip(path: &std::path::Path, position: usize) {
    use std::os::unix::fs::FileExt;
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position as u64).unwrap();
    file.write_all_at(&[!byte[0]], position as u64).unwrap();
}
