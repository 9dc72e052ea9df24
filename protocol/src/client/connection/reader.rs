//! The task that reads: answers go to who waits for them, pushes to their buffers.
//!
//! An answer is collected whole. A push may be as large as its credit; its bytes go on as they come.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;

use super::state::{CloseOnDrop, State};
use crate::client::push::PushBuffer;
use crate::native::frame::{FrameHeader, HEADER_LEN};
use crate::native::messages::PushHead;
use crate::native::{Message, Opcode};

/// How much to read at once.
const READ_BYTES: usize = 128 << 10;

/// Reads until the connection is gone.
pub(super) async fn run(mut socket: OwnedReadHalf, state: Arc<State>, max_frame_bytes: u32) {
    let _close = CloseOnDrop(Arc::clone(&state));
    let mut frames = Frames { bytes: BytesMut::new(), max_frame_bytes, push: None };
    loop {
        frames.bytes.reserve(READ_BYTES);
        match socket.read_buf(&mut frames.bytes).await {
            Ok(0) => return state.close("the server closed it"),
            Ok(_) => {}
            Err(error) => return state.close(&error.to_string()),
        }
        if let Err(what) = frames.dispatch(&state) {
            state.breach(&what);
            return;
        }
    }
}

/// What came and is not dealt with yet.
struct Frames {
    bytes: BytesMut,
    max_frame_bytes: u32,
    push: Option<Push>,
}

/// A push of which a part has come.
struct Push {
    /// None if the subscription is over here: the bytes are dropped.
    buffer: Option<Arc<PushBuffer>>,
    left: usize,
}

impl Frames {
    /// Deals with whatever is whole.
    fn dispatch(&mut self, state: &State) -> Result<(), String> {
        while self.step(state)? {}
        Ok(())
    }

    /// Deals with the next frame or part of a push; false when more bytes are needed.
    fn step(&mut self, state: &State) -> Result<bool, String> {
        if self.push.is_some() {
            return self.forward_push();
        }
        let header = FrameHeader::decode(&self.bytes, self.max_frame_bytes);
        let Some(header) = header.map_err(|error| error.to_string())? else { return Ok(false) };
        if header.opcode == Opcode::Push.request() {
            return self.begin_push(&header, state);
        }
        if self.bytes.len() < header.frame_len() {
            return Ok(false);
        }
        let mut frame = self.bytes.split_to(header.frame_len());
        frame.advance(HEADER_LEN);
        match header.kind() {
            Some(Opcode::PushEnd) => state.end_subscription(&header, &frame)?,
            _ if header.is_answer() => state.answer(&header, frame.freeze())?,
            _ => return Err(format!("opcode {:#06x} from a server", header.opcode)),
        }
        Ok(true)
    }

    fn begin_push(&mut self, header: &FrameHeader, state: &State) -> Result<bool, String> {
        let left = (header.body_len as usize)
            .checked_sub(PushHead::LEN)
            .ok_or("a push too short for its head")?;
        let Some(head) = self.bytes.get(HEADER_LEN..HEADER_LEN + PushHead::LEN) else {
            return Ok(false);
        };
        let head = PushHead::decode(head).map_err(|error| error.to_string())?;
        let buffer = state.subscription(header.handle);
        if let Some(buffer) = &buffer {
            buffer.begin(head.durable_end);
        }
        self.bytes.advance(HEADER_LEN + PushHead::LEN);
        self.push = (left > 0).then_some(Push { buffer, left });
        Ok(true)
    }

    fn forward_push(&mut self) -> Result<bool, String> {
        let Some(push) = &mut self.push else { return Ok(true) };
        let now = push.left.min(self.bytes.len());
        if now == 0 {
            return Ok(false);
        }
        if let Some(buffer) = &push.buffer {
            buffer
                .push(&self.bytes[..now])
                .map_err(|beyond| format!("a push {beyond} bytes beyond its credit"))?;
        }
        self.bytes.advance(now);
        push.left -= now;
        if push.left == 0 {
            self.push = None;
        }
        Ok(true)
    }
}
