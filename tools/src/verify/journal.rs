//! A core's journal, followed as recovery follows it.
//!
//! From where the checkpoint says, group after group, through the files that the last group of each
//! use names, until there is none that continues the row: sequence, generation and the checksum of
//! the group before must fit. What stands there decides: if a good group elsewhere says that the
//! one missing here was acknowledged, it is damage, and no server starts. Otherwise it is the
//! journal's end, perhaps torn; rot in the very last group can't be told from a tear.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use duramen_protocol::batch::{BatchHeader, HEADER_LEN, batches};
use duramen_protocol::files::checkpoint::JournalStart;
use duramen_protocol::files::journal::{
    EntryBody, GROUP_HEADER_LEN, Group, GroupHeader, PartitionKey,
};

use super::extents::Promised;
use crate::groups::{GroupPiece, Groups, group_at};
use crate::kind::Kind;
use crate::scan::BadKind;
use crate::source::{Access, Source};
use crate::tree;

/// A journal, and where it is to be followed from.
pub(super) struct Chain<'a> {
    pub(super) folder: &'a Path,
    pub(super) start_epoch: u32,
    pub(super) core: u32,
    pub(super) start: JournalStart,
}

/// Something that was found in a journal.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) position: u64,
    pub(super) offset: Option<i64>,
    pub(super) is_damage: bool,
    pub(super) reason: String,
}

/// What a journal holds.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    /// The log starts that moved.
    pub(super) log_starts: HashMap<PartitionKey, u64>,
    /// Runs that went straight to their segments.
    pub(super) extents: Vec<Promised>,
    /// Sequence of the last group.
    pub(super) last_sequence: u64,
    pub(super) batches: u64,
    pub(super) bytes: u64,
}

impl Walked {
    pub(super) fn has_damage(&self) -> bool {
        self.found.iter().any(|found| found.is_damage)
    }

    fn found(&mut self, path: &Path, position: u64, is_damage: bool, reason: impl ToString) {
        let (path, reason) = (path.to_owned(), reason.to_string());
        self.found.push(Found { path, position, offset: None, is_damage, reason });
    }
}

/// Follows a journal to its end.
///
/// # Errors
/// If a file of it can't be read.
pub(super) fn walk(chain: &Chain<'_>) -> Result<Walked, (PathBuf, io::Error)> {
    let mut walked = Walked::default();
    let mut next = chain.start;
    loop {
        let path = chain.folder.join(format!("journal-{}", next.file));
        let mut source = match Source::open(&path, Access::Read) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                walked.found(&path, next.position, true, "missing: the journal goes on in it");
                return Ok(walked);
            }
            Err(error) => return Err((path, error)),
        };
        match follow(chain, &path, &mut source, &mut next, &mut walked) {
            Ok(true) => {}
            Ok(false) => {
                end(chain, &path, &mut source, &next, &mut walked)?;
                return Ok(walked);
            }
            Err(error) => return Err((path, error)),
        }
    }
}

/// Follows one use of a file. True if it goes on in another file.
fn follow(
    chain: &Chain<'_>,
    path: &Path,
    source: &mut Source,
    next: &mut JournalStart,
    walked: &mut Walked,
) -> io::Result<bool> {
    loop {
        let Ok(group) = group_at(source, next.position)? else { return Ok(false) };
        let header = group.header;
        if !continues(chain, next, &header) {
            return Ok(false);
        }
        check_entries(path, next.position, &group, walked);
        walked.bytes += u64::from(header.group_len);
        next.sequence += 1;
        next.previous_crc = header.header_crc;
        next.position += u64::from(header.group_len);
        if let Some(successor) = header.successor {
            (next.file, next.generation, next.position) = (successor.file, successor.generation, 0);
            return Ok(true);
        }
    }
}

fn continues(chain: &Chain<'_>, next: &JournalStart, header: &GroupHeader) -> bool {
    header.start_epoch == chain.start_epoch
        && header.core == chain.core
        && header.generation == next.generation
        && header.sequence == next.sequence
        && header.previous_crc == next.previous_crc
}

