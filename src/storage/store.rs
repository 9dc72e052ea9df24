//! The store: one core's logs, its journal and its disk, as one state machine.
//!
//! A tick of the core calls [`Store::collect`] first and [`Store::advance`] last; between them
//! come appends and reads. Nothing here waits: what needs the disk is submitted, and goes on in
//! `collect` when the disk says that it is done.
//!
//! Errors of the disk come in two kinds. A *full* disk stops intake ([`Refusal::Full`]) until
//! space is there again; whatever stood still is tried again. Any other failed write *latches*
//! the core: nothing is acknowledged on it any more until a restart; reads go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use duramen_protocol::files::checkpoint::ProducerBatch;
use duramen_protocol::files::journal::PartitionKey;

use super::arena::Arena;
use super::checkpoint::Run;
use super::commit::{Group, Note};
use super::counters::{Counters, Latencies};
use super::extent::ExtentWrite;
use super::journal::{Journal, JournalConfig};
use super::log::{Life, Log, LogId};
use super::names::Layout;
use super::readahead::Readahead;
use super::reader::{Data, Found, ReadError, ReadId, Reads};
use super::recovery::RecoveredLog;
use super::slab::Logs;
#[cfg(doc)]
use super::stage::Refusal;
use super::task::Tasks;
use crate::config::topic::TopicConfig;
use crate::io::{Block, Disk, DiskError, Done, Now};
use crate::limits;

/// What a store is made with.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub layout: Layout,
    pub journal: JournalConfig,
    pub journal_files_min: usize,
    pub arena_bytes: usize,
    /// A run that fills blocks of so many bytes skips the journal.
    pub extent_bytes_min: u64,
    /// Acknowledge from memory, without waiting for the disk.
    pub no_sync: bool,
    /// How often retention looks at each log.
    pub retention_check_ms: u64,
    /// Producers not heard of for so long are forgotten.
    pub producer_expiration_ms: i64,
}

#[cfg(test)]
impl StoreConfig {
    /// A small store of one core, for the simulation.
    pub(super) fn for_tests(layout: Layout, start_epoch: u32, file_bytes: u64) -> StoreConfig {
        let folder = layout.core(start_epoch, 0);
        StoreConfig {
            layout,
            journal: JournalConfig { folder, core: 0, start_epoch, file_bytes, files_max: 4 },
            journal_files_min: 3,
            arena_bytes: 512 << 10,
            extent_bytes_min: 8 << 10,
            no_sync: false,
            retention_check_ms: 1000,
            producer_expiration_ms: 86_400_000,
        }
    }
}

/// What happened, for the one who waits.
#[derive(Debug)]
pub enum Event {
    /// The log's durable offset rose.
    Durable(LogId),
    /// The log's start rose.
    LogStart(LogId),
    /// A read that was pending.
    Read(ReadId, Result<Data, ReadError>),
    /// A search that was pending.
    Found(ReadId, Result<Found, ReadError>),
    /// No journal names the deleted partition any more, and its folder is gone.
    Passed(PartitionKey),
    /// Appends that had to wait may be tried again.
    Progress,
    /// The disk failed; nothing is acknowledged from now on.
    Failed,
}

/// A log's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStatus {
    pub log_start: u64,
    /// Everything below is on stable storage, and shown to readers.
    pub durable: u64,
    /// The next record's offset.
    pub next: u64,
    pub bytes: u64,
    pub segments: usize,
}

/// The disk has no space.
pub(super) struct Full {
    error: DiskError,
    /// When to try again.
    until_us: u64,
}

/// How far a clean stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shutdown {
    /// What is staged is being committed.
    Draining,
    /// Files get their exact length.
    Trimming,
    /// The last checkpoint.
    Checkpointing,
    Done,
}

