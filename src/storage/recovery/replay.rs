//! Writing what the journals hold to the segments, and coming to each partition's log.
//!
//! Every run past the recovery point is written to exactly the place that its entry names,
//! whatever stands there; segments past the recovery point that no entry names are removed, and
//! what lies behind the last byte is cut. Then offsets, producers, epochs and indexes are brought
//! up to date from the headers of the batches that were written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::catalog::{CatalogFile, TopicRecord};
use duramen_protocol::files::index_builder::IndexBuilder;
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::files::segment::SegmentFile;

use super::super::log::{self, Log};
use super::super::producers::Producers;
use super::super::segment::{Phase, Segment, SegmentIndex};
use super::super::store::Canary;
use super::super::tail::BatchPlace;
use super::journals::empty_record;
use super::steps::Steps;
use super::{Folder, Plan, RecoveryError, Replay, Run};
use crate::config::topic::TopicConfig;
use crate::io::{Block, FileId, Mode, Op, WaitDisk};
use crate::limits;

/// The logs, and how much was replayed.
pub struct Replayed {
    pub logs: Vec<Log>,
    pub bytes: u64,
}

/// One segment that gets bytes.
struct Rewrite<'j> {
    path: PathBuf,
    file: FileId,
    runs: Vec<Run<'j>>,
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
    let mut cuts = Vec::new();
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
            bytes += replay.runs.iter().map(|r| r.bytes.len() as u64).sum::<u64>();
            removals.extend(replay.removals(folder));
            cuts.extend(replay.cut(folder));
            if plan.canary != Some(Canary::TrustPastRecoveryPoint) || !replay.seems_there(folder) {
                rewrites.extend(replay.rewrites(folder, || steps.new_file()));
            }
            logs.push(build_log(plan, &config, folder, &replay, steps.block_bytes())?);
        }
    }
    write_all(steps, &mut rewrites)?;
    cut_all(steps, cuts)?;
    steps.all(removals.into_iter().map(|path| Op::Unlink { path }))?;
    store_all(steps, &mut logs)?;
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

impl<'j> Replay<'j> {
    /// The last segment, and its length, once all is written.
    fn end(&self) -> (u64, u64) {
        let last = self.runs.last().map(|r| (r.base, r.position + r.bytes.len() as u64));
        last.unwrap_or((self.record.segment_base, self.record.position))
    }

    /// Whether the files are long enough to hold everything already; no evidence of anything.
    fn seems_there(&self, folder: &Folder) -> bool {
        let end = |r: &Run<'_>| r.position + r.bytes.len() as u64;
        self.runs.iter().all(|r| folder.segments.get(&r.base).is_some_and(|&len| len >= end(r)))
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

    /// Lengths that segments must be cut to: those that get bytes, and the last.
    fn cut(&self, folder: &Folder) -> Vec<(PathBuf, u64)> {
        let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
        ends.insert(self.record.segment_base, self.record.position);
        for run in &self.runs {
            ends.insert(run.base, run.position + run.bytes.len() as u64);
        }
        let wrong = ends.into_iter().filter(|(base, end)| {
            let touched = self.runs.iter().any(|r| r.base == *base);
            let len = folder.segments.get(base);
            touched || len.is_some_and(|len| len > end)
        });
        wrong
            .map(|(base, end)| (folder.path.join(SegmentFile::Log.name(base as i64)), end))
            .collect()
    }

    fn rewrites(&self, folder: &Folder, mut file: impl FnMut() -> FileId) -> Vec<Rewrite<'j>> {
        let mut by_base: BTreeMap<u64, Vec<Run<'j>>> = BTreeMap::new();
        for run in &self.runs {
            by_base.entry(run.base).or_default().push(*run);
        }
        let rewrite = |(base, runs)| {
            let path = folder.path.join(SegmentFile::Log.name(base as i64));
            Rewrite { path, file: file(), runs }
        };
        by_base.into_iter().map(rewrite).collect()
    }
}

fn write_all<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    rewrites: &mut [Rewrite<'_>],
) -> Result<(), RecoveryError> {
    let folders: std::collections::BTreeSet<PathBuf> =
        rewrites.iter().filter_map(|r| r.path.parent().map(PathBuf::from)).collect();
    steps.all(folders.into_iter().map(|path| Op::MakeDir { path }))?;
    // A bounded number of files is open at once.
    for some in rewrites.chunks_mut(limits::RECOVERY_OPEN_FILES) {
        let opens = some.iter().map(|r| Op::Open {
            file: r.file,
            path: r.path.clone(),
            mode: Mode::Durable,
        });
        steps.all(opens.collect::<Vec<_>>())?;
        let mut heads = Vec::new();
        for rewrite in some.iter() {
            heads.push(rewrite.head(steps)?);
        }
        let block_bytes = steps.block_bytes();
        let writes = some.iter().zip(&heads).flat_map(|(r, head)| r.writes(head, block_bytes));
        steps.all(writes)?;
        steps.all(some.iter().map(|r| Op::Close { file: r.file }))?;
    }
    Ok(())
}

