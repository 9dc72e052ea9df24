//! What a run finds, printed as it is found.
//!
//! Damage and notes are lines on standard output, one each, that scripts can take apart:
//!
//! ```text
//! FILE: position N, offset N: reason
//! note: FILE: position N, offset N: reason
//! ```
//!
//! A file that has no offsets, or a place that has none, says `offset -`. What could not be looked
//! at, and the summary, go to standard error.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use crate::outcome::Outcome;
use crate::progress::Progress;

/// A place in a file.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) position: u64,
    pub(super) offset: Option<i64>,
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: position {}, offset ", self.path.display(), self.position)?;
        match self.offset {
            Some(offset) => write!(f, "{offset}"),
            None => write!(f, "-"),
        }
    }
}

/// What has been found so far, and where to print it.
pub(super) struct Findings<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    progress: Progress,
    damages: u64,
    notes: u64,
    not_seen: u64,
    batches: u64,
    bytes: u64,
}

impl<'a> Findings<'a> {
    pub(super) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, progress: Progress) -> Self {
        Findings { out, err, progress, damages: 0, notes: 0, not_seen: 0, batches: 0, bytes: 0 }
    }

    /// Something is not as it was written.
    pub(super) fn damage(&mut self, place: Place<'_>, reason: impl Display) -> io::Result<()> {
        self.damages += 1;
        self.progress.aside(|| writeln!(self.out, "{place}: {reason}"))
    }

    /// Something that is worth knowing and no damage.
    pub(super) fn note(&mut self, place: Place<'_>, reason: impl Display) -> io::Result<()> {
        self.notes += 1;
        self.progress.aside(|| writeln!(self.out, "note: {place}: {reason}"))
    }

    /// Damage, or a note if the bytes need not be whole.
    pub(super) fn damage_if(
        &mut self,
        is_damage: bool,
        place: Place<'_>,
        reason: impl Display,
    ) -> io::Result<()> {
        if is_damage { self.damage(place, reason) } else { self.note(place, reason) }
    }

    /// A note about a file as a whole.
    pub(super) fn note_file(&mut self, path: &Path, reason: impl Display) -> io::Result<()> {
        self.notes += 1;
        self.progress.aside(|| writeln!(self.out, "note: {}: {reason}", path.display()))
    }

    /// A file or folder that can't be opened. One that is gone since it was listed is no matter.
    pub(super) fn not_opened(&mut self, path: &Path, error: &io::Error) -> io::Result<()> {
        if error.kind() == io::ErrorKind::NotFound {
            return self.note_file(path, "gone meanwhile");
        }
        self.could_not_look(path, error)
    }

    /// Something that was asked for and can't be looked at.
    pub(super) fn could_not_look(&mut self, path: &Path, error: &dyn Display) -> io::Result<()> {
        self.not_seen += 1;
        self.progress.aside(|| writeln!(self.err, "{}: {error}", path.display()))
    }

    /// Reading failed. A disk that has lost a sector is damage with a place.
    pub(super) fn unreadable(&mut self, place: Place<'_>, error: &io::Error) -> io::Result<()> {
        self.damage(
            place,
            format_args!("can't be read, the rest of the file was not looked at: {error}"),
        )
    }

    /// So much more has been looked at.
    pub(super) fn looked_at(&mut self, batches: u64, bytes: u64) {
        self.batches += batches;
        self.bytes += bytes;
        self.progress.add(bytes);
    }

    /// Prints the summary.
    pub(super) fn finish(self) -> io::Result<Outcome> {
        let Findings { out, err, progress, damages, notes, not_seen, batches, bytes } = self;
        drop(progress);
        out.flush()?;
        let verdict = match (damages, not_seen) {
            (0, 0) => "whole",
            (0, _) => "no damage seen",
            _ => "damaged",
        };
        write!(
            err,
            "{verdict}: {batches} batches, {bytes} bytes; {damages} damaged, {notes} notes"
        )?;
        match not_seen {
            0 => writeln!(err)?,
            _ => writeln!(err, ", {not_seen} could not be looked at")?,
        }
        Ok(match (damages, not_seen) {
            (0, 0) => Outcome::Whole,
            (0, _) => Outcome::CouldNotLook,
            _ => Outcome::Damaged,
        })
    }
}
