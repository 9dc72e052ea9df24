//! `duramen dump`: what is in files, line by line.
//!
//! A dump shows what is there, damage included: a bad stretch stands in its place among the rest,
//! and the dump goes on behind it. It judges nothing but checksums; whether files fit together is
//! for [`verify`](crate::verify) to say.
//!
//! Each kind of file has a module that walks over it; the lines go through a `Printer`, which
//! makes text or JSON of them.

mod entries;
mod json;
mod own;
mod segment;
mod text;

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use duramen_protocol::batch::{BatchHeader, HEADER_LEN, Record};
use duramen_protocol::files::segment::SegmentFile;

use crate::control::Control;
use crate::kind::Kind;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::scan::{Bad, BadKind, Batch};
use crate::source::{Access, Source};
use crate::tree::{self, PartitionFolder, Target};
use crate::value::Value;

/// Lines are handed on once they are so many bytes.
const BUFFER_BYTES: usize = 1 << 16;

/// What to show, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// JSON, an object a line, rather than text.
    pub json: bool,
    /// Each record as well as each batch. JSON always has them.
    pub records: bool,
    /// Only batches and index entries that touch these offsets.
    pub offsets: RangeInclusive<i64>,
    /// A bar on standard error. For when that is a terminal and the output goes elsewhere.
    pub progress: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { json: false, records: false, offsets: i64::MIN..=i64::MAX, progress: false }
    }
}

