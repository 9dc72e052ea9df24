//! An operation in flight: what it will do to the disk, what it answers, and what must not be
//! in flight beside it.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use super::faults::{Hold, Kind};
use super::file::Landing;
use super::tree::{NodeId, Refusal, Tree, View};
use crate::io::{Block, ErrorKind, FileId, Mode, Slice, Token};

/// What an operation changes. It can be applied to a copy of the tree as well, and in part.
#[derive(Clone)]
pub(super) enum Effect {
    Nothing,
    Create {
        path: PathBuf,
    },
    Write {
        node: NodeId,
        durable: bool,
        at: u64,
        data: Vec<Slice>,
    },
    Sync {
        node: NodeId,
        stamp: u64,
        len: u64,
    },
    SyncDir {
        path: PathBuf,
        stamp: u64,
    },
    Allocate {
        node: NodeId,
        durable: bool,
        at: u64,
        len: u64,
    },
    SetLen {
        node: NodeId,
        durable: bool,
        len: u64,
    },
    /// `node` is the file that was there at submission.
    Store {
        node: Option<NodeId>,
        path: PathBuf,
        at: u64,
        data: Vec<u8>,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        path: PathBuf,
    },
    MakeDir {
        path: PathBuf,
    },
    RemoveDir {
        path: PathBuf,
    },
}

/// What an operation answers besides its success.
pub(super) enum Answer {
    Nothing,
    Open { file: FileId, path: PathBuf, mode: Mode },
    Close { file: FileId },
    Read { node: NodeId, at: u64, into: Block },
    ReadAhead { node: NodeId, at: u64, len: u64 },
    Load { node: Option<NodeId>, path: PathBuf, at: u64, max_len: u64 },
    List { path: PathBuf },
}

pub(super) struct Flight {
    pub token: Token,
    pub kind: Kind,
    /// For error messages: the path it was given, or its file was opened by.
    pub path: PathBuf,
    pub effect: Effect,
    pub answer: Answer,
    pub fault: Option<ErrorKind>,
    pub holds: Vec<Hold>,
    /// CRC of the bytes of a write or a store at its submission.
    pub checksum: u32,
}

impl Effect {
    /// The file whose bytes it changes.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Effect::Write { node, .. }
            | Effect::Sync { node, .. }
            | Effect::Allocate { node, .. }
            | Effect::SetLen { node, .. } => Some(*node),
            Effect::Store { node, .. } => *node,
            _ => None,
        }
    }

    /// Whether it goes through a descriptor that holds its file's lock.
    pub fn locked(&self) -> bool {
        matches!(
            self,
            Effect::Write { durable: true, .. }
                | Effect::Allocate { durable: true, .. }
                | Effect::SetLen { durable: true, .. }
        )
    }

    /// Does it, wholly.
    pub fn apply(&self, tree: &mut Tree, stamp: u64, rng: &mut Rng) -> Result<(), Refusal> {
        match self {
            Effect::Nothing => Ok(()),
            Effect::Create { path } => tree.create(path, stamp),
            Effect::Write { node, at, data, .. } => {
                let range = write_range(*at, data);
                tree.check_room(*node, range.clone())?;
                self.land(tree, stamp, &Landing::whole(range), rng);
                Ok(())
            }
            Effect::Sync { node, stamp, len } => {
                if let Some(file) = tree.file_mut(*node) {
                    file.sync(*stamp, *len);
                }
                Ok(())
            }
            Effect::SyncDir { path, stamp } => tree.sync_dir(path, *stamp),
            Effect::Allocate { node, at, len, .. } => {
                tree.check_room(*node, *at..at + len)?;
                if let Some(file) = tree.file_mut(*node) {
                    file.allocate(*at, *len);
                }
                Ok(())
            }
            Effect::SetLen { node, len, .. } => {
                if let Some(file) = tree.file_mut(*node) {
                    file.set_len(*len);
                }
                Ok(())
            }
            Effect::Store { at, data, .. } => {
                self.store(tree, stamp, &Landing::whole(store_range(*at, data)), rng)
            }
            Effect::Rename { from, to } => tree.rename(from, to, stamp),
            Effect::Unlink { path } => tree.unlink(path, stamp),
            Effect::MakeDir { path } => tree.make_dir(path, stamp),
            Effect::RemoveDir { path } => tree.remove_dir(path, stamp, None),
        }
    }

    /// A store, as far as it lands. Only a whole one is durable, and cuts the file for certain.
    pub fn store(
        &self,
        tree: &mut Tree,
        stamp: u64,
        landing: &Landing,
        rng: &mut Rng,
    ) -> Result<(), Refusal> {
        let Effect::Store { path, at, data, .. } = self else { return Ok(()) };
        tree.create(path, stamp)?;
        let Some(node) = tree.find(path, View::Cached) else { return Ok(()) };
        let range = store_range(*at, data);
        tree.check_room(node, range.clone())?;
        let Some(file) = tree.file_mut(node) else { return Ok(()) };
        file.write_buffered(*at, data, stamp, landing, rng);
        if landing.is_whole() || rng.bool() {
            file.set_len(range.end);
        }
        if landing.is_whole() {
            file.sync(stamp, range.end);
        }
        Ok(())
    }

    /// A write, as far as it lands.
    pub fn land(&self, tree: &mut Tree, stamp: u64, landing: &Landing, rng: &mut Rng) {
        let Effect::Write { node, durable, at, data } = self else { return };
        let Some(file) = tree.file_mut(*node) else { return };
        let bytes = joined(data);
        if *durable {
            file.write_durable(*at, &bytes, landing, rng);
        } else {
            file.write_buffered(*at, &bytes, stamp, landing, rng);
        }
    }
}

