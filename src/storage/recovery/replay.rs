//! Writing what the journals hold to the segments, and coming to each partition's log.
//!
//! Every run past the recovery point is written to exactly the place that its entry names,
//! whatever stands there; segments past the recovery point that no entry names are removed, and
//! what lies behind the last byte of a segment that has a successor is cut. The newest segment
//! keeps the space that is reserved behind its end, as in a running server: cutting it, and
//! reserving it again, would cost a sync a partition. Then offsets, producers, epochs and indexes
//! are brought up to date from the headers of the batches that were written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use duramen_protocol::batch::{BatchHeader, HEADER_LEN};
use duramen_protocol::files::catalog::{CatalogFile, TopicRecord};
use duramen_protocol::files::index_builder::IndexBuilder;
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::segment::SegmentFile;

use super::super::log::{self, Log};
use super::super::producers::Producers;
use super::super::segment::{Naming, Phase, Segment, SegmentIndex};
use super::super::tail::BatchPlace;
use super::journals::empty_record;
use super::rewrite::{self, Rewrite};
use super::steps::Steps;
use super::{Folder, Plan, RecoveryError, Replay, Run};
use crate::config::topic::TopicConfig;
use crate::io::{FileId, Op, WaitDisk};

/// The logs, and how much was replayed.
pub struct Replayed {
    pub logs: Vec<Log>,
    pub bytes: u64,
}

/// Brings every partition's folder up to what the journals say.
pub fn run<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    catalog: &CatalogFile,
    mut replays: BTreeMap<PartitionKey, Replay<'_>>,
    folders: &BTreeMap<PartitionKey, Folder>,
    notes: &mut Vec<String>,
) -> Result<Replayed, RecoveryError> {
    let mut logs = Vec::new();
    let mut rewrites = Vec::new();
    let mut removals = Vec::new();
    let mut new_folders = BTreeSet::new();
    // Folders with names that may not be on stable storage yet.
    let mut renamed = BTreeSet::new();
    let mut bytes = 0;
    for topic in &catalog.topics {
        let config = Arc::new(topic_config(topic, notes));
        for partition in 0..topic.partitions {
            let key = PartitionKey { topic_id: topic.id, partition };
            let replay = replays.remove(&key).unwrap_or_else(|| Replay {
                record: empty_record(key),
                runs: Vec::new(),
                log_start: 0,
            });
            let Some(folder) = folders.get(&key) else { continue };
            check_recovery_point(&replay, folder)?;
            check_extents(&replay, folder)?;
            bytes += replay.runs.iter().map(Run::replayed_bytes).sum::<u64>();
            removals.extend(replay.removals(folder));
            if !canary!(TrustPastRecoveryPoint, replay.seems_there(folder)) {
                rewrites.extend(replay.rewrites(folder, plan.accept_loss, || steps.new_file()));
            }
            if replay.has_new_names() {
                new_folders.extend(folder.segments.is_empty().then(|| folder.path.clone()));
                renamed.insert(folder.path.clone());
            }
            logs.push(build_log(plan, &config, folder, &replay, steps.block_bytes())?);
        }
    }
    steps.all(new_folders.into_iter().map(|path| Op::MakeDir { path }))?;
    rewrite::run(steps, rewrites)?;
    steps.all(removals.into_iter().map(|path| Op::Unlink { path }))?;
    renamed.extend(store_all(steps, &mut logs)?);
    steps.all(renamed.into_iter().map(|path| Op::SyncDir { path }))?;
    // A killed server's folders may not have their names on stable storage yet.
    steps.sync_dir(plan.layout.data())?;
    Ok(Replayed { logs, bytes })
}

/// A configuration that a newer program wrote keeps its defaults where it isn't understood.
fn topic_config(topic: &TopicRecord, notes: &mut Vec<String>) -> TopicConfig {
    let mut config = TopicConfig::default();
    for (name, value) in &topic.configs {
        if let Err(error) = config.set(name, value) {
            notes.push(format!("topic {}: {error}; the default is used", topic.name));
        }
    }
    config
}