/// One core's logs. See the module's essay.
pub struct Store<D: Disk> {
    pub(super) tasks: Tasks<D>,
    pub(super) config: StoreConfig,
    pub(super) block_bytes: u64,
    pub(super) logs: Logs,
    by_key: BTreeMap<PartitionKey, LogId>,
    pub(super) arena: Arena,
    /// A batch or a block to be read back waits for memory.
    pub(super) memory_wanted: bool,
    /// Blocks taken for the batch that is being staged.
    pub(super) spare_blocks: Vec<Block>,
    pub(super) journal: Journal,
    /// Logs with something to group, in the order in which they got it.
    pub(super) dirty: VecDeque<LogId>,
    pub(super) notes: VecDeque<Note>,
    pub(super) group: Option<Group>,
    /// Pieces of the group's extents that found the disk full.
    pub(super) extents_postponed: Vec<ExtentWrite>,
    /// Logs that someone waits for to be materialised.
    pub(super) to_flush: VecDeque<LogId>,
    /// Logs whose tail is worth a write.
    pub(super) to_write: VecDeque<LogId>,
    /// The logs with the largest tails when that was last looked at, the largest first.
    pub(super) swept: VecDeque<LogId>,
    /// Writes to segments in flight.
    pub(super) writes: usize,
    /// Segments that have chunks in memory and in the file, oldest first.
    pub(super) kept: VecDeque<(LogId, u64)>,
    pub(super) run: Option<Run>,
    pub(super) checkpoint_sequence: u64,
    pub(super) checkpoint_forced: bool,
    /// A partition's folder is new since the data directory was last synced.
    pub(super) root_changed: bool,
    /// The largest `max.message.bytes` of any log.
    pub(super) largest_message_bytes: u32,
    pub(super) reads: Reads,
    pub(super) readahead: Readahead,
    pub(super) failed: Option<DiskError>,
    pub(super) full: Option<Full>,
    /// An `Allocate` failed: ask for no more than is needed.
    pub(super) short_of_space: bool,
    pub(super) shutdown: Option<Shutdown>,
    pub(super) retention_due_us: u64,
    pub(super) events: Vec<Event>,
    pub(super) counters: Counters,
    pub(super) latencies: Latencies,
    done: Vec<Done>,
}

impl<D: Disk> Store<D> {
    /// A store over what recovery found, in a new session whose folder, first checkpoint and
    /// first journal file are there.
    pub fn open(disk: D, config: StoreConfig, found: Vec<RecoveredLog>, now: Now) -> Store<D> {
        let mut tasks = Tasks::new(disk);
        let journal = Journal::open(config.journal.clone(), &mut tasks);
        let mut store = Store {
            block_bytes: tasks.disk.block_bytes() as u64,
            tasks,
            logs: Logs::default(),
            by_key: BTreeMap::new(),
            arena: Arena::new(config.arena_bytes),
            memory_wanted: false,
            spare_blocks: Vec::new(),
            journal,
            dirty: VecDeque::new(),
            notes: VecDeque::new(),
            group: None,
            extents_postponed: Vec::new(),
            to_flush: VecDeque::new(),
            to_write: VecDeque::new(),
            swept: VecDeque::new(),
            writes: 0,
            kept: VecDeque::new(),
            run: None,
            checkpoint_sequence: 1,
            checkpoint_forced: false,
            root_changed: false,
            largest_message_bytes: 0,
            reads: Reads::default(),
            readahead: Readahead::default(),
            failed: None,
            full: None,
            short_of_space: false,
            shutdown: None,
            retention_due_us: now.plus_ms(config.retention_check_ms),
            events: Vec::new(),
            counters: Counters::default(),
            latencies: Latencies::default(),
            done: Vec::new(),
            config,
        };
        for log in found {
            store.insert(log.0);
        }
        store
    }

    /// Adds the empty log of a partition that is new.
    pub fn add_log(
        &mut self,
        key: PartitionKey,
        topic: Arc<str>,
        config: Arc<TopicConfig>,
    ) -> LogId {
        let folder = self.config.layout.partition(&topic, key.partition);
        self.insert(Log::new(key, folder, config))
    }

    fn insert(&mut self, log: Log) -> LogId {
        self.largest_message_bytes = self.largest_message_bytes.max(log.config.max_message_bytes);
        let key = log.key;
        let id = self.logs.insert(log);
        self.by_key.insert(key, id);
        id
    }

    /// The log of a partition.
    pub fn find(&self, key: &PartitionKey) -> Option<LogId> {
        self.by_key.get(key).copied()
    }

