//! From an operation to a flight: the caller's duties are checked here, names of open files
//! become identities, and chance decides whether a fault strikes.

use std::path::{Path, PathBuf};

use super::faults::Kind;
use super::flight::{self, Answer, Effect, Flight};
use super::tree::{NodeId, View};
use super::{Fake, Handle};
use crate::io::buffer::ALIGNMENT;
use crate::io::{FileId, Mode, Op, Slice, Token};

type Parts = (PathBuf, Effect, Answer);

impl Fake {
    /// Checks an operation and readies it.
    ///
    /// # Panics
    /// When the caller breaks a duty: see the module's essay.
    pub(super) fn take_off(&mut self, token: Token, op: Op) -> Flight {
        let kind = Kind::of(&op);
        let checksum = match &op {
            Op::Write { data, .. } => flight::checksum(data),
            Op::Store { data, .. } => crc32c::crc32c(data),
            _ => 0,
        };
        let (path, effect, answer) = self.parts(op);
        let (fault, holds) = (None, Vec::new());
        let mut flight = Flight { token, kind, path, effect, answer, fault, holds, checksum };
        self.flights.values().for_each(|other| flight.assert_apart(other));
        let paths = flight.paths();
        let fault = self.rules.fault(kind, &paths, &mut self.rng);
        let holds = self.rules.holds(kind, &paths, &mut self.rng);
        (flight.fault, flight.holds) = (fault, holds);
        if let (None, &Answer::ReadAhead { node, at, len }) = (fault, &flight.answer) {
            // As with the kernel, pages that are on their way count.
            self.page_cache.read(node, at, len);
        }
        self.trace_submit(&flight);
        flight
    }

    fn parts(&mut self, op: Op) -> Parts {
        let named = |path: PathBuf, effect| (path, effect, Answer::Nothing);
        match op {
            Op::Open { file, path, mode } => self.opening(file, path, mode),
            Op::Close { file } => self.closing(file),
            Op::Write { file, at, data } => self.writing(file, at, data),
            Op::Read { file, at, into } => {
                let handle = self.handle(file, Kind::Read);
                let answer = Answer::Read { node: handle.node, at, into };
                (handle.path.clone(), Effect::Nothing, answer)
            }
            Op::ReadAhead { file, at, len } => {
                let handle = self.handle(file, Kind::ReadAhead);
                let answer = Answer::ReadAhead { node: handle.node, at, len };
                (handle.path.clone(), Effect::Nothing, answer)
            }
            Op::Sync { file } => self.syncing(file),
            Op::SyncDir { path } => {
                named(path.clone(), Effect::SyncDir { path, stamp: self.stamp })
            }
            Op::Allocate { file, at, len } => {
                let (node, durable, path) = self.writable(file, Kind::Allocate);
                named(path, Effect::Allocate { node, durable, at, len })
            }
            Op::SetLen { file, len } => {
                let (node, durable, path) = self.writable(file, Kind::SetLen);
                named(path, Effect::SetLen { node, durable, len })
            }
            Op::Store { path, at, data } => {
                let node = self.tree.find(&path, View::Cached);
                named(path.clone(), Effect::Store { node, path, at, data })
            }
            Op::Load { path, at, max_len } => {
                let node = self.tree.find(&path, View::Cached);
                (path.clone(), Effect::Nothing, Answer::Load { node, path, at, max_len })
            }
            Op::Rename { from, to } => named(from.clone(), Effect::Rename { from, to }),
            Op::Unlink { path } => named(path.clone(), Effect::Unlink { path }),
            Op::MakeDir { path } => named(path.clone(), Effect::MakeDir { path }),
            Op::RemoveDir { path } => named(path.clone(), Effect::RemoveDir { path }),
            Op::List { path } => (path.clone(), Effect::Nothing, Answer::List { path }),
        }
    }

    fn opening(&mut self, file: FileId, path: PathBuf, mode: Mode) -> Parts {
        let taken = |flight: &Flight| matches!(flight.answer, Answer::Open { file: other, .. } if other == file);
        assert!(
            !self.handles.contains_key(&file) && !self.flights.values().any(taken),
            "file {} is open already, for {}",
            file.0,
            path.display()
        );
        let effect = match mode {
            Mode::Read => Effect::Nothing,
            Mode::Buffered | Mode::Durable => Effect::Create { path: path.clone() },
        };
        (path.clone(), effect, Answer::Open { file, path, mode })
    }

    fn closing(&mut self, file: FileId) -> Parts {
        let path = self.handle(file, Kind::Close).path.clone();
        if let Some(handle) = self.handles.get_mut(&file) {
            handle.closing = true;
        }
        (path, Effect::Nothing, Answer::Close { file })
    }

    fn syncing(&mut self, file: FileId) -> Parts {
        let handle = self.handle(file, Kind::Sync);
        let (node, path) = (handle.node, handle.path.clone());
        let len = self.tree.file_mut(node).map_or(0, |file| {
            file.syncing += 1;
            file.len()
        });
        (path, Effect::Sync { node, stamp: self.stamp, len }, Answer::Nothing)
    }

    fn writing(&mut self, file: FileId, at: u64, data: Vec<Slice>) -> Parts {
        let (node, durable, path) = self.writable(file, Kind::Write);
        if durable {
            self.assert_aligned(&path, at, &data);
        }
        (path, Effect::Write { node, durable, at, data }, Answer::Nothing)
    }

    fn writable(&self, file: FileId, kind: Kind) -> (NodeId, bool, PathBuf) {
        let Handle { node, mode, path, .. } = self.handle(file, kind);
        assert!(*mode != Mode::Read, "cannot {} {}: open to read", kind.verb(), path.display());
        (*node, *mode == Mode::Durable, path.clone())
    }

    fn handle(&self, file: FileId, kind: Kind) -> &Handle {
        let handle = self.handles.get(&file).filter(|handle| !handle.closing);
        handle.unwrap_or_else(|| panic!("cannot {} file {}: it is not open", kind.verb(), file.0))
    }

    fn assert_aligned(&self, path: &Path, at: u64, data: &[Slice]) {
        let (unit, path) = (self.knobs.block_bytes, path.display());
        assert!(
            at.is_multiple_of(unit as u64),
            "write to {path} at {at}, not a multiple of {unit}"
        );
        for slice in data {
            let (address, len) = (slice.as_ptr() as usize, slice.len());
            assert!(
                address.is_multiple_of(ALIGNMENT) && len.is_multiple_of(unit),
                "write to {path} of {len} bytes from address {address:#x}, not multiples of {unit}"
            );
        }
    }
}
