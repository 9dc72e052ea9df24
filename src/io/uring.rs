//! The disk of production: the ring of the core's own runtime.
//!
//! ```text
//! submit ──> flights (own the memory) ──> ring ··> kernel
//!    │                                      │
//!    │       done <── a task each <── completion
//!    └─────> threads, for names and the rare ──> poll
//! ```
//!
//! Writes, reads, syncs and reservations go through the ring. Whatever goes by name, and
//! whatever is rare, goes to two threads of a [`Blocking`] disk, which also keeps the files.
//!
//! **Memory.** An operation's descriptor, slices and vectors live in its `Flight`, and the
//! flight lives in the table until the completion came. Neither the task that awaits it nor
//! `tokio-uring`'s own store is trusted with that: the first can be dropped, and the second
//! lets go of the data of dropped operations too early when the runtime ends. Should the
//! runtime end with operations in flight, their memory and descriptors are leaked: the kernel
//! may still be at them.
//!
//! **Submission.** `tokio-uring` hands entries to the kernel when the thread parks or the
//! submission queue is full. A thread that is never idle would keep them from it: [`Disk::flush`]
//! hands them over at once, by way of [`ring_descriptor`].
//!
//! **Bounds.** The completion queue must not overflow, as nobody would notice. So at most
//! `FLIGHTS_MAX` operations are in the ring, and the others wait here.

use std::cell::{RefCell, RefMut};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use io_uring::types::{Fd, FsyncFlags};
use io_uring::{cqueue, opcode, squeue};
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

use super::blocking::Blocking;
use super::file::OpenFile;
use super::transfer::Writing;
use super::{
    Block, Descriptors, Disk, DiskError, Done, FileId, Op, Output, Setup, Token, Wake,
    ring_descriptor,
};

/// Threads for what does not go through the ring: one may be waiting for a file's lock.
const THREADS: usize = 8;
const SUBMISSIONS: u32 = 256;
const COMPLETIONS: u32 = 4096;
/// Operations in the ring at once; less than the completion queue holds.
const FLIGHTS_MAX: usize = 2048;
/// Bytes of one read or write of a single range, which the kernel counts in 32 bits.
const TRANSFER_BYTES_MAX: usize = 1 << 30;
/// How often an operation that was interrupted, or could not be started, is tried again.
const RETRIES_MAX: u32 = 100;

/// Runs `future` on a new runtime of this thread, with a ring for [`Uring`].
///
/// # Errors
/// When the ring or the runtime can't be made; [`super::choose`] says why beforehand.
pub fn start<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = |ring: io_uring::Builder| {
        let mut builder = tokio_uring::builder();
        tokio_uring::Runtime::new(builder.entries(SUBMISSIONS).uring_builder(&ring))
    };
    let runtime = ring_descriptor::remember(|| with_flags(runtime))?;
    let output = runtime.block_on(future);
    ring_descriptor::forget();
    Ok(output)
}

/// Makes a ring as [`start`] does, to see whether the kernel lets one be made.
pub(super) fn try_ring() -> io::Result<io_uring::IoUring> {
    with_flags(|ring| ring.build(SUBMISSIONS))
}

/// Makes something of a ring's settings, without those flags that an older kernel refuses.
fn with_flags<T>(make: impl Fn(io_uring::Builder) -> io::Result<T>) -> io::Result<T> {
    let mut plain = io_uring::IoUring::builder();
    plain.setup_cqsize(COMPLETIONS).dontfork();
    let mut fast = plain.clone();
    // Completions never interrupt the thread, and the ring knows that it has one owner.
    fast.setup_coop_taskrun().setup_single_issuer();
    match make(fast) {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => make(plain),
        result => result,
    }
}

/// A disk over the ring of the runtime that [`start`] made. Poll until [`Uring::in_flight`] is
/// zero before dropping it; what is still in flight then completes unheard, or leaks if the
/// runtime ends as well.
pub struct Uring {
    pool: Blocking,
    ring: Rc<Ring>,
}

struct Ring {
    state: RefCell<State>,
    wake: Wake,
}

#[derive(Default)]
struct State {
    /// What the kernel may be working on.
    flights: HashMap<u64, Flight>,
    flights_launched: u64,
    waiting: VecDeque<Flight>,
    done: Vec<Done>,
    /// Reservations that the file system does not offer.
    unreserved: Vec<(Token, Op)>,
    /// Entries that the kernel was perhaps not given yet.
    unflushed: usize,
}

/// An operation, with all the memory and the descriptors that the kernel uses for it.
/// Moving it leaves in place what the kernel has the addresses of.
struct Flight {
    token: Token,
    file: Arc<OpenFile>,
    work: Work,
    /// Nothing is left to do, whatever `work` says.
    ended: bool,
    retries: u32,
}