/// What the entries of a good group say.
fn check_entries(path: &Path, position: u64, group: &Group<'_>, walked: &mut Walked) {
    walked.last_sequence = group.header.sequence;
    for entry in group.entries() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return walked.found(path, position, true, error),
        };
        match entry.body {
            EntryBody::Batches { batches: bytes, .. } => {
                for (_, batch) in batches(bytes) {
                    walked.batches += 1;
                    if let Err(error) = batch {
                        walked.found(path, position, true, format!("an entry's batch: {error}"));
                    }
                }
            }
            EntryBody::Extent(extent) => {
                let sequence = group.header.sequence;
                walked.extents.push(Promised::new(entry.key, sequence, &extent));
                for header in extent.headers.chunks_exact(HEADER_LEN) {
                    walked.batches += 1;
                    if let Err(error) = BatchHeader::parse(header) {
                        walked.found(path, position, true, format!("an extent's batch: {error}"));
                    }
                }
            }
            EntryBody::LogStart { offset } => {
                let start = walked.log_starts.entry(entry.key).or_default();
                *start = offset.max(*start);
            }
            EntryBody::Dropped => {}
        }
    }
}

/// The row of groups does not go on at `next`: whether it should.
fn end(
    chain: &Chain<'_>,
    path: &Path,
    source: &mut Source,
    next: &JournalStart,
    walked: &mut Walked,
) -> Result<(), (PathBuf, io::Error)> {
    let at = |error| (path.to_owned(), error);
    let reason = match group_at(source, next.position).map_err(at)? {
        Ok(group) => format!(
            "group {} of generation {} where group {} of generation {} should follow",
            group.header.sequence, group.header.generation, next.sequence, next.generation
        ),
        Err(error) => format!("group {}: {error}", next.sequence),
    };
    if let Some(witness) = witness(chain, next)? {
        let reason = format!("{reason}, though group {witness} says it was acknowledged");
        walked.found(path, next.position, true, reason);
        return Ok(());
    }
    // Zeroes, and whole groups of earlier uses, are what the end looks like.
    let head = source.read(next.position, GROUP_HEADER_LEN).map_err(at)?;
    let is_clean = head.iter().all(|&byte| byte == 0)
        || GroupHeader::decode(head).is_ok_and(|header| {
            (header.start_epoch, header.generation) < (chain.start_epoch, next.generation)
        });
    if !is_clean {
        walked.found(path, next.position, false, format!("the journal's torn end: {reason}"));
    }
    Ok(())
}

/// The sequence of a good group, anywhere, that says that the one at `next` was acknowledged.
fn witness(chain: &Chain<'_>, next: &JournalStart) -> Result<Option<u64>, (PathBuf, io::Error)> {
    let folder = |error| (chain.folder.to_owned(), error);
    for path in tree::sorted(chain.folder).map_err(folder)? {
        if !matches!(Kind::of_name(&path), Some((Kind::Journal, _))) {
            continue;
        }
        let Ok(source) = Source::open(&path, Access::Read) else { continue };
        let mut groups = Groups::new(source).map_err(|error| (path.clone(), error))?;
        while let Some((_, piece)) = groups.next().map_err(|error| (path.clone(), error))? {
            // A header alone will do: it has a checksum of its own.
            let header = match piece {
                GroupPiece::Group(group) => group.header,
                GroupPiece::BadGroup(header, _) => header,
                GroupPiece::Bad(_) => continue,
            };
            let is_later = header.start_epoch == chain.start_epoch
                && header.core == chain.core
                && header.generation >= next.generation
                && header.sequence > next.sequence;
            if is_later && header.acknowledged >= next.sequence {
                return Ok(Some(header.sequence));
            }
        }
    }
    Ok(None)
}

/// Looks at a journal file that stands for itself: the groups of its latest use. Whether it goes on
/// where another file ended, and whether its end is the journal's, can't be seen here.
///
/// # Errors
/// If it can't be read.
pub(super) fn walk_file(path: &Path) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let mut groups = Groups::new(Source::open(path, Access::Read)?)?;
    while let Some((position, piece)) = groups.next()? {
        match piece {
            GroupPiece::Group(group) => check_entries(path, position, &group, &mut walked),
            GroupPiece::BadGroup(_, bad) | GroupPiece::Bad(bad) => match bad.kind {
                BadKind::Damaged => walked.found(path, position, true, bad.reason),
                BadKind::Torn => walked.found(path, position, false, bad.reason),
                BadKind::Zeroed | BadKind::Stale => {}
            },
        }
        walked.bytes += groups.position() - position;
    }
    Ok(walked)
}