impl Flight {
    /// Every path it is about.
    pub fn paths(&self) -> Vec<&Path> {
        match &self.effect {
            Effect::Rename { from, to } => vec![from, to],
            _ => vec![&self.path],
        }
    }

    /// Every file it needs, whatever its name does meanwhile.
    pub fn node(&self) -> Option<NodeId> {
        match &self.answer {
            Answer::Read { node, .. } | Answer::ReadAhead { node, .. } => Some(*node),
            Answer::Load { node, .. } => *node,
            _ => self.effect.node(),
        }
    }

    /// Panics when the bytes of a write changed since its submission.
    pub fn assert_unchanged(&self) {
        if let Effect::Write { data, .. } = &self.effect {
            let now = checksum(data);
            let (then, path) = (self.checksum, self.path.display());
            assert!(
                now == then,
                "a write to {path} changed in flight: CRC {then:#x}, now {now:#x}"
            );
        }
    }

    /// Panics when `self` and `other` must not be in flight at once.
    pub fn assert_apart(&self, other: &Flight) {
        if let (Some(a), Some(b)) = (self.span(), other.span()) {
            let overlap = a.range.start < b.range.end && b.range.start < a.range.end;
            let harmless = matches!(
                (a.access, b.access),
                (Access::Look, Access::Look | Access::Grow) | (Access::Grow, Access::Look)
            );
            assert!(
                a.node != b.node || !overlap || harmless,
                "{} overlaps {} in flight",
                self.describe(),
                other.describe()
            );
        }
        if self.stores_behind(other) || other.stores_behind(self) {
            return;
        }
        for a in self.places() {
            for b in other.places() {
                assert!(
                    !a.clashes(&b),
                    "{} is in flight beside {}",
                    self.describe(),
                    other.describe()
                );
            }
        }
    }

    /// Whether it stores behind what `load` reads of the same file; their ranges are apart.
    fn stores_behind(&self, load: &Flight) -> bool {
        matches!(self.effect, Effect::Store { node: Some(_), .. })
            && matches!(load.answer, Answer::Load { node: Some(_), .. })
    }

