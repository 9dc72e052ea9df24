//! A partition: its segments one after another, and the files beside them.

use std::io;
use std::path::{Path, PathBuf};

use duramen_protocol::files::segment::SegmentFile;
use duramen_protocol::files::{leader_epochs, producer_snapshot};

use super::Verify;
use super::findings::Place;
use super::log::Log;
use super::own::{OwnState, WHOLE_BYTES_MAX};
use super::promise::{Data, Promise};
use super::segment::{INDEXES, SegmentCheck, SegmentPaths};
use crate::kind;
use crate::source::{Access, Source};
use crate::tree::PartitionFolder;

impl Verify<'_> {
    /// Everything in a partition's folder.
    pub(super) fn partition(&mut self, path: &Path, data: &Data) -> io::Result<()> {
        // Before the folder is listed: the promise may only be older than what it is held against.
        let promise = data.promise(path);
        let folder = match PartitionFolder::list(path) {
            Ok(folder) => folder,
            Err(error) => return self.findings.not_opened(path, &error),
        };
        for unknown in &folder.unknown {
            let leftover = kind::leftover(&unknown.to_string_lossy());
            self.findings.note_file(unknown, leftover.unwrap_or("unknown file"))?;
        }
        for file in &folder.files {
            self.small_file(file)?;
        }
        let mut log = Log::new(epochs_of(path, data));
        let bases: Vec<i64> = folder.logs().collect();
        for (&base_offset, files) in &folder.segments {
            let follower = bases.iter().copied().find(|&base| base > base_offset);
            if files.contains(&SegmentFile::Snapshot) {
                let is_end = base_offset > bases.last().copied().unwrap_or(0);
                self.snapshot(
                    &path.join(SegmentFile::Snapshot.name(base_offset)),
                    base_offset,
                    is_end,
                    promise,
                    &log,
                )?;
            }
            match files.contains(&SegmentFile::Log) {
                true => self.segment(path, base_offset, files, follower, promise, &mut log)?,
                false => self.without_log(path, base_offset, files)?,
            }
        }
        self.end_of_log(path, &bases, promise, &log)?;
        match data {
            Data::Own(own) => self.in_catalog(path, own, bases.first().copied()),
            Data::Kafka(_) => Ok(()),
        }
    }

    /// What the catalog and the checkpoints have of a partition of ours.
    fn in_catalog(
        &mut self,
        path: &Path,
        own: &OwnState,
        first_base: Option<i64>,
    ) -> io::Result<()> {
        if !own.has_topic_of(path) {
            let what = "the catalog has no such topic; the server moves the folder aside";
            return self.findings.note_file(path, what);
        }
        let Some(first_base) = first_base else { return Ok(()) };
        let is_behind = |start: Option<i64>| start.filter(|start| *start < first_base);
        if is_behind(own.checkpointed_log_start(path)).is_none() {
            return Ok(());
        }
        // Retention moves the log start, durably, before it deletes: the journal has it by now.
        let Data::Own(now) = Data::around(path) else { return Ok(()) };
        if let Some(start) = is_behind(now.log_start(path)) {
            let place = Place { path, position: 0, offset: Some(start) };
            let reason =
                format_args!("the first segment starts at {first_base}, offsets are missing");
            return self.findings.damage(place, reason);
        }
        Ok(())
    }

    fn segment(
        &mut self,
        folder: &Path,
        base_offset: i64,
        files: &[SegmentFile],
        follower: Option<i64>,
        promise: Promise,
        log: &mut Log,
    ) -> io::Result<()> {
        let path = |file: SegmentFile| folder.join(file.name(base_offset));
        let existing = |file| files.contains(&file).then(|| path(file));
        for file in [SegmentFile::OffsetIndex, SegmentFile::TimeIndex] {
            // Duramen writes a segment's indexes with the first checkpoint that reaches it.
            let is_due = promise.index_excused_from(base_offset, file) > 0;
            if is_due && !files.contains(&file) {
                self.findings.note_file(&path(file), "missing; the server rebuilds it")?;
            }
        }
        let (log_path, [offset_index, time_index, txn_index]) =
            (path(SegmentFile::Log), INDEXES.map(existing));
        let paths = SegmentPaths {
            log: &log_path,
            offset_index: offset_index.as_deref(),
            time_index: time_index.as_deref(),
            txn_index: txn_index.as_deref(),
            is_all: true,
        };
        let is_newest = follower.is_none();
        let check =
            SegmentCheck::open(&paths, base_offset, is_newest, promise, log, &mut self.findings)?;
        let access = if promise.is_sealed(follower) { Access::Map } else { Access::Read };
        match Source::open(&log_path, access) {
            Ok(source) => check.run(source),
            Err(error) => {
                drop(check);
                log.next_offset = None;
                log.forget_producers();
                self.findings.not_opened(&log_path, &error)
            }
        }
    }

    /// Files whose segment is not there: only snapshots have a right to be alone.
    fn without_log(
        &mut self,
        folder: &Path,
        base_offset: i64,
        files: &[SegmentFile],
    ) -> io::Result<()> {
        for file in files.iter().filter(|file| **file != SegmentFile::Snapshot) {
            self.findings
                .note_file(&folder.join(file.name(base_offset)), "has no segment beside it")?;
        }
        Ok(())
    }

    /// A snapshot, held against the log if the walk stands where it was taken.
    pub(super) fn snapshot(
        &mut self,
        path: &Path,
        base_offset: i64,
        is_end: bool,
        promise: Promise,
        log: &Log,
    ) -> io::Result<()> {
        let place = Place { path, position: 0, offset: Some(base_offset) };
        let mut source = match Source::open(path, Access::Read) {
            Ok(source) => source,
            Err(error) => return self.findings.not_opened(path, &error),
        };
        let entries = match source.read_whole(WHOLE_BYTES_MAX).map(producer_snapshot::decode) {
            Ok(Ok(entries)) => entries,
            Ok(Err(error)) => {
                let is_damage = promise.vouches_for_snapshot(base_offset);
                return self.findings.damage_if(is_damage, place, error);
            }
            Err(error) => return self.findings.unreadable(place, &error),
        };
        for entry in &entries {
            if entry.last_offset >= base_offset {
                let reason = format_args!(
                    "producer {} has last offset {}, not before the snapshot's own",
                    entry.producer_id, entry.last_offset
                );
                self.findings.damage(place, reason)?;
            }
        }
        if is_end && log.next_offset.is_some_and(|next| next < base_offset) {
            return self.findings.note(place, "taken behind the end of the log");
        }
        if log.next_offset == Some(base_offset) {
            for reason in entries.iter().filter_map(|entry| log.contradiction(entry)) {
                self.findings.damage(place, reason)?;
            }
        }
        Ok(())
    }

    /// Nothing below the recovery point may be missing at the end.
    fn end_of_log(
        &mut self,
        path: &Path,
        bases: &[i64],
        promise: Promise,
        log: &Log,
    ) -> io::Result<()> {
        let Some(&newest) = bases.last() else {
            return self.findings.note_file(path, "no segments");
        };
        if let (Some(point), Some(next)) = (promise.recovery_point(), log.next_offset)
            && next < point
        {
            let path: PathBuf = path.join(SegmentFile::Log.name(newest));
            let position = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            let place = Place { path: &path, position, offset: Some(next) };
            let reason = format_args!("the log ends here, below its recovery point {point}");
            return self.findings.damage(place, reason);
        }
        Ok(())
    }
}

/// The leader epochs of a partition, as far as they can be read. After a kill Duramen's own checkpoint
/// may know of newer ones than the partition's file.
fn epochs_of(folder: &Path, data: &Data) -> Vec<leader_epochs::EpochStart> {
    let read = || {
        let mut source = Source::open(&folder.join(leader_epochs::FILE_NAME), Access::Read).ok()?;
        let text = std::str::from_utf8(source.read_whole(WHOLE_BYTES_MAX).ok()?).ok()?;
        leader_epochs::decode(text).ok()
    };
    let mut epochs: Vec<leader_epochs::EpochStart> = read().unwrap_or_default();
    if let Data::Own(own) = data {
        let newest = epochs.last().map_or(-1, |last| last.epoch);
        epochs.extend(own.epochs(folder).into_iter().filter(|row| row.epoch > newest));
    }
    epochs
}
