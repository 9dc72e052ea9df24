//! Where lines come from: a file or standard input, read on a thread of its own.
//!
//! Reading blocks, and standard input can't be read in any other way that works for terminals,
//! pipes and files alike. The thread is a few pieces ahead at most, and is left behind when the
//! command ends.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::cli::Failure;

/// Bytes of a piece.
const CHUNK_BYTES: usize = 256 << 10;

/// Pieces that may be read ahead.
const CHUNKS_AHEAD: usize = 4;

/// An input that is being read.
pub(super) struct Input {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    /// How it is called in messages.
    name: String,
    /// Bytes in it, where that is known.
    pub(super) len: Option<u64>,
    /// Whether somebody types it.
    pub(super) is_terminal: bool,
}

impl Input {
    /// Begins to read a file; standard input without one, or if it is `-`.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub(super) fn open(path: Option<&Path>) -> Result<Input, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let stdin = io::stdin();
            let is_terminal = stdin.is_terminal();
            return Input::start(stdin, "standard input".to_owned(), None, is_terminal);
        };
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) =
            opened.map_err(|error| Failure::Failed(format!("cannot open {name}: {error}")))?;
        let len = metadata.is_file().then_some(metadata.len());
        Input::start(file, name, len, false)
    }

    fn start(
        source: impl Read + Send + 'static,
        name: String,
        len: Option<u64>,
        is_terminal: bool,
    ) -> Result<Input, Failure> {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let thread = thread::Builder::new().name("input".into());
        let started = thread.spawn(move || read_all(source, &sender));
        started.map_err(|error| Failure::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Input { chunks, name, len, is_terminal })
    }

    /// The next piece; none at the end. May be dropped half-way without loss.
    ///
    /// # Errors
    /// When reading fails.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        let failed = |error| format!("cannot read {}: {error}", self.name);
        self.chunks.recv().await.transpose().map_err(failed)
    }
}

/// Reads until the end, an error, or until nobody wants more.
fn read_all(mut source: impl Read, sender: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = match source.read(&mut chunk) {
            Ok(0) => return,
            Ok(len) => {
                chunk.truncate(len);
                Ok(Bytes::from(chunk))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_end = read.is_err();
        if sender.blocking_send(read).is_err() || is_end {
            return;
        }
    }
}