/// What the checkpoint says is in the segment must be there, unless retention has passed it.
fn check_recovery_point(replay: &Replay<'_>, folder: &Folder) -> Result<(), RecoveryError> {
    let record = &replay.record;
    if record.position == 0 || replay.log_start >= record.recovery_point {
        return Ok(());
    }
    let name = SegmentFile::Log.name(record.segment_base as i64);
    let path = folder.path.join(name);
    match folder.segments.get(&record.segment_base) {
        Some(&len) if len >= record.position => Ok(()),
        Some(len) => Err(RecoveryError::damage(
            &path,
            format!("{len} bytes long, but the checkpoint has {} bytes of it", record.position),
        )),
        None => Err(RecoveryError::damage(
            &path,
            format!("missing, but the checkpoint has {} bytes of it", record.position),
        )),
    }
}

/// What went straight to a segment and was acknowledged must be there.
fn check_extents(replay: &Replay<'_>, folder: &Folder) -> Result<(), RecoveryError> {
    for run in &replay.runs {
        let Some(range) = run.extent_range().filter(|_| !replay.is_gone(folder, run.base)) else {
            continue;
        };
        let len = folder.segments.get(&run.base).copied().unwrap_or(0);
        if len < range.end && range.end > range.start {
            let path = folder.path.join(SegmentFile::Log.name(run.base as i64));
            let reason = format!("{len} bytes long, but the journal has it to {}", range.end);
            return Err(RecoveryError::damage(&path, reason));
        }
    }
    Ok(())
}

impl<'j> Replay<'j> {
    /// The last segment, and its length, once all is written.
    fn end(&self) -> (u64, u64) {
        let last = self.runs.last().map(|r| (r.base, r.end()));
        last.unwrap_or((self.record.segment_base, self.record.position))
    }

    /// Whether retention has removed a segment that the journal still names.
    fn is_gone(&self, folder: &Folder, base: u64) -> bool {
        let next = self.runs.iter().map(|r| r.base).find(|&b| b > base);
        next.is_some_and(|next| next <= self.log_start) && !folder.segments.contains_key(&base)
    }

    /// Whether the files are long enough to hold everything already; no evidence of anything.
    #[cfg(test)]
    fn seems_there(&self, folder: &Folder) -> bool {
        let long = |r: &Run<'_>| folder.segments.get(&r.base).is_some_and(|&len| len >= r.end());
        self.runs.iter().all(long)
    }

    /// Files past the recovery point that no entry names.
    fn removals(&self, folder: &Folder) -> Vec<PathBuf> {
        let named = |base: u64| {
            base <= self.record.segment_base || self.runs.iter().any(|r| r.base == base)
        };
        let of = |map: &BTreeMap<u64, u64>, kind: SegmentFile| {
            let gone = map.keys().filter(|&&base| !named(base));
            gone.map(|&base| folder.path.join(kind.name(base as i64))).collect::<Vec<_>>()
        };
        let mut paths = of(&folder.segments, SegmentFile::Log);
        paths.extend(of(&folder.indexes, SegmentFile::OffsetIndex));
        paths.extend(of(&folder.time_indexes, SegmentFile::TimeIndex));
        // A kill may have left a part of one: what they hold is in the checkpoint and the journal.
        let point = self.record.recovery_point;
        let late = folder.snapshots.iter().filter(|&&offset| offset > point);
        paths.extend(late.map(|&o| folder.path.join(SegmentFile::Snapshot.name(o as i64))));
        paths
    }

    /// Whether a segment gets bytes whose name no checkpoint has made durable.
    fn has_new_names(&self) -> bool {
        let record = &self.record;
        let is_old = |run: &Run<'_>| run.base == record.segment_base && record.position > 0;
        !self.runs.iter().all(is_old)
    }