enum Work {
    Write { writing: Writing, vectors: Vec<libc::iovec> },
    Read { block: Block, at: u64 },
    Sync,
    Allocate { id: FileId, at: u64, len: u64 },
}

impl Uring {
    /// A disk; call it inside [`start`].
    ///
    /// # Errors
    /// When a thread can't be started.
    pub fn new(setup: Setup) -> io::Result<Uring> {
        let ring = Ring { state: RefCell::default(), wake: setup.wake.clone() };
        Ok(Uring { pool: Blocking::start(THREADS, setup)?, ring: Rc::new(ring) })
    }

    /// Operations that were submitted and not yet handed back.
    pub fn in_flight(&self) -> usize {
        let state = self.ring.state.borrow();
        let ended = state.done.len() + state.unreserved.len();
        self.pool.in_flight() + state.flights.len() + state.waiting.len() + ended
    }

    /// The open file that `op` uses the ring for.
    fn ring_file(&self, op: &Op) -> Option<Arc<OpenFile>> {
        match op {
            Op::Write { file, .. }
            | Op::Read { file, .. }
            | Op::Sync { file }
            | Op::Allocate { file, .. } => self.pool.file(*file).cloned(),
            _ => None,
        }
    }
}

impl Disk for Uring {
    fn submit(&mut self, token: Token, op: Op) {
        let (file, work) = match (self.ring_file(&op), op) {
            (Some(file), Op::Write { at, data, .. }) => {
                file.assert_aligned(at, &data);
                let writing = file.writing(at, data);
                (file, Work::Write { writing, vectors: Vec::new() })
            }
            (Some(file), Op::Read { at, into, .. }) => (file, Work::Read { block: into, at }),
            (Some(file), Op::Sync { .. }) => (file, Work::Sync),
            (Some(file), Op::Allocate { file: id, at, len }) => {
                (file, Work::Allocate { id, at, len })
            }
            // Also what names a file that is not open: the pool reports it.
            (_, op) => return self.pool.submit(token, op),
        };
        self.ring.launch(Flight { token, file, work, ended: false, retries: 0 });
    }

    fn poll(&mut self, out: &mut Vec<Done>) {
        let mut state = self.ring.state.borrow_mut();
        for (token, op) in state.unreserved.drain(..) {
            self.pool.submit(token, op);
        }
        out.append(&mut state.done);
        self.pool.poll(out);
    }

    fn flush(&mut self) {
        let unflushed = std::mem::take(&mut self.ring.state.borrow_mut().unflushed);
        if unflushed > 0 {
            ring_descriptor::submit_now(unflushed);
        }
    }

    fn block_bytes(&self) -> usize {
        self.pool.block_bytes()
    }

    fn resident(&mut self, file: FileId, at: u64, len: u64) -> bool {
        self.pool.resident(file, at, len)
    }
}

impl Descriptors for Uring {
    fn descriptor(&self, file: FileId) -> Option<Arc<OwnedFd>> {
        self.pool.descriptor(file)
    }
}

impl Ring {
    /// Puts an operation into the ring, now or when there is room.
    fn launch(self: &Rc<Ring>, mut flight: Flight) {
        let mut state = self.state.borrow_mut();
        if state.flights.len() >= FLIGHTS_MAX {
            state.waiting.push_back(flight);
            return;
        }
        match flight.entry() {
            Ok(Some(entry)) => {
                let id = state.flights_launched;
                state.flights_launched += 1;
                state.flights.insert(id, flight);
                state.unflushed += 1;
                drop(state);
                tokio_uring::spawn(self.clone().drive(id, submit(entry)));
            }
            Ok(None) => self.post(state, flight.token, Ok(flight.work.output())),
            Err(e) => self.post(state, flight.token, Err(e)),
        }
    }

    /// Sees an operation through to its end, and lets those that wait take its place.
    async fn drive(self: Rc<Ring>, id: u64, mut op: InFlightOneshot<(), Completion>) {
        while let Some(entry) = self.completed(id, op.await) {
            op = submit(entry);
        }
        while let Some(flight) = self.next_waiting() {
            self.launch(flight);
        }
    }

    fn next_waiting(&self) -> Option<Flight> {
        let mut state = self.state.borrow_mut();
        if state.flights.len() < FLIGHTS_MAX { state.waiting.pop_front() } else { None }
    }

    /// Takes a completion: posts the operation's end, or returns how it goes on.
    fn completed(&self, id: u64, result: io::Result<usize>) -> Option<squeue::Entry> {
        let mut state = self.state.borrow_mut();
        let mut flight = state.flights.remove(&id)?;
        if let (Err(e), &Work::Allocate { id: file, at, len }) = (&result, &flight.work)
            && e.raw_os_error() == Some(libc::EOPNOTSUPP)
        {
            state.unreserved.push((flight.token, Op::Allocate { file, at, len }));
            drop(state);
            (self.wake)();
            return None;
        }
        match flight.completed(result).and_then(|()| flight.entry()) {
            Ok(Some(entry)) => {
                state.flights.insert(id, flight);
                return Some(entry);
            }
            Ok(None) => self.post(state, flight.token, Ok(flight.work.output())),
            Err(e) => self.post(state, flight.token, Err(e)),
        }
        None
    }

