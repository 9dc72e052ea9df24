//! Straight-line use of a disk: one operation, or many at once with a bound.

use std::path::{Path, PathBuf};

use crate::io::{DiskError, Done, ErrorKind, FileId, Mode, Op, Output, Token, WaitDisk};

/// Operations in flight at once.
const WINDOW: usize = 32;

/// A disk that is waited for.
pub struct Steps<'d, D> {
    disk: &'d mut D,
    next_file: u64,
}

impl<'d, D: WaitDisk> Steps<'d, D> {
    pub fn new(disk: &'d mut D) -> Steps<'d, D> {
        Steps { disk, next_file: 1 << 32 }
    }

    pub fn block_bytes(&self) -> u64 {
        self.disk.block_bytes() as u64
    }

    /// A name for a file to be opened.
    pub fn new_file(&mut self) -> FileId {
        self.next_file += 1;
        FileId(self.next_file)
    }

    /// Does one operation.
    pub fn run(&mut self, op: Op) -> Result<Output, DiskError> {
        let mut results = self.run_all([op])?;
        results.pop().unwrap_or_else(|| unreachable!("one operation, one result"))
    }

    /// Does them all, many at once, and gives their results in order. They are made as they are
    /// submitted, so that what they carry need not be in memory all at once.
    ///
    /// # Errors
    /// Only when the disk is gone; failed operations are among the results.
    pub fn run_all(
        &mut self,
        ops: impl IntoIterator<Item = Op>,
    ) -> Result<Vec<Result<Output, DiskError>>, DiskError> {
        let mut ops = ops.into_iter();
        let mut results: Vec<Option<Result<Output, DiskError>>> = Vec::new();
        let (mut in_flight, mut done): (usize, Vec<Done>) = (0, Vec::new());
        loop {
            while in_flight < WINDOW {
                let Some(op) = ops.next() else { break };
                self.disk.submit(Token(results.len() as u64), op);
                results.push(None);
                in_flight += 1;
            }
            if in_flight == 0 {
                return Ok(results.into_iter().flatten().collect());
            }
            self.disk.wait(&mut done);
            if done.is_empty() {
                return Err(gone());
            }
            for d in done.drain(..) {
                in_flight -= 1;
                results[d.token.0 as usize] = Some(d.result);
            }
        }
    }

    /// Takes each item through operations of its own, several items at once: `next` gets an item
    /// and what its last operation brought, none at first, and gives its next one, or none when
    /// the item is done.
    ///
    /// # Errors
    /// The first failure, of an operation or of `next`; nothing is in flight any more then.
    pub fn each<T, E: From<DiskError>>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut next: impl FnMut(&mut T, Option<Output>) -> Result<Option<Op>, E>,
    ) -> Result<(), E> {
        let mut waiting = items.into_iter();
        let mut active: Vec<Option<T>> = Vec::new();
        active.resize_with(WINDOW, || None);
        let mut due: Vec<(usize, Option<Output>)> = (0..WINDOW).map(|slot| (slot, None)).collect();
        let (mut in_flight, mut done, mut failure) = (0, Vec::new(), None);
        loop {
            while let Some((slot, mut brought)) = due.pop() {
                if failure.is_some() {
                    continue;
                }
                while let Some(item) = active[slot].take().or_else(|| waiting.next()) {
                    let item = active[slot].insert(item);
                    match next(item, brought.take()) {
                        Ok(Some(op)) => {
                            self.disk.submit(Token(slot as u64), op);
                            in_flight += 1;
                            break;
                        }
                        Ok(None) => active[slot] = None,
                        Err(error) => {
                            failure = Some(error);
                            break;
                        }
                    }
                }
            }
            if in_flight == 0 {
                return failure.map_or(Ok(()), Err);
            }
            self.disk.wait(&mut done);
            if done.is_empty() {
                return Err(gone().into());
            }
            for d in done.drain(..) {
                in_flight -= 1;
                match d.result {
                    Ok(output) => due.push((d.token.0 as usize, Some(output))),
                    Err(error) => drop(failure.get_or_insert(error.into())),
                }
            }
        }
    }

    /// Does them all; the first failure is the result.
    pub fn all(&mut self, ops: impl IntoIterator<Item = Op>) -> Result<Vec<Output>, DiskError> {
        self.run_all(ops)?.into_iter().collect()
    }

    pub fn sync_dir(&mut self, path: impl Into<PathBuf>) -> Result<(), DiskError> {
        self.run(Op::SyncDir { path: path.into() }).map(drop)
    }

    pub fn make_dir(&mut self, path: impl Into<PathBuf>) -> Result<(), DiskError> {
        self.run(Op::MakeDir { path: path.into() }).map(drop)
    }

    /// Removes a folder; no error when it isn't there.
    pub fn remove_dir(&mut self, path: impl Into<PathBuf>) -> Result<(), DiskError> {
        none_if_missing(self.run(Op::RemoveDir { path: path.into() })).map(drop)
    }

    /// A whole small file; `None` when it isn't there.
    pub fn load(&mut self, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
        let op = Op::Load { path: path.to_owned(), at: 0, max_len: u64::MAX };
        Ok(none_if_missing(self.run(op))?.map(bytes))
    }

    /// Opens a file for durable writes, which waits for a killed predecessor's.
    pub fn open(&mut self, path: PathBuf) -> Result<(FileId, u64), DiskError> {
        let file = self.new_file();
        match self.run(Op::Open { file, path, mode: Mode::Durable })? {
            Output::Opened { len } => Ok((file, len)),
            other => panic!("open ended with {other:?}"),
        }
    }
}

/// A result, with `None` for what is not there.
pub fn none_if_missing(result: Result<Output, DiskError>) -> Result<Option<Output>, DiskError> {
    match result {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a load brought.
pub fn bytes(output: Output) -> Vec<u8> {
    match output {
        Output::Bytes(bytes) => bytes,
        other => panic!("load ended with {other:?}"),
    }
}

fn gone() -> DiskError {
    DiskError {
        kind: ErrorKind::Failed,
        operation: "use",
        path: "the disk".into(),
        reason: "it completes nothing any more".into(),
    }
}
