//! The disk where io_uring is refused, and the disk of recovery: a few threads that make the
//! blocking system calls.
//!
//! ```text
//! submit ──> queue ──> thread ──┐
//!                      thread ──┼──> finished ──> poll, wait
//!                      thread ──┘        └──> wake
//! ```
//!
//! Operations start in the order in which they were submitted and end in any. The queue has no
//! bound of its own: it holds what the caller has in flight. Dropping the disk waits until
//! everything that was submitted is done.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::file::{OpenFile, Opening};
use super::{
    Descriptors, Disk, DiskError, Done, FileId, Op, Output, Setup, Token, WaitDisk, paths,
    residency,
};

/// A disk over a pool of threads.
pub struct Blocking {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    files: HashMap<FileId, Arc<OpenFile>>,
    in_flight: usize,
    opening: Opening,
}

struct Shared {
    queue: Mutex<Queue>,
    queued: Condvar,
    finished: Mutex<Vec<Finished>>,
    any_finished: Condvar,
    wake: super::Wake,
    opening: Opening,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closing: bool,
}

struct Job {
    token: Token,
    op: Op,
    /// The file that `op` names, if it is open.
    file: Option<Arc<OpenFile>>,
}

struct Finished {
    token: Token,
    result: Result<Performed, DiskError>,
}

/// What a thread made of an operation.
enum Performed {
    Opened { id: FileId, file: OpenFile, len: u64 },
    Other(Output),
}

impl Blocking {
    /// Starts a pool of `threads` threads, at least one.
    ///
    /// # Errors
    /// When a thread can't be started.
    pub fn start(threads: usize, setup: Setup) -> io::Result<Blocking> {
        let opening = setup.opening();
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            queued: Condvar::new(),
            finished: Mutex::default(),
            any_finished: Condvar::new(),
            wake: setup.wake,
            opening,
        });
        let files = HashMap::new();
        let mut disk = Blocking { shared, threads: Vec::new(), files, in_flight: 0, opening };
        for number in 0..threads.max(1) {
            let shared = disk.shared.clone();
            let thread = std::thread::Builder::new().name(format!("disk-{number}"));
            disk.threads.push(thread.spawn(move || shared.work())?);
        }
        Ok(disk)
    }

    /// Operations that were submitted and not yet handed back.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn file(&self, file: FileId) -> Option<&Arc<OpenFile>> {
        self.files.get(&file)
    }

    fn hand_back(&mut self, finished: Vec<Finished>, out: &mut Vec<Done>) {
        self.in_flight -= finished.len();
        for Finished { token, result } in finished {
            let result = result.map(|performed| match performed {
                Performed::Opened { id, file, len } => {
                    self.files.insert(id, Arc::new(file));
                    Output::Opened { len }
                }
                Performed::Other(output) => output,
            });
            out.push(Done { token, result });
        }
    }
}

impl Disk for Blocking {
    fn submit(&mut self, token: Token, op: Op) {
        self.in_flight += 1;
        let file = match op {
            // From here on the name is free; the threads that still use the file hold it.
            Op::Close { file } => self.files.remove(&file),
            Op::Write { file, .. }
            | Op::Read { file, .. }
            | Op::ReadAhead { file, .. }
            | Op::Sync { file }
            | Op::Allocate { file, .. }
            | Op::SetLen { file, .. } => self.files.get(&file).cloned(),
            _ => None,
        };
        if let (Some(file), Op::Write { at, data, .. }) = (&file, &op) {
            file.assert_aligned(*at, data);
        }
        lock(&self.shared.queue).jobs.push_back(Job { token, op, file });
        self.shared.queued.notify_one();
    }

    fn poll(&mut self, out: &mut Vec<Done>) {
        let finished = std::mem::take(&mut *lock(&self.shared.finished));
        self.hand_back(finished, out);
    }

    fn block_bytes(&self) -> usize {
        self.opening.block_bytes
    }

    fn resident(&mut self, file: FileId, at: u64, len: u64) -> bool {
        let file = self.files.get(&file);
        file.is_some_and(|file| residency::is_resident(file.reader.as_fd(), at, len))
    }
}

