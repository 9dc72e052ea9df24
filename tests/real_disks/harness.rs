//! A disk under test: submits, waits for completions, and checks that each comes once.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duramen::io::blocking::Blocking;
use duramen::io::uring::{self, Uring};
use duramen::io::{
    Block, Descriptors, Disk, DiskError, Done, Engine, FileId, IoChoice, Mode, Op, Output, Probe,
    Setup, Slice, Token, Wake, choose, probe,
};
use tokio::sync::Notify;

pub trait RealDisk: Disk + Descriptors {}
impl<D: Disk + Descriptors> RealDisk for D {}

type Completion = Result<Output, DiskError>;

/// A disk and a folder of its own.
pub struct Bench {
    pub disk: Box<dyn RealDisk>,
    pub dir: PathBuf,
    notify: Arc<Notify>,
    outstanding: HashSet<Token>,
    done: HashMap<Token, Completion>,
    names_given: u64,
}

impl Bench {
    fn new(disk: Box<dyn RealDisk>, dir: &Path, notify: Arc<Notify>) -> Bench {
        let (outstanding, done) = (HashSet::new(), HashMap::new());
        Bench { disk, dir: dir.to_owned(), notify, outstanding, done, names_given: 0 }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn submit(&mut self, op: Op) -> Token {
        self.names_given += 1;
        let token = Token(self.names_given);
        self.outstanding.insert(token);
        self.disk.submit(token, op);
        token
    }

    /// Collects what has completed.
    pub fn poll(&mut self) {
        let mut done = Vec::new();
        self.disk.poll(&mut done);
        for Done { token, result } in done {
            assert!(self.outstanding.remove(&token), "{token:?} completed twice, or from nowhere");
            self.done.insert(token, result);
        }
    }

    pub fn is_outstanding(&self, token: Token) -> bool {
        self.outstanding.contains(&token)
    }

    pub async fn wait_for(&mut self, token: Token) -> Completion {
        loop {
            self.poll();
            if let Some(result) = self.done.remove(&token) {
                return result;
            }
            self.notify.notified().await;
        }
    }

    pub async fn run(&mut self, op: Op) -> Completion {
        let token = self.submit(op);
        self.wait_for(token).await
    }

    /// Runs an operation that must succeed.
    pub async fn ok(&mut self, op: Op) -> Output {
        self.run(op).await.unwrap()
    }

    /// Runs an operation that must fail.
    pub async fn err(&mut self, op: Op) -> DiskError {
        self.run(op).await.unwrap_err()
    }

    /// Opens a file of the bench's folder and gives its length too.
    pub async fn open(&mut self, name: &str, mode: Mode) -> (FileId, u64) {
        self.names_given += 1;
        let file = FileId(self.names_given);
        match self.ok(Op::Open { file, path: self.path(name), mode }).await {
            Output::Opened { len } => (file, len),
            other => panic!("opened: {other:?}"),
        }
    }

    pub async fn read(&mut self, file: FileId, at: u64, len: usize) -> Vec<u8> {
        let op = Op::Read { file, at, into: Block::new(len) };
        match self.ok(op).await {
            Output::Read(block) => block[..block.len().min(len)].to_vec(),
            other => panic!("read: {other:?}"),
        }
    }

    pub async fn names(&mut self, path: PathBuf) -> Vec<(String, bool, u64)> {
        match self.ok(Op::List { path }).await {
            Output::Names(names) => names.into_iter().map(|n| (n.name, n.is_dir, n.len)).collect(),
            other => panic!("names: {other:?}"),
        }
    }
}

/// `len` bytes that tell from `seed` where they belong.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| rng.u8(..)).take(len).collect()
}

/// A slice with these bytes, in a block of its own.
pub fn slice(bytes: &[u8]) -> Slice {
    let mut block = Block::new(bytes.len());
    block.append(bytes);
    block.slice(0..bytes.len())
}

/// Runs `test` over each real disk, on the file system of the build and, if it is there, in
/// memory.
pub fn on_each_disk(test: impl AsyncFn(&mut Bench)) {
    on_each_disk_in(Path::new(env!("CARGO_TARGET_TMPDIR")), &test);
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        on_each_disk_in(memory, &test);
    }
}

/// Runs `test` over each real disk, in a folder of its own below `folder`.
pub fn on_each_disk_in(folder: &Path, test: impl AsyncFn(&mut Bench)) {
    on_each_disk_probed(folder, &probe(folder).unwrap(), &test);
}

/// The same, on a file system that can do what `probe` says.
pub fn on_each_disk_probed(folder: &Path, probe: &Probe, test: &impl AsyncFn(&mut Bench)) {
    for no_sync in [false, true] {
        let dir = || tempfile::tempdir_in(folder).unwrap();
        eprintln!("{}, {probe}, no_sync {no_sync}: blocking", folder.display());
        on_blocking(dir().path(), |wake| probe.setup(no_sync, wake), test);
        match choose(IoChoice::Uring) {
            Ok(chosen) => {
                assert_eq!(chosen.engine, Engine::Uring);
                eprintln!("{}, {probe}, no_sync {no_sync}: uring", folder.display());
                on_uring(dir().path(), |wake| probe.setup(no_sync, wake), test);
            }
            Err(refusal) => {
                eprintln!("NOT TESTED on the ring: {refusal}");
                assert!(!refusal.cause.is_empty() && !refusal.remedy.is_empty());
                assert!(refusal.to_string().contains("--io blocking"), "{refusal}");
                assert_eq!(choose(IoChoice::Auto).unwrap().engine, Engine::Blocking);
            }
        }
    }
}

fn on_blocking(dir: &Path, setup: impl FnOnce(Wake) -> Setup, test: &impl AsyncFn(&mut Bench)) {
    let (notify, wake) = waker();
    let disk = Blocking::start(4, setup(wake)).unwrap();
    let mut bench = Bench::new(Box::new(disk), dir, notify);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(test(&mut bench));
}

/// Runs `test` over the ring in `dir`, which the kernel must offer.
pub fn on_uring(dir: &Path, setup: impl FnOnce(Wake) -> Setup, test: &impl AsyncFn(&mut Bench)) {
    let (notify, wake) = waker();
    uring::start(async {
        let disk = Uring::new(setup(wake)).unwrap();
        let mut bench = Bench::new(Box::new(disk), dir, notify);
        test(&mut bench).await;
    })
    .unwrap();
}

fn waker() -> (Arc<Notify>, Wake) {
    let notify = Arc::new(Notify::new());
    let wake = notify.clone();
    (notify, Arc::new(move || wake.notify_one()))
}
