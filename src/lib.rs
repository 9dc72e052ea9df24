//! Duramen: a durable event log for one Linux machine. This page is the architecture guide; how
//! to use the program is in `README.md`, the bytes on the wire in `protocol/SPEC.md`.
//!
//! # The one idea
//!
//! Every record that is acknowledged is on stable storage first. A disk makes one large write
//! about as fast as a small one, so what arrives on a core while a write is in flight becomes the
//! next write: one *group*, in one file, the *journal*, whatever partitions it is for. Behind the
//! acknowledgement, and with whole blocks, the same bytes go to each partition's *segment*, a
//! file in Kafka's own format. After a crash the journal says what the segments may lack.
//!
//! Two numbers a partition carry this. *durable* is the offset below which everything is on
//! stable storage: only `storage/commit.rs` moves it, and nothing is acknowledged or shown at or
//! past it. *materialised* is how far the segment's file has come:
//!
//! ```text
//! log_start            materialised        durable          next
//!     |== segment files ====|== arena, journal ==|== arena, staged ==|
//!     |<---- readers see this ----------------->|
//! ```
//!
//! # The floors
//!
//! An import goes down, never up or sideways; `tests/layering.rs` holds it so.
//!
//! ```text
//! main · cli            what is asked, and who does it
//! server                threads, the tick, start and stop     observe   figures
//! network               sockets, framing, handlers: the only floor with async, beside the server
//! shard                 one core's partitions, and everybody who waits for something of theirs
//! storage │ broker      logs on a disk │ decisions about topics, ids, positions
//! io · config · limits  disks, clock, chance · knobs · every bound
//!
//! protocol/             a crate of its own: batch, file and wire formats, the client
//! tools/                a crate of its own, on protocol alone: dump, verify, bench
//! ```
//!
//! Below [`network`], [`io`] excepted, everything is a plain state machine: no `async`, no thread,
//! no lock, no clock. Operations go into a [`io::Disk`] and completions come out, and time is an
//! argument ([`io::Now`]). So the simulation in `storage/simulation` runs the very code that
//! production runs, on a disk that tears, loses and reorders ([`io::fake`]), and one number, the
//! seed, repeats a run.
//!
//! A core is a pinned thread that owns its partitions outright: which ones follows from the
//! topic's id and the number of cores alone ([`broker::placement`]). Cores share nothing but the
//! catalog, an immutable snapshot, and tell each other things through bounded mailboxes
//! ([`network::mailbox`]).
//!
//! # The tick
//!
//! Connections only parse and enqueue. One task a core does everything else, in this order
//! (`server/core.rs`, [`shard::Shard::tick`], [`storage::Store`]):
//!
//! ```text
//! completions ─> durable ─> waiters ─> requests ─> chores ─> submit the group ─> flush sockets
//! ```
//!
//! # The path of one produce
//!
//! 1. `network/native/connection.rs` cuts a frame off the socket's bytes once its connection has
//!    room for one more. `dispatch.rs` finds it is an append; `append.rs` turns its handle into a
//!    log and puts the batch, still in the read buffer, into the core's inbox. That wakes the tick.
//! 2. [`shard::produce`] checks the batch (`duramen_protocol::batch::check_produce`: length, CRC,
//!    every record) and hands it to [`storage::Store::append`].
//! 3. `storage/stage.rs` either refuses and leaves no trace, or says *wait* while a segment or
//!    memory is on its way, or stages: the producer's sequence is checked and applied, offset and
//!    epoch are stamped in place, and the bytes are copied, once, into the arena. The answer is
//!    now an [`shard::acks`] entry that waits for its offset to be durable.
//! 4. At the tick's end `storage/commit.rs` gathers what is staged into a group, and
//!    `storage/journal.rs` gives it a place: one [`io::Op::Write`] to a durable file. A big run of
//!    one partition goes straight to its segment beside it (`storage/extent.rs`).
//! 5. When that completes, the next tick's first step moves `durable`. Acks, parked reads and
//!    subscribers of each partition are released, and the sockets flushed once.
//! 6. Later, in whole blocks, `storage/materialise.rs` writes the tail to the segment. A
//!    checkpoint (`storage/checkpoint.rs`) syncs what was written, says so in its record, and only
//!    then are the journal's files free for another use.
//!
//! # The path of one fetch
//!
//! 1. A read names an offset, the least and the most bytes, and how long to wait; a subscription
//!    names an offset and a credit. Both come the way an append comes.
//! 2. [`shard::fetch`] asks the store. `storage/reader.rs` finds the batch that holds the offset:
//!    in memory, or by the offset index and a scan of headers. Readers that go on where they
//!    stopped hold a [`storage::Cursor`] and look nothing up.
//! 3. `storage/supply.rs` gives pieces: slices of the arena at the tail; below it, ranges of the
//!    segment's file where they are in the page cache, and this process wrote or has checked them.
//!    Anything else is read through the disk, checked batch by batch, and given from memory.
//!    Nothing at or past `durable` is given at all.
//! 4. Too little to answer with? The read is parked. What wakes it (more durable bytes, its
//!    deadline, room at its client) runs it again from the start.
//! 5. `network/outbox.rs` lines the pieces up behind the answer's header: `writev` for memory,
//!    `sendfile` for ranges. A client that takes nothing holds up nobody but itself
//!    ([`shard::clients`]).
//!
//! # Kafka's clients
//!
//! Each core also listens on a port of its own for Kafka's protocol ([`network::kafka`]), as a
//! broker of its own, and what it is asked goes the same ways. A produce is an append for each of
//! its batches, handed over at once; its answer waits for all of them, and for the answers before
//! it. A fetch is one read of many partitions ([`shard::read_many`]), parked and run again like any
//! other. What another core owns is asked there, through its mailbox.
//!
//! # When things go wrong
//!
//! - *The client's fault*: an error code, and nothing has changed. What breaks the framing ends
//!   the connection.
//! - *A full disk*: space is reserved before anything is staged, so appends are refused without a
//!   trace while reads and retention go on; it is tried again, and goes on by itself.
//! - *A disk that errs*: the core latches. Nothing is acknowledged on it until a restart.
//! - *Our fault*: a panic ends the process, and the next start finds everything acknowledged.
//!
//! [`storage::recovery`] is what a start does with whatever the last one left.
//!
//! # Reading order
//!
//! From the bottom up; each module opens with an essay of its own.
//!
//! 1. `duramen_protocol::batch`, then `files::journal`: the bytes.
//! 2. [`io`]: what a disk promises.
//! 3. [`storage`]: `log`, `segment` and `tail` are the data; then `stage`, `commit`,
//!    `materialise`, `checkpoint` along the path of a batch; then [`storage::recovery`].
//! 4. `storage/simulation`: what must never happen, and how it is looked for.
//! 5. [`shard`], [`network`], [`server`]: who asks, and who waits. In [`network::kafka`], `metadata`
//!    is a handler like most, `produce` and `fetch` are those that matter.

// The essays are for those who read the source: `cargo doc --document-private-items` follows all of
// their links, the plain `cargo doc` those to public items.
#![allow(rustdoc::private_intra_doc_links)]

pub mod broker;
pub mod cli;
pub mod config;
pub mod io;
pub mod limits;
pub mod network;
pub mod observe;
pub mod server;
pub mod shard;
pub mod storage;
