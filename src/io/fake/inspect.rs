//! For tests: looking at the disk, and meddling with it.

use std::path::Path;

use super::Fake;
use super::faults::Kind;
use super::flight::{Effect, Flight};
use super::tree::View;
use crate::io::{Done, FileId, Output, Token};

/// What has completed without an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    ops: [u64; Kind::COUNT],
    /// Writes past the page cache, and their bytes.
    pub durable_writes: u64,
    pub durable_bytes: u64,
    /// Writes into the page cache, and their bytes.
    pub buffered_writes: u64,
    pub buffered_bytes: u64,
    /// Bytes of small files stored.
    pub stored_bytes: u64,
    /// Bytes read, or loaded from small files.
    pub read_bytes: u64,
}

impl Counters {
    /// Operations of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.ops[kind as usize]
    }

    pub(super) fn count(&mut self, flight: &Flight) {
        self.ops[flight.kind as usize] += 1;
        if let Effect::Store { data, .. } = &flight.effect {
            self.stored_bytes += data.len() as u64;
        }
        let Effect::Write { durable, data, .. } = &flight.effect else { return };
        let bytes: u64 = data.iter().map(|slice| slice.len() as u64).sum();
        let (writes, total) = if *durable {
            (&mut self.durable_writes, &mut self.durable_bytes)
        } else {
            (&mut self.buffered_writes, &mut self.buffered_bytes)
        };
        *writes += 1;
        *total += bytes;
    }
}

impl Fake {
    // ---- looking ----

    /// The paths of all files that the running system sees, sorted folder by folder.
    pub fn files(&self) -> Vec<String> {
        self.tree.paths(View::Cached)
    }

    /// The paths of all files that survive a power cut for certain.
    pub fn durable_files(&self) -> Vec<String> {
        self.tree.paths(View::Stable)
    }

    /// A file as the running system sees it.
    pub fn read_volatile(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let node = self.tree.find(path.as_ref(), View::Cached)?;
        self.tree.file(node).map(|file| file.cached())
    }

    /// What survives of a file for certain, by the names that do.
    pub fn read_durable(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let node = self.tree.find(path.as_ref(), View::Stable)?;
        self.tree.file(node).map(|file| file.stable())
    }

    /// Bytes of an open file as `sendfile` would find them; fewer where it ends.
    pub fn peek(&self, file: FileId, at: u64, len: u64) -> Vec<u8> {
        let node = self.handles.get(&file).and_then(|handle| self.tree.file(handle.node));
        let mut bytes = vec![0; len as usize];
        let read = node.map_or(0, |file| file.read(at, &mut bytes));
        bytes.truncate(read);
        bytes
    }

    /// Operations in flight.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Operations in flight that are held back.
    pub fn held(&self) -> Vec<Token> {
        self.held_flights().map(|flight| flight.token).collect()
    }

    /// What those are.
    pub fn held_kinds(&self) -> Vec<Kind> {
        self.held_flights().map(|flight| flight.kind).collect()
    }

    fn held_flights(&self) -> impl Iterator<Item = &Flight> {
        self.flights.values().filter(|flight| !flight.holds.is_empty())
    }

    /// Bytes that all files occupy, in blocks of 4096.
    pub fn used_bytes(&self) -> u64 {
        self.tree.used()
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// A hash of all submissions and completions: equal when two runs were.
    pub fn trace_hash(&self) -> u64 {
        self.trace
    }

    /// The last submissions and completions in words; see [`Fake::keep_log`].
    pub fn log(&self) -> impl Iterator<Item = &str> {
        self.log.iter().map(String::as_str)
    }

    // ---- meddling ----

    /// Flips bit `bit` (0 to 7) of byte `at`, durably.
    ///
    /// # Panics
    /// When there is no such byte; as the others here, a test's mistake.
    pub fn flip_bit(&mut self, path: impl AsRef<Path>, at: u64, bit: u32) {
        let file = self.existing(path.as_ref());
        let mut byte = [0];
        assert!(file.read(at, &mut byte) == 1, "no byte {at} in a file of {}", file.len());
        file.overwrite(at, &[byte[0] ^ (1 << bit)]);
    }

    /// Sets a file's length, durably.
    pub fn truncate(&mut self, path: impl AsRef<Path>, len: u64) {
        self.existing(path.as_ref()).set_len(len);
    }

    /// Puts bytes into a file, durably; makes the file and its folders when they are not there.
    ///
    /// # Panics
    /// When a file is in the way of a folder, or a folder in its own.
    pub fn write_raw(&mut self, path: impl AsRef<Path>, at: u64, bytes: &[u8]) {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            self.make_dirs(folder);
        }
        let made = self.tree.create(path, self.stamp);
        made.unwrap_or_else(|refusal| panic!("{}: {}", path.display(), refusal.reason));
        self.settle_names(path);
        self.existing(path).overwrite(at, bytes);
    }

    /// Makes a folder and those above it, durably.
    ///
    /// # Panics
    /// When a file is in the way.
    pub fn make_dirs(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let mut above: Vec<&Path> = path.ancestors().collect();
        above.reverse();
        for folder in above {
            if self.tree.find(folder, View::Cached).is_none() {
                let made = self.tree.make_dir(folder, self.stamp);
                made.unwrap_or_else(|refusal| panic!("{}: {}", folder.display(), refusal.reason));
                self.settle_names(folder);
            }
        }
    }

    /// Makes the names in the folder of `path` durable.
    fn settle_names(&mut self, path: &Path) {
        let folder = path.parent().unwrap_or(path);
        // The folder is there: something was just made in it.
        let _ = self.tree.sync_dir(folder, self.stamp);
    }

    fn existing(&mut self, path: &Path) -> &mut super::file::File {
        let node = self.tree.find(path, View::Cached);
        let file = node.and_then(|node| self.tree.file_mut(node));
        file.unwrap_or_else(|| panic!("no file {}", path.display()))
    }

    // ---- tracing ----

    pub(super) fn trace_submit(&mut self, flight: &Flight) {
        for word in flight.fingerprint() {
            self.trace_word(word);
        }
        if self.knobs.log_lines > 0 {
            self.log_line(flight.describe());
        }
    }

    pub(super) fn trace_done(&mut self, done: &Done) {
        self.trace_word(done.token.0);
        self.trace_word(match &done.result {
            Ok(Output::Nothing) => 1,
            Ok(Output::Opened { len }) => *len,
            Ok(Output::Read(block)) => u64::from(crc32c::crc32c(block)),
            Ok(Output::Bytes(bytes)) => u64::from(crc32c::crc32c(bytes)),
            Ok(Output::Names(names)) => names.len() as u64,
            Err(error) => 1 << 32 | error.kind as u64,
        });
        if self.knobs.log_lines > 0 {
            self.log_line(match &done.result {
                Ok(output) => format!("token {}: {output:?}", done.token.0),
                Err(error) => format!("token {}: {error}", done.token.0),
            });
        }
    }

    fn trace_word(&mut self, word: u64) {
        self.trace = (self.trace.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn log_line(&mut self, line: String) {
        if self.log.len() >= self.knobs.log_lines {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }
}
