//! Reading the checkpoints and journals of a session.
//!
//! A journal is walked from where the checkpoint says: each group must be of the right use of its
//! file, next in sequence, and follow the one before. The walk ends at the first that isn't; then
//! all files are searched for a later group that says it had been acknowledged.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::checkpoint::{Checkpoint, JournalStart, PartitionRecord};
use duramen_protocol::files::index_builder::IndexState;
use duramen_protocol::files::journal::{
    Entry, EntryBody, GROUP_ALIGNMENT, GROUP_HEADER_LEN, Group, GroupHeader, PartitionKey,
};

use super::super::names;
use super::steps::{Steps, bytes, none_if_missing};
use super::{Plan, RecoveryError, Replay, Run, Skipped, extents};
use crate::io::{Block, Op, Output, WaitDisk};

/// One core's files.
pub struct CoreFiles {
    folder: PathBuf,
    checkpoint: Checkpoint,
    journals: BTreeMap<u64, Block>,
}

/// Records that are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub topic: String,
    pub partition: u32,
    /// The first offset lost, which is given out again.
    pub first: u64,
    /// The last that is known to have been there, when any is.
    pub last: Option<u64>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lost: {}-{} offsets {}-", self.topic, self.partition, self.first)?;
        match self.last {
            Some(last) => write!(f, "{last}"),
            None => write!(f, "? (acknowledged records may have followed)"),
        }
    }
}

/// What the journals say, by partition.
pub struct Replays<'j> {
    pub by_partition: BTreeMap<PartitionKey, Replay<'j>>,
    pub losses: Vec<Loss>,
}

/// Reads the checkpoint and all journal files of each core of the session that counts.
pub fn read_session<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    catalog: &CatalogFile,
) -> Result<Vec<CoreFiles>, RecoveryError> {
    if catalog.start_epoch == 0 {
        return Ok(Vec::new());
    }
    let folder = plan.layout.session(catalog.start_epoch);
    let listed = none_if_missing(steps.run(Op::List { path: folder.clone() }))?;
    let Some(Output::Names(found)) = listed else {
        return Err(RecoveryError::damage(&folder, "the session's folder is missing"));
    };
    let mut cores = Vec::new();
    for name in found.iter().filter(|n| n.is_dir && n.name.starts_with("core-")) {
        cores.push(read_core(steps, folder.join(&name.name), catalog.start_epoch)?);
    }
    if cores.is_empty() {
        return Err(RecoveryError::damage(&folder, "there is no core's folder in it"));
    }
    Ok(cores)
}

fn read_core<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    folder: PathBuf,
    start_epoch: u32,
) -> Result<CoreFiles, RecoveryError> {
    let mut newest: Option<Checkpoint> = None;
    let mut reasons = Vec::new();
    for slot in 0..2 {
        let path = names::checkpoint(&folder, slot);
        match steps.load(&path)?.map(|bytes| Checkpoint::decode(&bytes)) {
            Some(Ok(c)) if c.start_epoch == start_epoch => {
                if newest.as_ref().is_none_or(|n| n.sequence < c.sequence) {
                    newest = Some(c);
                }
            }
            Some(Ok(_)) => reasons.push("one is of another session".to_owned()),
            Some(Err(error)) => reasons.push(error.to_string()),
            None => reasons.push("one is missing".to_owned()),
        }
    }
    let Some(checkpoint) = newest else {
        let reason = format!("neither checkpoint can be read: {}", reasons.join("; "));
        return Err(RecoveryError::damage(&folder, reason));
    };
    let journals = read_journals(steps, &folder, checkpoint.journal.generation)?;
    Ok(CoreFiles { folder, checkpoint, journals })
}

/// Reads a core's journal files, save those whose use ended before `generation`: they hold nothing
/// that counts, as the first group of a later use would have replaced theirs.
fn read_journals<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    folder: &std::path::Path,
    generation: u64,
) -> Result<BTreeMap<u64, Block>, RecoveryError> {
    let Output::Names(found) = steps.run(Op::List { path: folder.to_owned() })? else {
        return Ok(BTreeMap::new());
    };
    let numbers: Vec<u64> = found.iter().filter_map(|n| names::journal_number(&n.name)).collect();
    let mut opened = Vec::new();
    for &number in &numbers {
        opened.push(steps.open(names::journal(folder, number))?);
    }
    let read = |file, len: u64| Op::Read { file, at: 0, into: Block::with_room(len as usize) };
    let heads = steps.all(opened.iter().map(|&(file, _)| read(file, GROUP_HEADER_LEN as u64)))?;
    let is_stale =
        |head: &Block| GroupHeader::decode(head).is_ok_and(|header| header.generation < generation);
    let lens = opened.iter().zip(heads).map(|(&(_, len), head)| match block(head) {
        head if is_stale(&head) => 0,
        _ => len,
    });
    let lens: Vec<u64> = lens.collect();
    let blocks = steps.all(opened.iter().zip(lens).map(|(&(file, _), len)| read(file, len)))?;
    steps.all(opened.iter().map(|&(file, _)| Op::Close { file }))?;
    Ok(numbers.into_iter().zip(blocks.into_iter().map(block)).collect())
}