impl Rewrite<'_> {
    /// The bytes of the first run's block that precede it: from the journal, which brings them
    /// with the first entry past a recovery point.
    fn head<D: WaitDisk>(&self, steps: &mut Steps<'_, D>) -> Result<Vec<u8>, RecoveryError> {
        let first = &self.runs[0];
        let inside = first.position % steps.block_bytes();
        if first.before.len() as u64 == inside {
            return Ok(first.before.to_vec());
        }
        let at = first.position - inside;
        let read = steps.read(self.file, at, inside)?;
        if read.len() as u64 != inside {
            let reason = format!("{} of {inside} bytes at {at}", read.len());
            return Err(RecoveryError::damage(&self.path, reason));
        }
        Ok(read.to_vec())
    }

    /// Whole blocks from the start of the first run's block to the end of the last run, the last
    /// one filled with zeroes. Made as they are asked for.
    fn writes(&self, head: &[u8], block_bytes: u64) -> impl Iterator<Item = Op> + use<'_> {
        let file = self.file;
        let mut at = self.runs[0].position - head.len() as u64;
        let mut carry = head.to_vec();
        let mut rest: Vec<&[u8]> = self.runs.iter().map(|r| r.bytes).rev().collect();
        let most = limits::MATERIALISE_WRITE_BYTES as usize;
        std::iter::from_fn(move || {
            let left = carry.len() + rest.iter().map(|b| b.len()).sum::<usize>();
            if left == 0 {
                return None;
            }
            let mut block = Block::new(left.min(most).next_multiple_of(block_bytes as usize));
            block.append(&std::mem::take(&mut carry));
            while let Some(bytes) = rest.pop() {
                let n = block.append(bytes);
                if n < bytes.len() {
                    rest.push(&bytes[n..]);
                    break;
                }
            }
            let len = block.len().next_multiple_of(block_bytes as usize);
            block.append_zeroes(len - block.len());
            let op = Op::Write { file, at, data: vec![block.slice(0..len)] };
            at += len as u64;
            Some(op)
        })
    }
}

fn cut_all<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    cuts: Vec<(PathBuf, u64)>,
) -> Result<(), RecoveryError> {
    for some in cuts.chunks(limits::RECOVERY_OPEN_FILES) {
        let files: Vec<FileId> = some.iter().map(|_| steps.new_file()).collect();
        let opens = some.iter().zip(&files).map(|((path, _), &file)| Op::Open {
            file,
            path: path.clone(),
            mode: Mode::Durable,
        });
        steps.all(opens.collect::<Vec<_>>())?;
        let cuts = some.iter().zip(&files).map(|(&(_, len), &file)| Op::SetLen { file, len });
        steps.all(cuts.collect::<Vec<_>>())?;
        steps.all(files.iter().map(|&file| Op::Close { file }))?;
    }
    Ok(())
}

/// Stores the indexes' new entries, cuts off older, longer ones, and syncs the folders.
fn store_all<D: WaitDisk>(steps: &mut Steps<'_, D>, logs: &mut [Log]) -> Result<(), RecoveryError> {
    let mut ops = Vec::new();
    let mut folders = Vec::new();
    for log in logs.iter_mut().filter(|l| l.segments.iter().any(|s| s.index.must_store)) {
        folders.push(log.folder_path.clone());
        let paths: Vec<[PathBuf; 2]> = log
            .segments
            .iter()
            .map(|s| {
                [SegmentFile::OffsetIndex, SegmentFile::TimeIndex].map(|k| log.path(s.base, k))
            })
            .collect();
        for (segment, [path, time_path]) in log.segments.iter_mut().zip(paths) {
            if !segment.index.must_store {
                continue;
            }
            segment.index.must_store = false;
            let index = &mut segment.index;
            let (data, times) =
                (index.pending_bytes(segment.base), index.pending_time_bytes(segment.base));
            let (at, at_time) = (index.stored_len.into(), index.stored_time_len.into());
            index.stored_more(data.len() as u32);
            index.stored_more_times(times.len() as u32);
            ops.push(Op::Store { path, at, data });
            ops.push(Op::Store { path: time_path, at: at_time, data: times });
        }
    }
    steps.all(ops)?;
    steps.all(folders.into_iter().map(|path| Op::SyncDir { path }))?;
    Ok(())
}

impl<'j> Run<'j> {
    /// The headers of its batches, each with its position in the segment. The journal's checksum
    /// has been checked; what doesn't parse ends it.
    pub fn headers(&self) -> impl Iterator<Item = (u64, BatchHeader)> + use<'j> {
        let (bytes, start) = (self.bytes, self.position);
        let mut at = 0;
        std::iter::from_fn(move || {
            let header = BatchHeader::parse(bytes.get(at..)?).ok()?;
            let position = start + at as u64;
            at += header.size_in_bytes();
            Some((position, header))
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
    // Likewise the names in the folder: the first checkpoint syncs them.
    log.names_changed = folder.exists;
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
    let (base, end) = replay.end();
    let last = log.active_mut();
    last.phase = Phase::Active;
    debug_assert!(last.base != base || last.end == end);
    log.prefix_due = !log.durable_segment().durable.is_multiple_of(block_bytes);
    Ok(log)
}

/// The segments up to the recovery point, as they are on disk.
fn found_segments(
    folder: &Folder,
    replay: &Replay<'_>,
    config: &TopicConfig,
) -> std::collections::VecDeque<Segment> {
    let record = &replay.record;
    let interval = config.index_interval_bytes;
    let len_of = |map: &BTreeMap<u64, u64>, base: u64| {
        map.get(&base).map_or(0, |&len| u32::try_from(len).unwrap_or(u32::MAX))
    };
    let mut segments: std::collections::VecDeque<Segment> = folder
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
    let index = SegmentIndex::stored(builder, stored, stored_time);
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
    let end = run.position + run.bytes.len() as u64;
    segment.trusted.add(run.position..end);
    segment.index.must_store = true;
    (segment.end, segment.grouped, segment.durable) = (end, end, end);
    (segment.materialised, segment.reserved) = (end, end);
}
