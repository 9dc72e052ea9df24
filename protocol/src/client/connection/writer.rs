//! The task that writes: whatever lies ready goes out in one system call.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{mpsc, oneshot};

use super::state::{CloseOnDrop, State};

/// How many pieces one system call takes.
const PIECES: usize = 64;

/// A frame to write: a batch is not copied behind its header.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(super) header: Bytes,
    pub(super) body: Bytes,
    /// Told once the operating system has the bytes.
    pub(super) written: Option<oneshot::Sender<()>>,
}

impl Outgoing {
    /// A frame in one piece.
    pub(super) fn frame(bytes: Bytes) -> Self {
        Outgoing { header: bytes, body: Bytes::new(), written: None }
    }
}

/// Writes until the connection or its last user is gone.
pub(super) async fn run(
    mut socket: OwnedWriteHalf,
    state: Arc<State>,
    mut frames: mpsc::Receiver<Outgoing>,
) {
    let _close = CloseOnDrop(Arc::clone(&state));
    let mut pieces = VecDeque::new();
    let mut written = Vec::new();
    while let Some(frame) = frames.recv().await {
        let mut next = Some(frame);
        while let Some(Outgoing { header, body, written: tell }) = next {
            pieces.push_back(header);
            if !body.is_empty() {
                pieces.push_back(body);
            }
            written.extend(tell);
            next = if pieces.len() < PIECES { frames.try_recv().ok() } else { None };
        }
        if let Err(error) = write_all(&mut socket, &mut pieces).await {
            return state.close(&error.to_string());
        }
        for tell in written.drain(..) {
            // Whoever stopped waiting does not want to know.
            let _ = tell.send(());
        }
    }
}

async fn write_all(socket: &mut OwnedWriteHalf, pieces: &mut VecDeque<Bytes>) -> io::Result<()> {
    while !pieces.is_empty() {
        let slices: Vec<IoSlice<'_>> =
            pieces.iter().take(PIECES).map(|piece| IoSlice::new(piece)).collect();
        let mut left = socket.write_vectored(&slices).await?;
        if left == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while left > 0 {
            let Some(first) = pieces.front_mut() else { break };
            let step = left.min(first.len());
            first.advance(step);
            left -= step;
            if first.is_empty() {
                pieces.pop_front();
            }
        }
    }
    Ok(())
}