fn block(output: Output) -> Block {
    match output {
        Output::Read(block) => block,
        other => panic!("read ended with {other:?}"),
    }
}

/// Sorts all entries that count by partition.
pub fn replays<'j, D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    cores: &'j [CoreFiles],
    plan: &Plan<'_>,
    catalog: &CatalogFile,
) -> Result<Replays<'j>, RecoveryError> {
    let mut by_partition = BTreeMap::new();
    let mut losses = Vec::new();
    for core in cores {
        for record in &core.checkpoint.partitions {
            let log_start = record.log_start;
            let replay = Replay { record: record.clone(), runs: Vec::new(), log_start };
            by_partition.insert(record.key, replay);
        }
        let mut walk = core.walk(plan)?;
        let last = walk.entries.last().map_or(0, |(at, _)| at.sequence);
        // It counts only if its extents are there; those of a group before it were acknowledged.
        let in_last = walk.entries.iter().filter(|(at, _)| at.sequence == last);
        if !extents::hold(steps, plan, catalog, in_last.map(|(_, entry)| entry))? {
            walk.entries.retain(|(at, _)| at.sequence != last);
        }
        let mut sorter = Sorter { by_partition: &mut by_partition, catalog, ends: BTreeMap::new() };
        for (at, entry) in &walk.entries {
            let place =
                format!("{} at {}", names::journal(&core.folder, at.file).display(), at.position);
            sorter.add(entry, &place, walk.is_damaged, &mut losses)?;
        }
    }
    Ok(Replays { by_partition, losses })
}

/// The entries of one core's journal, in order.
struct Walk<'j> {
    entries: Vec<(JournalStart, Entry<'j>)>,
    /// There was damage, and it was accepted.
    is_damaged: bool,
}

impl CoreFiles {
    fn walk(&self, plan: &Plan<'_>) -> Result<Walk<'_>, RecoveryError> {
        let mut walk = Walk { entries: Vec::new(), is_damaged: false };
        let mut at = self.checkpoint.journal;
        loop {
            match self.group_at(&at) {
                Ok(group) => self.take(&mut walk, &mut at, &group)?,
                Err(reason) => match self.later_group(&at) {
                    None => return Ok(walk),
                    Some((next, header)) if plan.accept_loss => {
                        walk.is_damaged = true;
                        at = next;
                        at.previous_crc = header.previous_crc;
                    }
                    Some((_, header)) => {
                        let path = names::journal(&self.folder, at.file);
                        let reason = format!(
                            "damaged at position {}: {reason}; group {} of journal {} says that it was acknowledged",
                            at.position,
                            header.sequence,
                            self.folder.display(),
                        );
                        return Err(RecoveryError::damage(&path, reason));
                    }
                },
            }
        }
    }

    fn take<'j>(
        &'j self,
        walk: &mut Walk<'j>,
        at: &mut JournalStart,
        group: &Group<'j>,
    ) -> Result<(), RecoveryError> {
        for entry in group.entries() {
            let entry = entry.map_err(|e| {
                let path = names::journal(&self.folder, at.file);
                RecoveryError::damage(&path, format!("group at {}: {e}", at.position))
            })?;
            walk.entries.push((*at, entry));
        }
        at.sequence += 1;
        at.previous_crc = group.header.header_crc;
        at.position += u64::from(group.header.group_len);
        if let Some(next) = group.header.successor {
            (at.file, at.generation, at.position) = (next.file, next.generation, 0);
        }
        Ok(())
    }

    /// The group that the journal goes on with, or why there is none.
    fn group_at(&self, at: &JournalStart) -> Result<Group<'_>, String> {
        let Some(file) = self.journals.get(&at.file) else {
            return Err("the file is missing".into());
        };
        let rest = file.get(at.position as usize..).unwrap_or_default();
        let group = Group::parse(rest).map_err(|e| e.to_string())?;
        let header = group.header;
        if canary!(ReplayStale, at.sequence - self.checkpoint.journal.sequence < 100) {
            return Ok(group);
        }
        let right = header.start_epoch == self.checkpoint.start_epoch
            && header.core == self.checkpoint.core
            && header.generation == at.generation
            && header.sequence == at.sequence
            && header.previous_crc == at.previous_crc;
        match right {
            true => Ok(group),
            false => Err(format!("the group there has sequence {}", header.sequence)),
        }
    }

    /// The first whole group behind `at` that says that the one at `at` had been acknowledged.
    fn later_group(&self, at: &JournalStart) -> Option<(JournalStart, GroupHeader)> {
        let mut best: Option<(JournalStart, GroupHeader)> = None;
        for (&file, bytes) in &self.journals {
            for position in (0..bytes.len()).step_by(GROUP_ALIGNMENT) {
                let Ok(h) = GroupHeader::decode(&bytes[position..]) else { continue };
                let counts = h.start_epoch == self.checkpoint.start_epoch
                    && h.core == self.checkpoint.core
                    && h.sequence > at.sequence
                    && h.acknowledged >= at.sequence;
                let is_next = counts && best.is_none_or(|(_, b)| h.sequence < b.sequence);
                // The costly check comes last: stale groups are many.
                if is_next && Group::parse(&bytes[position..]).is_ok() {
                    let place = JournalStart {
                        file,
                        generation: h.generation,
                        position: position as u64,
                        sequence: h.sequence,
                        previous_crc: h.previous_crc,
                    };
                    best = Some((place, h));
                }
            }
        }
        best
    }
}

