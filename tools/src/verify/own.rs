//! What is Duramen's alone in a data folder: the catalog, the cores' checkpoints and journals.
//!
//! The catalog names the session that counts; in that session's folder each core has two
//! checkpoint slots, of which the valid one with the higher sequence counts, and its journal. A
//! slot that a power cut tore is no damage as long as the other one, and the journal from where
//! that says, are whole. Other sessions' folders are left over and are not looked at.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use duramen_protocol::TopicId;
use duramen_protocol::files::catalog::{CatalogError, CatalogFile};
use duramen_protocol::files::checkpoint::{Checkpoint, PartitionRecord};
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::leader_epochs::EpochStart;
use duramen_protocol::files::partition_folder::folder_name;

use super::Verify;
use super::extents;
use super::findings::Place;
use super::journal::{self, Chain, Walked};
use super::promise;
use crate::source::{Access, Source};
use crate::tree;

/// No catalog and no checkpoint is larger.
pub(super) const WHOLE_BYTES_MAX: usize = 256 << 20;
/// How often a journal is read anew when the server wrote a checkpoint meanwhile.
const TRIES: usize = 5;

/// The catalog and the checkpoints that count.
pub(super) struct OwnState {
    topics: HashMap<String, TopicId>,
    cores: Vec<Core>,
}

/// A core of the session that counts.
struct Core {
    folder: PathBuf,
    start_epoch: u32,
    checkpoint: Option<Checkpoint>,
    /// Slots that hold no checkpoint, and why.
    bad_slots: Vec<(PathBuf, String)>,
}

/// Why there is no catalog to go by.
enum NoCatalog {
    Bad(CatalogError),
    Unreadable(io::Error),
}

impl OwnState {
    /// Reads what can be read.
    pub(super) fn load(own: &Path) -> OwnState {
        let Ok(catalog) = load_catalog(own) else {
            return OwnState { topics: HashMap::new(), cores: Vec::new() };
        };
        OwnState {
            cores: cores_of(own, catalog.start_epoch),
            topics: catalog.topics.into_iter().map(|topic| (topic.name, topic.id)).collect(),
        }
    }

    /// The id of a partition's topic, if the catalog has it.
    fn key(&self, partition: &Path) -> Option<PartitionKey> {
        let (topic, partition) = tree::partition_of(partition)?;
        Some(PartitionKey { topic_id: *self.topics.get(topic)?, partition })
    }

    fn record(&self, key: PartitionKey) -> Option<&PartitionRecord> {
        let checkpoints = self.cores.iter().filter_map(|core| core.checkpoint.as_ref());
        checkpoints.flat_map(|checkpoint| &checkpoint.partitions).find(|record| record.key == key)
    }

    /// Whether the catalog has the partition's topic.
    pub(super) fn has_topic_of(&self, partition: &Path) -> bool {
        self.key(partition).is_some()
    }

    /// Where a partition's recovery point is; at its very start if none was ever written.
    pub(super) fn recovery_point(&self, partition: &Path) -> promise::Place {
        let Some(record) = self.key(partition).and_then(|key| self.record(key)) else {
            return promise::Place::default();
        };
        promise::Place {
            offset: record.recovery_point.try_into().unwrap_or(i64::MAX),
            segment_base: record.segment_base.try_into().unwrap_or(i64::MAX),
            position: record.position,
            index_len: record.index_len.into(),
            time_index_len: record.time_index_len.into(),
        }
    }

    /// The leader epochs of a partition, by the checkpoint.
    pub(super) fn epochs(&self, partition: &Path) -> Vec<EpochStart> {
        let record = self.key(partition).and_then(|key| self.record(key));
        let epochs = record.map_or(&[][..], |record| &record.epochs);
        let row = |&(epoch, start): &(u32, u64)| EpochStart {
            epoch: epoch.try_into().unwrap_or(i32::MAX),
            start_offset: start.try_into().unwrap_or(i64::MAX),
        };
        epochs.iter().map(row).collect()
    }

