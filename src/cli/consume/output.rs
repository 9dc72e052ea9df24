//! What is to be printed: gathered, and written in large pieces.

use std::io::{self, StdoutLock, Write};

use crate::cli::Failure;

/// It is time to write once there is so much.
const FULL_BYTES: usize = 128 << 10;

/// Standard output, behind a buffer.
pub(super) struct Output {
    pub(super) buffer: Vec<u8>,
    out: StdoutLock<'static>,
    /// What went wrong. Nothing more is written then, or there would be a hole in it.
    failed: Option<io::ErrorKind>,
}

impl Output {
    /// Standard output, locked.
    pub(super) fn stdout() -> Output {
        Output {
            buffer: Vec::with_capacity(2 * FULL_BYTES),
            out: io::stdout().lock(),
            failed: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= FULL_BYTES
    }

    /// Writes everything, and waits until it is out.
    ///
    /// # Errors
    /// When it can't be written, now or before; a closed pipe is not an error of the command.
    pub(super) fn write(&mut self) -> Result<(), Failure> {
        if let Some(kind) = self.failed {
            return Err(Failure::of_output(kind.into()));
        }
        let written = self.out.write_all(&self.buffer).and_then(|()| self.out.flush());
        self.failed = written.as_ref().err().map(io::Error::kind);
        self.buffer.clear();
        self.buffer.shrink_to(2 * FULL_BYTES);
        written.map_err(Failure::of_output)
    }
}
