//! `duramen verify`: whether files are whole, and whether they fit together.
//!
//! Checked are each batch (length, magic, checksum, counts, every record of it, decompressed),
//! the order of offsets within and across segments, leader epochs, every entry of every index
//! against the batch it speaks of, snapshots against the log, and that nothing is missing below a
//! partition's recovery point.
//!
//! What counts as damage depends on whose folder it is. Duramen leaves no gaps, so with it a gap is
//! damage; in a Kafka folder it may come of compaction and is a note. What an unclean stop leaves
//! is a note too: a torn or zeroed tail of the newest segment, zeroes at the end of an index, index
//! entries about bytes that never reached the disk. Indexes that are missing are rebuilt by the
//! server. The recovery point, where one is known, draws the line: below it, nothing is excused.
//! Nor is a torn text file ever: Kafka and Duramen replace those at once.
//!
//! No checksum covers a batch's base offset and leader epoch. The first is held against its
//! neighbours and the indexes, the second against `leader-epoch-checkpoint`; where there is no such
//! neighbour, a changed value goes unseen.

mod extents;
mod files;
mod findings;
mod indexes;
mod journal;
mod log;
mod own;
mod partition;
mod promise;
mod segment;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::tree::{self, DataFolder, Target};
use findings::Findings;
use promise::Data;

/// How to go about it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A bar on standard error. For when that is a terminal.
    pub progress: bool,
}

/// Verifies files, partitions' folders and data folders. Damage and notes are lines on `out`; what
/// could not be looked at, and a summary, are told on `err`.
///
/// # Errors
/// If `out` or `err` can't be written to.
pub fn run(
    paths: &[PathBuf],
    options: &Options,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Outcome> {
    let bytes = paths.iter().map(|path| tree::bytes_in(path)).sum();
    let findings = Findings::new(out, err, Progress::new(options.progress, bytes));
    let mut verify = Verify { findings };
    for path in paths {
        verify.path(path)?;
    }
    verify.findings.finish()
}

/// A run under way.
struct Verify<'a> {
    findings: Findings<'a>,
}

impl Verify<'_> {
    fn path(&mut self, path: &Path) -> io::Result<()> {
        match Target::of(path) {
            Ok(Target::File(path)) => self.single_file(&path),
            Ok(Target::Partition(path)) => {
                let data = Data::around(&path);
                self.partition(&path, &data)
            }
            Ok(Target::Own(path)) => self.own_target(&path),
            Ok(Target::Data(folder)) => self.data_folder(path, &folder),
            Err(error) => self.findings.could_not_look(path, &error),
        }
    }

    /// The folder of what is Duramen's alone, or one in it: that is told by its files one by one.
    fn own_target(&mut self, path: &Path) -> io::Result<()> {
        if path.ends_with(tree::OWN_FOLDER) {
            return self.own_folder(path);
        }
        match tree::own_files(path) {
            Ok(files) => files.iter().try_for_each(|file| self.small_file(file)),
            Err(error) => self.findings.could_not_look(path, &error),
        }
    }

    fn data_folder(&mut self, path: &Path, folder: &DataFolder) -> io::Result<()> {
        let data = Data::of(path);
        for unknown in &folder.unknown {
            if !KNOWN_EMPTY.iter().any(|known| unknown.ends_with(known)) {
                self.findings.note_file(unknown, "unknown")?;
            }
        }
        for file in &folder.files {
            self.small_file(file)?;
        }
        if let Some(own) = &folder.own {
            self.own_folder(own)?;
        }
        for partition in &folder.partitions {
            self.partition(partition, &data)?;
        }
        match folder.own {
            Some(_) => self.missing_partitions(path),
            None => Ok(()),
        }
    }
}

/// Files that say all by being there.
const KNOWN_EMPTY: [&str; 2] = [".kafka_cleanshutdown", ".lock"];