    /// All logs that were not deleted, by partition.
    pub fn logs(&self) -> impl Iterator<Item = (PartitionKey, LogId)> + '_ {
        self.by_key.iter().map(|(key, id)| (*key, *id))
    }

    /// Gives a log another configuration; what is staged keeps to the old one.
    pub fn configure(&mut self, id: LogId, config: Arc<TopicConfig>) {
        self.largest_message_bytes = self.largest_message_bytes.max(config.max_message_bytes);
        if let Some(log) = self.logs.get_mut(id) {
            log.config = config;
        }
    }

    /// Forgets a name: from here on the log is on its way out.
    pub(super) fn forget_name(&mut self, key: &PartitionKey) {
        self.by_key.remove(key);
    }

    /// A log's figures; all zero when it is gone.
    pub fn status(&self, id: LogId) -> LogStatus {
        let log = self.logs.get(id).filter(|l| l.life == Life::Living);
        log.map_or(LogStatus { log_start: 0, durable: 0, next: 0, bytes: 0, segments: 0 }, |l| {
            LogStatus {
                log_start: l.log_start,
                durable: l.durable,
                next: l.next,
                bytes: l.bytes(),
                segments: l.segments.len(),
            }
        })
    }

    /// The newest leader epoch up to `epoch` that a log has, and the durable offset behind its last
    /// record.
    pub fn epoch_end(&self, id: LogId, epoch: u32) -> Option<(u32, u64)> {
        let log = self.logs.get(id)?;
        let behind = log.epochs.partition_point(|&(start_epoch, _)| start_epoch <= epoch);
        let &(found, _) = log.epochs.get(behind.checked_sub(1)?)?;
        let next = log.epochs.get(behind).map_or(log.durable, |&(_, start)| start);
        Some((found, next.min(log.durable)))
    }

    /// The configuration of a log.
    pub fn log_config(&self, id: LogId) -> Option<&Arc<TopicConfig>> {
        self.logs.get(id).map(|l| &l.config)
    }

    /// The last durable batches of a producer's epoch, oldest first, five at most: for a client
    /// that reconnects.
    pub fn last_durable(&self, id: LogId, producer_id: i64, epoch: i16) -> Vec<ProducerBatch> {
        let log = self.logs.get(id);
        log.map_or_else(Vec::new, |l| l.producers.last_durable(producer_id, epoch, l.durable))
    }

    /// The failure that latched the core.
    pub fn failed(&self) -> Option<&DiskError> {
        self.failed.as_ref()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    pub fn disk(&self) -> &D {
        &self.tasks.disk
    }

    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.tasks.disk
    }

    /// Bytes of the arena in use.
    pub fn arena_used(&self) -> usize {
        self.arena.used()
    }

    /// Journal files in use.
    pub fn journal_files_used(&self) -> usize {
        self.journal.used_files()
    }

    /// First step of a tick: takes completions, and appends what came of them to `events`.
    pub fn collect(&mut self, now: Now, events: &mut Vec<Event>) {
        self.tasks.close_pending();
        let mut done = std::mem::take(&mut self.done);
        self.tasks.disk.poll(&mut done);
        let any = !done.is_empty();
        for d in done.drain(..) {
            let task = self.tasks.finish(&d);
            self.finished(task, d.result, now);
        }
        self.done = done;
        if any {
            self.wake_reads();
            self.events.push(Event::Progress);
        }
        events.append(&mut self.events);
    }

    /// Whether [`Store::collect`] has something to tell although the disk has not.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Last step of a tick: chores, then the group with all that was staged. Returns when to
    /// tick again at the latest, on the monotonic clock in microseconds.
    pub fn advance(&mut self, now: Now) -> Option<u64> {
        self.retry_full(now);
        self.materialise();
        self.retention(now);
        self.consider_checkpoint();
        self.journal.upkeep(self.config.journal_files_min, &mut self.tasks);
        self.commit(now);
        self.begin_windows();
        self.step_shutdown();
        self.tasks.disk.flush();
        let full = self.full.as_ref().map(|f| f.until_us);
        Some(full.map_or(self.retention_due_us, |until| until.min(self.retention_due_us)))
    }

    pub(super) fn names_changed(&mut self, id: LogId) {
        if let Some(log) = self.logs.get_mut(id) {
            log.names_changed = true;
        }
    }

    /// Nothing is acknowledged from here on.
    pub(super) fn latch(&mut self, error: DiskError) {
        if self.failed.is_none() {
            self.failed = Some(error);
            self.events.push(Event::Failed);
        }
    }

    /// Why intake has stopped, while it has.
    pub(super) fn full_reason(&self) -> Option<String> {
        self.full.as_ref().map(|f| f.error.to_string())
    }

    pub(super) fn disk_full(&mut self, error: DiskError, now: Now) {
        self.counters.full += 1;
        self.full = Some(Full { error, until_us: now.plus_ms(limits::FULL_RETRY_MS) });
    }

    /// Space was to be had: ask for as much as is comfortable again.
    pub(super) fn space_came(&mut self) {
        if self.full.is_none() {
            self.short_of_space = false;
        }
    }

    /// After a while, tries again what stood still for want of space.
    fn retry_full(&mut self, now: Now) {
        if self.full.as_ref().is_none_or(|f| now.monotonic_us < f.until_us) {
            return;
        }
        self.full = None;
        self.journal.full = None;
        self.resume_extents();
        let there = self.logs.iter().filter(|(_, log)| !log.life.is_past());
        let ids: Vec<LogId> = there.map(|(id, _)| id).collect();
        for id in ids {
            self.resume_sealing(id);
            self.consider_materialising(id);
        }
        self.events.push(Event::Progress);
    }
}