    /// The first offset of a partition that must be there, by the checkpoint.
    pub(super) fn checkpointed_log_start(&self, partition: &Path) -> Option<i64> {
        i64::try_from(self.record(self.key(partition)?)?.log_start).ok()
    }

    /// The same by checkpoint and journal, which may have moved it on.
    pub(super) fn log_start(&self, partition: &Path) -> Option<i64> {
        let key = self.key(partition)?;
        let checkpointed = self.record(key)?.log_start;
        let moved = self.cores.iter().filter_map(|core| {
            let chain = core.chain()?;
            journal::walk(&chain).ok()?.log_starts.get(&key).copied()
        });
        i64::try_from(moved.fold(checkpointed, u64::max)).ok()
    }
}

impl Core {
    fn chain(&self) -> Option<Chain<'_>> {
        let checkpoint = self.checkpoint.as_ref()?;
        Some(Chain {
            folder: &self.folder,
            start_epoch: self.start_epoch,
            core: checkpoint.core,
            start: checkpoint.journal,
        })
    }

    /// Reads a core's two checkpoints.
    fn load(folder: PathBuf, start_epoch: u32) -> Core {
        let mut core = Core { folder, start_epoch, checkpoint: None, bad_slots: Vec::new() };
        for slot in 0..2 {
            let path = core.folder.join(format!("checkpoint-{slot}"));
            match load_checkpoint(&path) {
                Ok(checkpoint) => {
                    let current = core.checkpoint.as_ref().map(|current| current.sequence);
                    if current.is_none_or(|current| current < checkpoint.sequence) {
                        core.checkpoint = Some(checkpoint);
                    }
                }
                // The second slot is not there before the second checkpoint.
                Err(NoCheckpoint::Missing) => {}
                Err(NoCheckpoint::Bad(reason)) => core.bad_slots.push((path, reason)),
            }
        }
        core
    }
}

enum NoCheckpoint {
    Missing,
    Bad(String),
}

fn load_checkpoint(path: &Path) -> Result<Checkpoint, NoCheckpoint> {
    let bad = |error: &dyn ToString| NoCheckpoint::Bad(error.to_string());
    let mut source = match Source::open(path, Access::Read) {
        Ok(source) if source.len() == 0 => return Err(NoCheckpoint::Missing),
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoCheckpoint::Missing),
        Err(error) => return Err(bad(&error)),
    };
    let bytes = source.read_whole(WHOLE_BYTES_MAX).map_err(|error| bad(&error))?;
    Checkpoint::decode(bytes).map_err(|error| bad(&error))
}

fn load_catalog(own: &Path) -> Result<CatalogFile, NoCatalog> {
    let read = || {
        Source::open(&own.join("catalog"), Access::Read)?
            .read_whole(WHOLE_BYTES_MAX)
            .map(CatalogFile::decode)
    };
    read().map_err(NoCatalog::Unreadable)?.map_err(NoCatalog::Bad)
}

fn session(own: &Path, start_epoch: u32) -> PathBuf {
    own.join(format!("session-{start_epoch}"))
}

fn cores_of(own: &Path, start_epoch: u32) -> Vec<Core> {
    let folders = tree::sorted(&session(own, start_epoch)).unwrap_or_default();
    let is_core = |folder: &PathBuf| {
        folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core-"))
    };
    folders.into_iter().filter(is_core).map(|folder| Core::load(folder, start_epoch)).collect()
}

