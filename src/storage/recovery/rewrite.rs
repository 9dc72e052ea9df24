//! Bringing segment files up to what the journals say: what each gets, and where it ends.
//!
//! Each file goes through its own steps, many files at once:
//!
//! ```text
//! open -> read the start of a block, where the journal lacks it -> write ... -> cut -> close
//! ```

use std::path::PathBuf;

use super::steps::Steps;
use super::{RecoveryError, Run};
use crate::io::{Block, FileId, Mode, Op, Output, WaitDisk};
use crate::limits;

/// What is to be done with one segment's file.
pub struct Rewrite<'j> {
    path: PathBuf,
    runs: Vec<Run<'j>>,
    /// The length that it is to have in the end, where that must be so.
    cut: Option<u64>,
    file: FileId,
    step: Step<'j>,
}

/// What comes next.
enum Step<'j> {
    Open,
    Head,
    /// The bytes of the first run's block that precede it are on their way.
    Reading,
    Write(Writer<'j>),
    Close,
    Done,
}

/// Bytes that follow each other in the file, written in whole blocks from the start of the first
/// one's block on, the last block filled with zeroes. Between two spans lies an extent, which is
/// in the file already.
struct Span<'j> {
    at: u64,
    /// What precedes the first byte in its block.
    head: Vec<u8>,
    /// What is left to be written, the next piece last.
    rest: Vec<&'j [u8]>,
}

/// The spans of a file, the next one last.
struct Writer<'j> {
    spans: Vec<Span<'j>>,
}

impl<'j> Rewrite<'j> {
    /// Writes `runs`, which follow each other, to the file, and cuts it to `cut` then.
    pub fn new(path: PathBuf, file: FileId, runs: Vec<Run<'j>>, cut: Option<u64>) -> Rewrite<'j> {
        Rewrite { path, runs, cut, file, step: Step::Open }
    }

    fn next(
        &mut self,
        brought: Option<Output>,
        block_bytes: u64,
    ) -> Result<Option<Op>, RecoveryError> {
        loop {
            match &mut self.step {
                Step::Open => {
                    self.step = Step::Head;
                    let path = self.path.clone();
                    return Ok(Some(Op::Open { file: self.file, path, mode: Mode::Durable }));
                }
                Step::Head => match self.runs.first() {
                    None => self.step = Step::Write(Writer::new(&[], Vec::new())),
                    Some(run) => {
                        let inside = run.position % block_bytes;
                        // The journal brings them with the first entry past a recovery point.
                        if run.before.len() as u64 == inside {
                            self.step = Step::Write(Writer::new(&self.runs, run.before.to_vec()));
                            continue;
                        }
                        self.step = Step::Reading;
                        let into = Block::with_room(inside as usize);
                        let at = run.position - inside;
                        return Ok(Some(Op::Read { file: self.file, at, into }));
                    }
                },
                Step::Reading => {
                    let head = self.head(brought, block_bytes)?;
                    self.step = Step::Write(Writer::new(&self.runs, head));
                    return self.next(None, block_bytes);
                }
                Step::Write(writer) => {
                    if let Some((at, block)) = writer.next(block_bytes) {
                        let data = vec![block.slice(0..block.len())];
                        return Ok(Some(Op::Write { file: self.file, at, data }));
                    }
                    self.step = Step::Close;
                    if let Some(len) = self.cut {
                        return Ok(Some(Op::SetLen { file: self.file, len }));
                    }
                }
                Step::Close => {
                    self.step = Step::Done;
                    return Ok(Some(Op::Close { file: self.file }));
                }
                Step::Done => return Ok(None),
            }
        }
    }

    fn head(&self, read: Option<Output>, block_bytes: u64) -> Result<Vec<u8>, RecoveryError> {
        let Some(Output::Read(block)) = read else { panic!("read ended with {read:?}") };
        let position = self.runs[0].position;
        let inside = position % block_bytes;
        if block.len() as u64 != inside {
            let at = position - inside;
            let reason = format!("{} of {inside} bytes at {at}", block.len());
            return Err(RecoveryError::damage(&self.path, reason));
        }
        Ok(block.to_vec())
    }
}

impl<'j> Writer<'j> {
    /// For `runs`, which follow each other; `head` are the bytes before the first one in its
    /// block.
    fn new(runs: &[Run<'j>], head: Vec<u8>) -> Writer<'j> {
        let at = runs.first().map_or(0, |run| run.position - head.len() as u64);
        let mut spans = vec![Span { at, head, rest: Vec::new() }];
        for run in runs {
            if let Some(span) = spans.last_mut() {
                span.rest.push(run.bytes);
            }
            if let (Some(extent), Some(range)) = (run.extent, run.extent_range()) {
                spans.push(Span { at: range.end, head: Vec::new(), rest: vec![extent.tail] });
            }
        }
        spans.iter_mut().for_each(|span| span.rest.reverse());
        spans.reverse();
        Writer { spans }
    }

    /// The next blocks and where they go.
    fn next(&mut self, block_bytes: u64) -> Option<(u64, Block)> {
        loop {
            let span = self.spans.last_mut()?;
            match span.next(block_bytes) {
                Some(next) => return Some(next),
                None => drop(self.spans.pop()),
            }
        }
    }
}

impl Span<'_> {
    fn next(&mut self, block_bytes: u64) -> Option<(u64, Block)> {
        let left = self.rest.iter().map(|b| b.len()).sum::<usize>();
        if left == 0 {
            return None;
        }
        let left = self.head.len() + left;
        let most = limits::MATERIALISE_WRITE_BYTES as usize;
        let mut block = Block::new(left.min(most).next_multiple_of(block_bytes as usize));
        block.append(&std::mem::take(&mut self.head));
        while let Some(bytes) = self.rest.pop() {
            let n = block.append(bytes);
            if n < bytes.len() {
                self.rest.push(&bytes[n..]);
                break;
            }
        }
        let len = block.len().next_multiple_of(block_bytes as usize);
        block.append_zeroes(len - block.len());
        let at = self.at;
        self.at += len as u64;
        Some((at, block))
    }
}

/// Takes all files through their steps.
pub fn run<D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    rewrites: Vec<Rewrite<'_>>,
) -> Result<(), RecoveryError> {
    let block_bytes = steps.block_bytes();
    steps.each(rewrites, |rewrite, brought| rewrite.next(brought, block_bytes))
}