/// Dumps files, partitions' folders and data folders to `out`. What can't be looked at is told on
/// `err`, and the rest goes on.
///
/// # Errors
/// If `out` or `err` can't be written to.
pub fn run(
    paths: &[PathBuf],
    options: &Options,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Outcome> {
    let mut dump = Dump {
        options,
        printer: match options.json {
            true => Box::new(json::JsonPrinter),
            false => Box::<text::TextPrinter>::default(),
        },
        lines: Vec::new(),
        out,
        err,
        outcome: Outcome::Whole,
        progress: Progress::new(
            options.progress,
            paths.iter().map(|path| tree::bytes_in(path)).sum(),
        ),
    };
    for path in paths {
        dump.path(path)?;
    }
    dump.flush()?;
    Ok(dump.outcome)
}

/// Names and values of a line.
type Fields<'f, 'v> = &'f [(&'static str, Value<'v>)];

/// Makes lines.
trait Printer {
    /// What follows is in this file.
    fn file(&mut self, out: &mut Vec<u8>, file: &FileItem<'_>);
    /// A batch, and what its first record says if it is a control batch.
    fn batch(&mut self, out: &mut Vec<u8>, batch: &Batch<'_>, control: Option<Control>);
    /// A record of the batch that came last.
    fn record(
        &mut self,
        out: &mut Vec<u8>,
        batch: &BatchHeader,
        record: &Record<'_>,
        control: Option<Control>,
    );
    /// Anything else.
    fn row(&mut self, out: &mut Vec<u8>, kind: &'static str, fields: Fields<'_, '_>);
    /// A stretch that can't be understood.
    fn bad(&mut self, out: &mut Vec<u8>, file: &FileItem<'_>, bad: &Bad);
}

/// The file at hand.
struct FileItem<'a> {
    path: &'a Path,
    kind: Kind,
    base_offset: Option<i64>,
    len: u64,
}

/// A run under way.
struct Dump<'a> {
    options: &'a Options,
    printer: Box<dyn Printer>,
    lines: Vec<u8>,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    outcome: Outcome,
    progress: Progress,
}

impl Dump<'_> {
    fn path(&mut self, path: &Path) -> io::Result<()> {
        let target = match Target::of(path) {
            Ok(target) => target,
            Err(error) => return self.could_not_look(path, &error),
        };
        match target {
            Target::File(path) => self.file(&path, Access::Read),
            Target::Partition(path) => self.partition(&path),
            Target::Own(path) => self.own_folder(&path),
            Target::Data(data) => {
                for file in &data.files {
                    self.file(file, Access::Read)?;
                }
                if let Some(own) = &data.own {
                    self.own_folder(own)?;
                }
                for partition in &data.partitions {
                    self.partition(partition)?;
                }
                Ok(())
            }
        }
    }

    fn partition(&mut self, path: &Path) -> io::Result<()> {
        let folder = match PartitionFolder::list(path) {
            Ok(folder) => folder,
            Err(error) => return self.could_not_look(path, &error),
        };
        let bases: Vec<i64> = folder.segments.keys().copied().collect();
        for (i, (&base_offset, files)) in folder.segments.iter().enumerate() {
            let next_base = bases.get(i + 1).copied().unwrap_or(i64::MAX);
            if !self.wants(base_offset, next_base.saturating_sub(1)) {
                continue;
            }
            for &file in files {
                let is_sealed =
                    file == SegmentFile::Log && folder.logs().next_back() > Some(base_offset);
                let access = if is_sealed { Access::Map } else { Access::Read };
                self.file(&path.join(file.name(base_offset)), access)?;
            }
        }
        for file in &folder.files {
            self.file(file, Access::Read)?;
        }
        Ok(())
    }

    fn own_folder(&mut self, path: &Path) -> io::Result<()> {
        match tree::own_files(path) {
            Ok(files) => files.iter().try_for_each(|file| self.own_file(file)),
            Err(error) => self.could_not_look(path, &error),
        }
    }

    fn file(&mut self, path: &Path, access: Access) -> io::Result<()> {
        match Source::open(path, access).and_then(|source| self.file_of_some_kind(path, source)) {
            Ok(Some((file, source))) => self.content(&file, source),
            // Retention took it after the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.flush()?;
                self.progress
                    .aside(|| writeln!(self.err, "note: {}: gone meanwhile", path.display()))
            }
            Ok(None) => {
                let what = "not a kind of file that is known here, by name or by content";
                self.could_not_look(path, &io::Error::new(io::ErrorKind::InvalidData, what))
            }
            Err(error) => self.could_not_look(path, &error),
        }
    }

    fn file_of_some_kind<'p>(
        &self,
        path: &'p Path,
        mut source: Source,
    ) -> io::Result<Option<(FileItem<'p>, Source)>> {
        let Some((kind, base_offset)) = (match Kind::of_name(path) {
            Some(found) => Some(found),
            None => Kind::of_content(source.read(0, HEADER_LEN)?).map(|kind| (kind, None)),
        }) else {
            return Ok(None);
        };
        let len = source.len();
        Ok(Some((FileItem { path, kind, base_offset, len }, source)))
    }

    fn content(&mut self, file: &FileItem<'_>, source: Source) -> io::Result<()> {
        self.printer.file(&mut self.lines, file);
        match file.kind {
            Kind::Segment(SegmentFile::Log) => self.segment(file, source),
            Kind::Segment(SegmentFile::OffsetIndex) => self.offset_index(file, source),
            Kind::Segment(SegmentFile::TimeIndex) => self.time_index(file, source),
            Kind::Segment(SegmentFile::TxnIndex) => self.txn_index(file, source),
            Kind::Segment(SegmentFile::Snapshot) => self.snapshot(file, source),
            Kind::LeaderEpochs => self.leader_epochs(file, source),
            Kind::PartitionMetadata => self.partition_metadata(file, source),
            Kind::PartitionOffsets => self.partition_offsets(file, source),
            Kind::Properties => self.properties(file, source),
            Kind::Journal => self.journal(file, source),
            Kind::Checkpoint => self.checkpoint(file, source),
            Kind::Catalog => self.catalog(file, source),
        }
    }

    /// A line that is neither batch nor record.
    fn row(&mut self, kind: &'static str, fields: Fields<'_, '_>) -> io::Result<()> {
        self.printer.row(&mut self.lines, kind, fields);
        self.line_done()
    }

    fn bad(&mut self, file: &FileItem<'_>, bad: &Bad) -> io::Result<()> {
        if bad.kind == BadKind::Damaged {
            self.outcome = self.outcome.and(Outcome::Damaged);
        }
        self.printer.bad(&mut self.lines, file, bad);
        self.line_done()
    }

    /// Reading failed at `position`: the rest of the file is left out.
    fn unreadable(
        &mut self,
        file: &FileItem<'_>,
        position: u64,
        error: &io::Error,
    ) -> io::Result<()> {
        let what = format!("position {position}: {error}; the rest of the file is left out");
        self.could_not_look(file.path, &io::Error::new(error.kind(), what))
    }

    fn could_not_look(&mut self, path: &Path, error: &io::Error) -> io::Result<()> {
        self.outcome = self.outcome.and(Outcome::CouldNotLook);
        self.flush()?;
        self.progress.aside(|| writeln!(self.err, "{}: {error}", path.display()))
    }

    fn line_done(&mut self) -> io::Result<()> {
        if self.lines.len() < BUFFER_BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.lines).and_then(|()| self.out.flush());
        self.lines.clear();
        written
    }

    /// Whether something with these offsets is asked for.
    fn wants(&self, first: i64, last: i64) -> bool {
        first <= *self.options.offsets.end() && last >= *self.options.offsets.start()
    }
}

/// What to call a stretch that can't be understood.
fn bad_word(kind: BadKind) -> &'static str {
    match kind {
        BadKind::Damaged => "damage",
        BadKind::Torn => "torn",
        BadKind::Zeroed => "zeroed",
        BadKind::Stale => "stale",
    }
}

/// A batch's codec, as Kafka calls it.
fn codec_name(header: &BatchHeader) -> &'static str {
    header.attributes.codec().map_or("unknown", |codec| codec.name())
}
