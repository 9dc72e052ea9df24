//! Recovery: from what a stopped, killed or powered-off server left to logs that can be served.
//!
//! It runs before any core exists, on a disk that can be waited for, and costs what the journals
//! hold, not what the logs hold:
//!
//! 1. the catalog says which topics there are and which session's journals count;
//! 2. every core's checkpoint and journal of that session is read, whatever the number of cores
//!    is now ([`journals`]); nothing is changed before all have been read;
//! 3. every partition's folder is looked at ([`folders`]), and the entries past its recovery
//!    point are written to its segments, always, whatever stands there ([`replay`]): bytes past
//!    the recovery point are no evidence;
//! 4. a new session begins, with a checkpoint that says all this, and the catalog is replaced to
//!    name it ([`session`]). That replacement is the moment: a crash before it recovers from the
//!    old session again and comes to the same; after it the old session is never read again.
//!
//! Damage is not a torn tail. A group that can't be read ends the journal, unless a later group
//! says that it had been acknowledged: then the start is refused, with the place, until the
//! operator accepts the loss. Rot in the very last group can't be told from a tear.

mod extents;
mod folders;
mod journals;
mod replay;
mod rewrite;
mod session;
mod steps;

use std::collections::BTreeMap;
use std::path::PathBuf;

use duramen_protocol::TopicId;
use duramen_protocol::files::catalog::{CatalogError, CatalogFile};
use duramen_protocol::files::checkpoint::PartitionRecord;
use duramen_protocol::files::journal::PartitionKey;

pub use self::journals::Loss;
use self::steps::Steps;
use super::log::Log;
use super::names::Layout;
use crate::io::{DiskError, Now, WaitDisk};

/// What recovery is to come to.
pub struct Plan<'a> {
    pub layout: Layout,
    /// Cores of the session that begins.
    pub cores: u32,
    pub journal_file_bytes: u64,
    /// For a data directory that is new.
    pub new_cluster_id: [u8; 16],
    /// The core that owns a partition.
    pub owner: &'a dyn Fn(TopicId, u32) -> u32,
    /// Go on over damage, and say what was lost.
    pub accept_loss: bool,
    pub now: Now,
}

/// What recovery came to.
pub struct Recovered {
    /// As it is on disk now: it names the session that begins.
    pub catalog: CatalogFile,
    /// The logs of each core.
    pub logs: Vec<Vec<RecoveredLog>>,
    /// Bytes of batches that were replayed.
    pub replayed_bytes: u64,
    /// Lines for people: what was cut or moved aside.
    pub notes: Vec<String>,
    /// What was given up, where that was allowed.
    pub losses: Vec<Loss>,
}

/// A log as recovery left it.
#[derive(Debug)]
pub struct RecoveredLog(pub(super) Log);

impl RecoveredLog {
    /// Which partition it is of.
    pub fn key(&self) -> PartitionKey {
        self.0.key
    }
}

/// Why a data directory can't be served.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error(
        "{path} is not a duramen data directory: there is {found} in it; name an empty or a new one with --data"
    )]
    NotOurs { path: String, found: String },
    #[error(
        "the catalog {path} is missing, but {evidence} is there: restore it from a backup; without it nothing can be served"
    )]
    CatalogMissing { path: String, evidence: String },
    #[error("{path}: {reason}")]
    Catalog { path: String, reason: CatalogError },
    #[error(
        "{place}: {reason}; acknowledged records may be lost. Restore from a backup, or run `duramen recover --accept-loss` to go on without them"
    )]
    Damage { place: String, reason: String },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl RecoveryError {
    fn damage(place: &std::path::Path, reason: impl Into<String>) -> RecoveryError {
        RecoveryError::Damage { place: place.display().to_string(), reason: reason.into() }
    }
}

/// Recovers a data directory, or begins a new one, and opens a session in it.
///
/// # Errors
/// When it isn't ours, is of a newer format, is damaged, or the disk fails; nothing that counts
/// has changed then.
pub fn recover<D: WaitDisk>(disk: &mut D, plan: &Plan<'_>) -> Result<Recovered, RecoveryError> {
    let mut steps = Steps::new(disk);
    let mut notes = Vec::new();
    session::make_folders(&mut steps, &plan.layout)?;
    let catalog = session::read_catalog(&mut steps, plan)?;
    let cores = journals::read_session(&mut steps, plan, &catalog)?;
    let replays = journals::replays(&mut steps, &cores, plan, &catalog)?;
    let losses = replays.losses;
    let found = folders::look(&mut steps, plan, &catalog, &mut notes)?;
    let replayed =
        replay::run(&mut steps, plan, &catalog, replays.by_partition, &found, &mut notes)?;
    let catalog = session::begin(&mut steps, plan, &catalog, &replayed.logs)?;
    let mut logs: Vec<Vec<RecoveredLog>> = (0..plan.cores).map(|_| Vec::new()).collect();
    for log in replayed.logs {
        let core = (plan.owner)(log.key.topic_id, log.key.partition);
        logs[core as usize].push(RecoveredLog(log));
    }
    Ok(Recovered { catalog, logs, replayed_bytes: replayed.bytes, notes, losses })
}

/// What a partition's folder was found to hold.
#[derive(Debug, Default)]
struct Folder {
    path: PathBuf,
    /// It has the file that names its topic's id.
    described: bool,
    /// Lengths of the segment files, by base offset.
    segments: BTreeMap<u64, u64>,
    /// Lengths of the index and the time index files.
    indexes: BTreeMap<u64, u64>,
    time_indexes: BTreeMap<u64, u64>,
    snapshots: Vec<u64>,
    /// Files on their way out, or that never came to replace another.
    deleted: Vec<PathBuf>,
}

/// What the journals say of a partition, past its checkpoint.
#[derive(Debug)]
struct Replay<'j> {
    record: PartitionRecord,
    runs: Vec<Run<'j>>,
    log_start: u64,
}

/// Consecutive batches of one journal entry.
#[derive(Clone, Copy, Debug)]
struct Run<'j> {
    base: u64,
    position: u64,
    /// The bytes of the block that `position` lies in, up to it.
    before: &'j [u8],
    /// Those that the journal has; the first ones of a run with an extent.
    bytes: &'j [u8],
    extent: Option<Skipped<'j>>,
}

/// What went straight to the segment, behind [`Run::bytes`].
#[derive(Clone, Copy, Debug)]
struct Skipped<'j> {
    len: u64,
    /// The headers of all batches of the run.
    headers: &'j [u8],
    /// The last bytes of the run, which the journal has.
    tail: &'j [u8],
}