    /// What the segments' files get. Those that have a successor are cut to their length, and
    /// after a loss the newest too, so that nothing that was given up is found in it.
    fn rewrites(
        &self,
        folder: &Folder,
        after_loss: bool,
        mut new_file: impl FnMut() -> FileId,
    ) -> Vec<Rewrite<'j>> {
        let newest = self.end().0;
        let mut by_base: BTreeMap<u64, Vec<Run<'j>>> = BTreeMap::new();
        by_base.insert(self.record.segment_base, Vec::new());
        for run in &self.runs {
            by_base.entry(run.base).or_default().push(*run);
        }
        let mut rewrites = Vec::new();
        for (base, runs) in by_base {
            if self.is_gone(folder, base) {
                continue;
            }
            let end = runs.last().map_or(self.record.position, Run::end);
            let is_longer = folder.segments.get(&base).is_some_and(|&len| len > end);
            let must_cut = after_loss || base != newest;
            let cut = (must_cut && (is_longer || !runs.is_empty())).then_some(end);
            if cut.is_some() || !runs.is_empty() {
                let path = folder.path.join(SegmentFile::Log.name(base as i64));
                rewrites.push(Rewrite::new(path, new_file(), runs, cut));
            }
        }
        rewrites
    }
}

/// Completes the indexes of segments that were rolled since the checkpoint, and cuts off older,
/// longer ones. Returns the folders that this gave names to.
fn store_all<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    logs: &mut [Log],
) -> Result<BTreeSet<PathBuf>, RecoveryError> {
    let mut ops = Vec::new();
    let mut folders = BTreeSet::new();
    for log in logs {
        let path_of = |base: u64, kind: SegmentFile| log.folder_path.join(kind.name(base as i64));
        for segment in log.segments.iter_mut().filter(|s| s.index.must_store) {
            folders.insert(log.folder_path.clone());
            let (base, index) = (segment.base, &mut segment.index);
            index.must_store = false;
            let (data, times) = (index.pending_bytes(base), index.pending_time_bytes(base));
            let at = index.stored_more(data.len() as u32).into();
            let at_time = index.stored_more_times(times.len() as u32).into();
            ops.push(Op::Store { path: path_of(base, SegmentFile::OffsetIndex), at, data });
            let path = path_of(base, SegmentFile::TimeIndex);
            ops.push(Op::Store { path, at: at_time, data: times });
        }
    }
    steps.all(ops)?;
    Ok(folders)
}

impl<'j> Run<'j> {
    /// Position behind its last byte.
    pub fn end(&self) -> u64 {
        let skipped = self.extent.map_or(0, |e| e.len + e.tail.len() as u64);
        self.position + self.bytes.len() as u64 + skipped
    }

    /// Where bytes stand that only the segment has.
    pub fn extent_range(&self) -> Option<Range<u64>> {
        let start = self.position + self.bytes.len() as u64;
        self.extent.map(|e| start..start + e.len)
    }

    fn replayed_bytes(&self) -> u64 {
        (self.bytes.len() + self.extent.map_or(0, |e| e.tail.len())) as u64
    }

    /// The headers of its batches, each with its position in the segment. The journal's checksum
    /// has been checked; what doesn't parse ends it.
    pub fn headers(&self) -> impl Iterator<Item = (u64, BatchHeader)> + use<'j> {
        // Of a run with an extent they stand side by side in the journal.
        let listed = self.extent.map(|e| e.headers);
        let bytes = listed.unwrap_or(self.bytes);
        let (mut position, mut at) = (self.position, 0);
        std::iter::from_fn(move || {
            let header = BatchHeader::parse(bytes.get(at..)?).ok()?;
            let here = position;
            at += if listed.is_some() { HEADER_LEN } else { header.size_in_bytes() };
            position += header.size_in_bytes() as u64;
            Some((here, header))
        })
    }
}

