//! Single files: those that are small and stand for themselves, and files of segments that were
//! asked for by name.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use duramen_protocol::batch::HEADER_LEN;
use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::checkpoint::Checkpoint;
use duramen_protocol::files::segment::SegmentFile;
use duramen_protocol::files::{leader_epochs, partition_metadata};

use super::Verify;
use super::findings::Place;
use super::log::Log;
use super::own::WHOLE_BYTES_MAX;
use super::promise::{Data, Promise};
use super::segment::{SegmentCheck, SegmentPaths};
use crate::kind::Kind;
use crate::offsets;
use crate::source::{Access, Source};
use crate::tree::PartitionFolder;

impl Verify<'_> {
    /// A file that was asked for by itself.
    pub(super) fn single_file(&mut self, path: &Path) -> io::Result<()> {
        match self.kind_of(path) {
            Ok(Some((Kind::Segment(file), base_offset))) => {
                self.file_of_segment(path, file, base_offset)
            }
            Ok(Some((kind, _))) => self.file_of_kind(path, kind),
            Ok(None) => {
                let what = "not a kind of file that is known here, by name or by content";
                self.findings.could_not_look(path, &what)
            }
            Err(error) => self.findings.could_not_look(path, &error),
        }
    }

    /// One of the files beside others, whose name tells its kind.
    pub(super) fn small_file(&mut self, path: &Path) -> io::Result<()> {
        match Kind::of_name(path) {
            Some((kind, _)) => self.file_of_kind(path, kind),
            None => Ok(()),
        }
    }

    pub(super) fn kind_of(&self, path: &Path) -> io::Result<Option<(Kind, Option<i64>)>> {
        let mut source = Source::open(path, Access::Read)?;
        Ok(match Kind::of_name(path) {
            Some(found) => Some(found),
            None => Kind::of_content(source.read(0, HEADER_LEN)?).map(|kind| (kind, None)),
        })
    }

    fn file_of_kind(&mut self, path: &Path, kind: Kind) -> io::Result<()> {
        match kind {
            Kind::LeaderEpochs => self.text(path, |text| leader_epochs::decode(text).map(drop)),
            Kind::PartitionMetadata => {
                self.text(path, |text| partition_metadata::decode(text).map(drop))
            }
            Kind::PartitionOffsets => self.text(path, |text| offsets::decode(text).map(drop)),
            Kind::Properties => self.text(path, |_| Ok::<_, String>(())),
            Kind::Checkpoint => self.whole(path, |bytes| Checkpoint::decode(bytes).map(drop)),
            Kind::Catalog => self.whole(path, |bytes| CatalogFile::decode(bytes).map(drop)),
            Kind::Journal => self.journal_file(path),
            Kind::Segment(_) => Ok(()),
        }
    }

    fn whole<E: Display>(
        &mut self,
        path: &Path,
        check: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> io::Result<()> {
        let place = Place { path, position: 0, offset: None };
        let mut source = match Source::open(path, Access::Read) {
            Ok(source) => source,
            Err(error) => return self.findings.not_opened(path, &error),
        };
        match source.read_whole(WHOLE_BYTES_MAX).map(check) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => self.findings.damage(place, error),
            Err(error) => self.findings.unreadable(place, &error),
        }
    }

    fn text<E: Display>(
        &mut self,
        path: &Path,
        check: impl FnOnce(&str) -> Result<(), E>,
    ) -> io::Result<()> {
        self.whole(path, |bytes| {
            let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
            check(text).map_err(|error| error.to_string())
        })
    }

    /// A segment or one of its indexes: an index is held against the segment beside it, which then
    /// is walked over as well.
    fn file_of_segment(
        &mut self,
        path: &Path,
        file: SegmentFile,
        base_offset: Option<i64>,
    ) -> io::Result<()> {
        let Some(base_offset) = base_offset else {
            return match file {
                SegmentFile::Log => self.segment_alone(path, 0, SegmentPaths::of_log(path)),
                _ => {
                    let what = "its name must tell the segment's base offset: twenty digits";
                    self.findings.could_not_look(path, &what)
                }
            };
        };
        let log = path.with_file_name(SegmentFile::Log.name(base_offset));
        let mut paths = SegmentPaths::of_log(&log);
        match file {
            SegmentFile::Log => paths.log = path,
            SegmentFile::OffsetIndex => paths.offset_index = Some(path),
            SegmentFile::TimeIndex => paths.time_index = Some(path),
            SegmentFile::TxnIndex => paths.txn_index = Some(path),
            SegmentFile::Snapshot => {
                let promise = promise_around(path)?;
                return self.snapshot(path, base_offset, false, promise, &Log::new(Vec::new()));
            }
        }
        self.segment_alone(path, base_offset, paths)
    }

    fn segment_alone(
        &mut self,
        path: &Path,
        base_offset: i64,
        paths: SegmentPaths<'_>,
    ) -> io::Result<()> {
        let promise = promise_around(path)?;
        let folder = folder_of(path)?;
        let is_newest = PartitionFolder::list(&folder).is_ok_and(|folder| {
            folder.logs().next_back().is_none_or(|newest| newest <= base_offset)
        });
        let mut log = Log::new(Vec::new());
        let check = SegmentCheck::open(
            &paths,
            base_offset,
            is_newest,
            promise,
            &mut log,
            &mut self.findings,
        )?;
        match Source::open(paths.log, Access::Read) {
            Ok(source) => check.run(source),
            Err(error) => {
                drop(check);
                self.findings.could_not_look(paths.log, &error)
            }
        }
    }
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default())
}

/// What is promised of the partition that a file belongs to.
fn promise_around(path: &Path) -> io::Result<Promise> {
    let folder = folder_of(path)?;
    Ok(Data::around(&folder).promise(&folder))
}