impl Verify<'_> {
    /// Everything in the folder of what is Duramen's alone.
    pub(super) fn own_folder(&mut self, own: &Path) -> io::Result<()> {
        let path = own.join("catalog");
        let place = Place { path: &path, position: 0, offset: None };
        match load_catalog(own) {
            Ok(catalog) => self.cores(own, &catalog),
            Err(NoCatalog::Bad(CatalogError::Newer(version))) => {
                let what = format_args!("format {version}: use a newer duramen");
                self.findings.could_not_look(&path, &what)
            }
            Err(NoCatalog::Bad(error)) => self.findings.damage(place, error),
            Err(NoCatalog::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {
                // Only a data folder that was never served from has none.
                match tree::own_files(own)
                    .unwrap_or_default()
                    .iter()
                    .any(|file| file.parent() != Some(own))
                {
                    true => {
                        self.findings.damage(place, "missing: without it no server starts here")
                    }
                    false => self.findings.note_file(&path, "missing; nothing was stored yet"),
                }
            }
            Err(NoCatalog::Unreadable(error)) => self.findings.could_not_look(&path, &error),
        }
    }

    fn cores(&mut self, own: &Path, catalog: &CatalogFile) -> io::Result<()> {
        let cores = cores_of(own, catalog.start_epoch);
        if cores.is_empty() {
            let path = session(own, catalog.start_epoch);
            let place = Place { path: &path, position: 0, offset: None };
            return self.findings.damage(place, "missing: the catalog names this session");
        }
        let data = own.parent().unwrap_or(own);
        cores.into_iter().try_for_each(|core| self.core(core, data, catalog))
    }

    /// A core's checkpoints and journal. A server at work may free journal files while they are
    /// read; then there is a later checkpoint, and it all begins anew.
    fn core(&mut self, mut core: Core, data: &Path, catalog: &CatalogFile) -> io::Result<()> {
        for _ in 0..TRIES {
            let Some(chain) = core.chain() else { break };
            let mut walked = match journal::walk(&chain) {
                Ok(walked) => walked,
                Err((path, error)) => return self.findings.not_opened(&path, &error),
            };
            extents::check(data, catalog, &mut walked);
            let again = Core::load(core.folder.clone(), core.start_epoch);
            let sequence =
                |core: &Core| core.checkpoint.as_ref().map(|checkpoint| checkpoint.sequence);
            if walked.has_damage() && sequence(&again) != sequence(&core) {
                core = again;
                continue;
            }
            self.journal(&walked)?;
            break;
        }
        for (path, reason) in &core.bad_slots {
            let is_damage = core.checkpoint.is_none();
            self.findings.damage_if(
                is_damage,
                Place { path, position: 0, offset: None },
                reason,
            )?;
        }
        if core.checkpoint.is_none() && core.bad_slots.is_empty() {
            let place = Place { path: &core.folder, position: 0, offset: None };
            self.findings.damage(place, "no checkpoint in it")?;
        }
        Ok(())
    }

    fn journal(&mut self, walked: &Walked) -> io::Result<()> {
        self.findings.looked_at(walked.batches, walked.bytes);
        walked.found.iter().try_for_each(|found| {
            let place = Place { path: &found.path, position: found.position, offset: found.offset };
            self.findings.damage_if(found.is_damage, place, &found.reason)
        })
    }

    /// A journal file that stands for itself.
    pub(super) fn journal_file(&mut self, path: &Path) -> io::Result<()> {
        match journal::walk_file(path) {
            Ok(walked) => self.journal(&walked),
            Err(error) => self.findings.not_opened(path, &error),
        }
    }

    /// Partitions that have been checkpointed and whose folder is gone.
    pub(super) fn missing_partitions(&mut self, data: &Path) -> io::Result<()> {
        let own = OwnState::load(&data.join(tree::OWN_FOLDER));
        for (topic, &topic_id) in &own.topics {
            let checkpoints = own.cores.iter().filter_map(|core| core.checkpoint.as_ref());
            let records = checkpoints.flat_map(|checkpoint| &checkpoint.partitions);
            for record in records.filter(|record| record.key.topic_id == topic_id) {
                let path = data.join(folder_name(topic, record.key.partition));
                if record.recovery_point > record.log_start && !path.exists() {
                    let offset = i64::try_from(record.log_start).ok();
                    let reason = format!("missing, with offsets up to {}", record.recovery_point);
                    self.findings.damage(Place { path: &path, position: 0, offset }, reason)?;
                }
            }
        }
        Ok(())
    }
}