/// Puts entries with their partitions.
struct Sorter<'s, 'j> {
    by_partition: &'s mut BTreeMap<PartitionKey, Replay<'j>>,
    catalog: &'s CatalogFile,
    /// Where each partition's entries end so far: segment and position; `None` once cut.
    ends: BTreeMap<PartitionKey, Option<(u64, u64)>>,
}

impl<'j> Sorter<'_, 'j> {
    fn add(
        &mut self,
        entry: &Entry<'j>,
        place: &str,
        is_damaged: bool,
        losses: &mut Vec<Loss>,
    ) -> Result<(), RecoveryError> {
        let Some(topic) = self.catalog.topics.iter().find(|t| t.id == entry.key.topic_id) else {
            return match self.catalog.tombstones.iter().any(|t| t.id == entry.key.topic_id) {
                true => Ok(()),
                false => Err(RecoveryError::Damage {
                    place: place.to_owned(),
                    reason: format!("topic {} is not in the catalog", entry.key.topic_id),
                }),
            };
        };
        let replay = self.by_partition.entry(entry.key).or_insert_with(|| Replay::new(entry.key));
        match entry.body {
            EntryBody::Dropped => {}
            EntryBody::LogStart { offset } => replay.log_start = replay.log_start.max(offset),
            EntryBody::Batches { segment_base: base, position, before, batches } => {
                let run = Run { base, position, before, bytes: batches, extent: None };
                self.add_run(entry.key, run, &topic.name, place, is_damaged, losses)?;
            }
            EntryBody::Extent(e) => {
                let extent = Some(Skipped { len: e.extent_len, headers: e.headers, tail: e.tail });
                let (base, position) = (e.segment_base, e.position);
                let run = Run { base, position, before: &[], bytes: e.head, extent };
                self.add_run(entry.key, run, &topic.name, place, is_damaged, losses)?;
            }
        }
        Ok(())
    }

    fn add_run(
        &mut self,
        key: PartitionKey,
        run: Run<'j>,
        topic: &str,
        place: &str,
        is_damaged: bool,
        losses: &mut Vec<Loss>,
    ) -> Result<(), RecoveryError> {
        let replay = self.by_partition.entry(key).or_insert_with(|| Replay::new(key));
        let record = &replay.record;
        let start = Some((record.segment_base, record.position));
        let end = self.ends.entry(key).or_insert(start);
        let follows = end.is_some_and(|(b, p)| {
            if b == run.base { p == run.position } else { b < run.base && run.position == 0 }
        });
        if follows {
            *end = Some((run.base, run.end()));
            replay.runs.push(run);
        } else if is_damaged {
            *end = None;
            replay.note_loss(&run, topic, losses);
        } else {
            let reason = format!(
                "an entry for {topic}-{} at {}/{} does not follow {end:?}",
                key.partition, run.base, run.position
            );
            return Err(RecoveryError::Damage { place: place.to_owned(), reason });
        }
        Ok(())
    }
}

impl Replay<'_> {
    /// Of a partition that no checkpoint knows: it was empty then.
    fn new(key: PartitionKey) -> Self {
        let record = empty_record(key);
        Replay { record, runs: Vec::new(), log_start: 0 }
    }

    /// The offset behind what can be replayed.
    pub(super) fn next(&self) -> u64 {
        let last = self.runs.last().and_then(|r| r.headers().last());
        last.map_or(self.record.recovery_point, |(_, h)| h.next_offset() as u64)
    }

    fn note_loss(&self, run: &Run<'_>, topic: &str, losses: &mut Vec<Loss>) {
        let (first, partition) = (self.next(), self.record.key.partition);
        let last = run.headers().last().map(|(_, h)| h.last_offset() as u64);
        let same = |l: &&mut Loss| l.topic == topic && l.partition == partition;
        match losses.iter_mut().find(same) {
            Some(loss) => loss.last = loss.last.max(last),
            None => losses.push(Loss { topic: topic.to_owned(), partition, first, last }),
        }
    }
}

/// The record of an empty partition.
pub fn empty_record(key: PartitionKey) -> PartitionRecord {
    PartitionRecord {
        key,
        recovery_point: 0,
        segment_base: 0,
        position: 0,
        log_start: 0,
        index: IndexState::default(),
        index_len: 0,
        time_index_len: 0,
        index_rest: Vec::new(),
        time_index_rest: Vec::new(),
        epochs: Vec::new(),
        producers: Vec::new(),
    }
}

/// What loading a partition's files brought, for those that are there.
pub fn optional_bytes(
    result: Result<Output, crate::io::DiskError>,
) -> Result<Option<Vec<u8>>, crate::io::DiskError> {
    Ok(none_if_missing(result)?.map(bytes))
}