impl WaitDisk for Blocking {
    fn wait(&mut self, out: &mut Vec<Done>) {
        if self.in_flight == 0 {
            return;
        }
        let finished = lock(&self.shared.finished);
        let waited = self.shared.any_finished.wait_while(finished, |finished| finished.is_empty());
        let finished = std::mem::take(&mut *waited.unwrap_or_else(PoisonError::into_inner));
        self.hand_back(finished, out);
    }
}

impl Descriptors for Blocking {
    fn descriptor(&self, file: FileId) -> Option<Arc<OwnedFd>> {
        self.files.get(&file).map(|file| file.reader.clone())
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        lock(&self.shared.queue).closing = true;
        self.shared.queued.notify_all();
        for thread in self.threads.drain(..) {
            // A thread's panic was reported when it happened, and there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A thread's life: takes jobs until the disk closes and none is left.
    fn work(&self) {
        while let Some(Job { token, op, file }) = self.next_job() {
            // A mistake of ours must not cost the completion: it fails, and the core stops.
            let perform = AssertUnwindSafe(|| perform(op, file, self.opening));
            let result = catch_unwind(perform).unwrap_or_else(|_| Err(panicked()));
            let was_empty = {
                let mut finished = lock(&self.finished);
                finished.push(Finished { token, result });
                finished.len() == 1
            };
            self.any_finished.notify_one();
            // Whoever was woken by the first completion finds those behind it as well.
            if was_empty {
                (self.wake)();
            }
        }
    }

    fn next_job(&self) -> Option<Job> {
        let queue = lock(&self.queue);
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closing;
        let waited = self.queued.wait_while(queue, idle);
        waited.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }
}

/// Makes the system calls of one operation. `file` is the open file that it names.
fn perform(op: Op, file: Option<Arc<OpenFile>>, opening: Opening) -> Result<Performed, DiskError> {
    let open = |id: FileId| file.ok_or_else(|| not_open(id));
    let nothing = |()| Output::Nothing;
    let output = match op {
        Op::Open { file: id, path, mode } => {
            let (file, len) = OpenFile::open(&path, mode, opening)?;
            return Ok(Performed::Opened { id, file, len });
        }
        Op::Close { file } => open(file).map(|_| Output::Nothing)?,
        Op::Write { file, at, data } => nothing(open(file)?.write(at, data)?),
        Op::Read { file, at, into } => Output::Read(open(file)?.read(at, into)?),
        Op::ReadAhead { file, at, len } => nothing(open(file)?.read_ahead(at, len)?),
        Op::Sync { file } => nothing(open(file)?.sync()?),
        Op::SyncDir { .. } if opening.no_sync => Output::Nothing,
        Op::SyncDir { path } => nothing(paths::sync_dir(&path)?),
        Op::Allocate { file, at, len } => nothing(open(file)?.allocate(at, len)?),
        Op::SetLen { file, len } => nothing(open(file)?.set_len(len)?),
        Op::Store { path, at, data } => nothing(paths::store(&path, at, &data, opening.no_sync)?),
        Op::Load { path, at, max_len } => Output::Bytes(paths::load(&path, at, max_len)?),
        Op::Rename { from, to } => nothing(paths::rename(&from, &to)?),
        Op::Unlink { path } => nothing(paths::unlink(&path)?),
        Op::MakeDir { path } => nothing(paths::make_dir(&path)?),
        Op::RemoveDir { path } => nothing(paths::remove_dir(&path)?),
        Op::List { path } => Output::Names(paths::list(&path)?),
    };
    Ok(Performed::Other(output))
}

fn not_open(id: FileId) -> DiskError {
    let reason = io::Error::other("it is not open");
    DiskError::new("use", Path::new(&format!("file {}", id.0)), reason)
}

fn panicked() -> DiskError {
    DiskError::new("use", Path::new("the disk"), io::Error::other("a disk thread panicked"))
}

/// Locks. The data behind these locks is whole at every step, whatever panicked meanwhile.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