    fn span(&self) -> Option<Span> {
        let span = |node: &NodeId, range, access| Some(Span { node: *node, range, access });
        match (&self.effect, &self.answer) {
            (_, Answer::Read { node, at, into }) => {
                span(node, *at..at.saturating_add(into.room() as u64), Access::Look)
            }
            (_, Answer::ReadAhead { node, at, len }) => {
                span(node, *at..at.saturating_add(*len), Access::Look)
            }
            (_, Answer::Load { node: Some(node), at, max_len, .. }) => {
                span(node, *at..at.saturating_add(*max_len), Access::Look)
            }
            (Effect::Store { node: Some(node), at, .. }, _) => {
                span(node, *at..u64::MAX, Access::Change)
            }
            (Effect::Write { node, at, data, .. }, _) => {
                span(node, write_range(*at, data), Access::Change)
            }
            (Effect::Allocate { node, at, len, .. }, _) => span(node, *at..at + len, Access::Grow),
            (Effect::SetLen { node, len, .. }, _) => span(node, *len..u64::MAX, Access::Change),
            _ => None,
        }
    }

    fn places(&self) -> Vec<Place<'_>> {
        let place = |path, alone, below| Place { path, alone, below };
        match &self.effect {
            Effect::Rename { from, to } => {
                vec![place(from, true, true), place(to, true, true)]
            }
            Effect::RemoveDir { path } => vec![place(path, true, true)],
            Effect::Unlink { path } | Effect::Store { path, .. } => {
                vec![place(path, true, false)]
            }
            Effect::MakeDir { path } => vec![place(path, false, false)],
            _ => match &self.answer {
                Answer::Open { path, .. } | Answer::Load { path, .. } => {
                    vec![place(path, false, false)]
                }
                _ => Vec::new(),
            },
        }
    }

    /// What sets it apart from others, for the trace.
    pub fn fingerprint(&self) -> [u64; 6] {
        let range = self.span().map_or(0..0, |span| span.range);
        let paths = self
            .paths()
            .iter()
            .fold(0, |crc, path| crc32c::crc32c_append(crc, path.as_os_str().as_encoded_bytes()));
        let checksum = u64::from(self.checksum);
        [self.kind as u64, self.token.0, u64::from(paths), range.start, range.end, checksum]
    }

    /// What it is and where, for messages.
    pub fn describe(&self) -> String {
        let (verb, path, token) = (self.kind.verb(), self.path.display(), self.token.0);
        match self.span() {
            Some(Span { range, .. }) => format!("{verb} {path} {range:?} (token {token})"),
            None => format!("{verb} {path} (token {token})"),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Look,
    Grow,
    Change,
}

struct Span {
    node: NodeId,
    range: Range<u64>,
    access: Access,
}

/// A name that an operation uses: alone, or beside others that share it; with everything
/// below it, or just itself.
struct Place<'a> {
    path: &'a Path,
    alone: bool,
    below: bool,
}

impl Place<'_> {
    fn clashes(&self, other: &Place) -> bool {
        let meet = self.path == other.path
            || (self.below && other.path.starts_with(self.path))
            || (other.below && self.path.starts_with(other.path));
        meet && (self.alone || other.alone)
    }
}

/// The bytes of the file that a write covers.
pub(super) fn write_range(at: u64, data: &[Slice]) -> Range<u64> {
    at..at + data.iter().map(|slice| slice.len() as u64).sum::<u64>()
}

/// The bytes of the file that a store covers.
pub(super) fn store_range(at: u64, data: &[u8]) -> Range<u64> {
    at..at + data.len() as u64
}

/// CRC of a write's bytes.
pub(super) fn checksum(data: &[Slice]) -> u32 {
    data.iter().fold(0, |crc, slice| crc32c::crc32c_append(crc, slice))
}

fn joined(data: &[Slice]) -> Cow<'_, [u8]> {
    match data {
        [one] => Cow::Borrowed(one),
        many => Cow::Owned(many.iter().flat_map(|slice| slice.iter().copied()).collect()),
    }
}