    fn post(&self, mut state: RefMut<'_, State>, token: Token, result: Result<Output, DiskError>) {
        state.done.push(Done { token, result });
        drop(state);
        (self.wake)();
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // See the module's essay: the kernel may still be at this memory.
        std::mem::forget(std::mem::take(&mut self.state.get_mut().flights));
    }
}

impl Flight {
    /// What the kernel is to do next; `None` when nothing is left. The entry holds addresses of
    /// what this flight owns: the flight must live, unchanged, until the entry's completion.
    fn entry(&mut self) -> Result<Option<squeue::Entry>, DiskError> {
        let Flight { file, work, ended: false, .. } = self else { return Ok(None) };
        Ok(match work {
            Work::Write { writing, .. } if writing.is_done() => None,
            Work::Write { writing, vectors } => {
                *vectors = writing.rest().map(vector).collect();
                let to = Fd(file.writer("write")?.as_raw_fd());
                let at = writing.position();
                Some(match vectors[..] {
                    [libc::iovec { iov_base, iov_len }] => {
                        let len = iov_len.min(TRANSFER_BYTES_MAX) as u32;
                        opcode::Write::new(to, iov_base.cast(), len).offset(at).build()
                    }
                    _ => {
                        let (first, n) = (vectors.as_ptr(), vectors.len() as u32);
                        opcode::Writev::new(to, first, n).offset(at).build()
                    }
                })
            }
            Work::Read { block, .. } if block.room() == 0 => None,
            Work::Read { block, at } => {
                let len = block.room().min(TRANSFER_BYTES_MAX) as u32;
                let (from, into) = (Fd(file.reader.as_raw_fd()), block.spare().as_mut_ptr());
                Some(opcode::Read::new(from, into, len).offset(*at).build())
            }
            Work::Sync => file.to_sync().map(|descriptor| {
                let sync = opcode::Fsync::new(Fd(descriptor.as_raw_fd()));
                sync.flags(FsyncFlags::DATASYNC).build()
            }),
            Work::Allocate { len: 0, .. } => None,
            Work::Allocate { at, len, .. } => {
                let descriptor = Fd(file.writer("allocate space in")?.as_raw_fd());
                Some(opcode::Fallocate::new(descriptor, *len).offset(*at).build())
            }
        })
    }

    /// Takes what the kernel said of the last entry.
    fn completed(&mut self, result: io::Result<usize>) -> Result<(), DiskError> {
        let operation = match self.work {
            Work::Write { .. } => "write",
            Work::Read { .. } => "read",
            Work::Sync => "sync",
            Work::Allocate { .. } => "allocate space in",
        };
        let n = match result {
            Ok(n) => n,
            Err(e) if self.may_retry(&e) => return Ok(()),
            Err(e) => return Err(self.file.error(operation, e)),
        };
        match &mut self.work {
            Work::Write { writing, .. } => {
                return writing.wrote(n).map_err(|e| self.file.error(operation, e));
            }
            Work::Read { block, at } => {
                block.advance(n);
                *at += n as u64;
                self.ended = n == 0;
            }
            Work::Sync | Work::Allocate { .. } => self.ended = true,
        }
        Ok(())
    }

    /// Whether the operation only has to be asked for again. Never a sync: after one that
    /// failed, the kernel may call the next a success although data was dropped.
    fn may_retry(&mut self, error: &io::Error) -> bool {
        let again = matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN));
        self.retries += 1;
        again && !matches!(self.work, Work::Sync) && self.retries <= RETRIES_MAX
    }
}

impl Work {
    fn output(self) -> Output {
        match self {
            Work::Read { block, .. } => Output::Read(block),
            _ => Output::Nothing,
        }
    }
}

fn vector(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// Gives an entry of a flight that is in the table to the ring.
fn submit(entry: squeue::Entry) -> InFlightOneshot<(), Completion> {
    UnsubmittedOneshot::new((), Completion, entry).submit()
}

/// Makes an `io::Result` of a completion.
struct Completion;

impl OneshotOutputTransform for Completion {
    type Output = io::Result<usize>;
    type StoredData = ();

    fn transform_oneshot_output(self, (): (), entry: cqueue::Entry) -> io::Result<usize> {
        usize::try_from(entry.result())
            .map_err(|_| io::Error::from_raw_os_error(entry.result().saturating_neg()))
    }
}