/// The log of a partition, once everything is written.
fn build_log(
    plan: &Plan<'_>,
    config: &Arc<TopicConfig>,
    folder: &Folder,
    replay: &Replay<'_>,
    block_bytes: u64,
) -> Result<Log, RecoveryError> {
    let record = &replay.record;
    let mut log = Log::new(record.key, folder.path.clone(), config.clone());
    // One that isn't described yet is made again, as if it were missing.
    log.folder = if folder.described { log::Folder::Ready } else { log::Folder::Missing };
    log.producers = Producers::from_records(&record.producers, plan.now.wall_ms);
    log.epochs.clone_from(&record.epochs);
    log.next = record.recovery_point;
    log.segments = found_segments(folder, replay, config);
    for run in &replay.runs {
        apply_run(&mut log, run, config, plan.now.wall_ms);
    }
    log.durable = log.next;
    log.recovery_point = log.next;
    log.log_start = replay.log_start.min(log.next);
    let covered =
        |i: usize, log: &Log| log.segments.get(i + 1).is_some_and(|n| n.base <= log.log_start);
    while log.segments.len() > 1 && covered(0, &log) && log.segments[0].end == 0 {
        log.segments.pop_front();
    }
    log.segments.retain(|s| !replay.is_gone(folder, s.base));
    let (base, end) = replay.end();
    let last = log.active_mut();
    last.phase = Phase::Active;
    debug_assert!(last.base != base || last.end == end);
    let found = folder.segments.get(&last.base).copied().unwrap_or(0);
    let written = if replay.runs.is_empty() { 0 } else { last.end.next_multiple_of(block_bytes) };
    last.reserved = if plan.accept_loss { last.end } else { last.end.max(found).max(written) };
    log.prefix_due = !log.durable_segment().durable.is_multiple_of(block_bytes);
    Ok(log)
}

/// The segments up to the recovery point, as they are on disk.
fn found_segments(folder: &Folder, replay: &Replay<'_>, config: &TopicConfig) -> VecDeque<Segment> {
    let record = &replay.record;
    let interval = config.index_interval_bytes;
    let len_of = |map: &BTreeMap<u64, u64>, base: u64| {
        map.get(&base).map_or(0, |&len| u32::try_from(len).unwrap_or(u32::MAX))
    };
    let mut segments: VecDeque<Segment> = folder
        .segments
        .range(..record.segment_base)
        .map(|(&base, &len)| {
            let stored = len_of(&folder.indexes, base) / 8 * 8;
            let stored_time = len_of(&folder.time_indexes, base) / 12 * 12;
            let index = SegmentIndex::stored(IndexBuilder::new(interval), stored, stored_time);
            Segment::found(base, len, Phase::Sealed, index)
        })
        .collect();
    let builder = IndexBuilder::resume(interval, record.index);
    let stored = record.index_len.min(len_of(&folder.indexes, record.segment_base) / 8 * 8);
    let stored_time =
        record.time_index_len.min(len_of(&folder.time_indexes, record.segment_base) / 12 * 12);
    let mut index = SegmentIndex::stored(builder, stored, stored_time);
    index.resume(record.segment_base, &record.index_rest, &record.time_index_rest);
    let mut last = Segment::found(record.segment_base, record.position, Phase::Sealed, index);
    last.largest_timestamp = record.index.largest.map(|l| l.timestamp);
    segments.push_back(last);
    segments
}

fn apply_run(log: &mut Log, run: &Run<'_>, config: &TopicConfig, now_ms: i64) {
    if log.active().base != run.base {
        let rolled = log.active_mut();
        rolled.index.finish();
        rolled.index.must_store = true;
        log.segments.push_back(Segment::new(run.base, config.index_interval_bytes));
        log.active_mut().phase = Phase::Sealed;
    }
    for (position, header) in run.headers() {
        let base_offset = header.base_offset as u64;
        log.producers.apply(&header, base_offset, u64::MAX, now_ms);
        let epoch = header.leader_epoch as u32;
        if log.epochs.last().is_none_or(|e| e.0 < epoch) {
            log.epochs.push((epoch, base_offset));
        }
        log.next = header.next_offset() as u64;
        log.active_mut().index_batch(&BatchPlace {
            base_offset,
            last_offset: header.last_offset() as u64,
            position,
            len: header.size_in_bytes() as u32,
            max_timestamp: header.max_timestamp,
        });
    }
    let segment = log.active_mut();
    segment.naming = Naming::Durable;
    let end = run.end();
    // An extent was not looked at: its readers check it.
    if run.extent.is_none() {
        segment.trusted.add(run.position..end);
    }
    (segment.end, segment.grouped, segment.durable) = (end, end, end);
    (segment.materialised, segment.reserved) = (end, end);
}
