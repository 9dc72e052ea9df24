//! Where the reader of a connection leaves what is pushed, and a consumer takes it.
//!
//! ```text
//! socket ─> reader task ─> PushBuffer of a subscription ──take──> consumer
//!                              └─> its index into the ReadyQueue ──pop──┘
//! ```
//! Invariants:
//! - `credit` is what the server may still push. More is a breach of the protocol, so that what a
//!   buffer holds is bounded by what its consumer granted.
//! - An index stands in the queue at most once, so that the queue is bounded by the number of
//!   partitions; taking turns makes the merge fair.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use super::{ClientError, lock};
use crate::batch::{BatchHeader, LOG_OVERHEAD};

/// Which partitions have something to take, in turn.
#[derive(Debug, Default)]
pub(crate) struct ReadyQueue {
    indexes: Mutex<VecDeque<usize>>,
    filled: Notify,
}

impl ReadyQueue {
    fn push(&self, index: usize) {
        lock(&self.indexes).push_back(index);
        self.filled.notify_one();
    }

    /// The next in turn.
    pub(crate) fn pop(&self) -> Option<usize> {
        lock(&self.indexes).pop_front()
    }

    /// Waits until there may be one. There is one consumer, so no wake-up gets lost: a notification
    /// that nobody waits for is kept.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }
}

/// The pushed bytes of one subscription.
#[derive(Debug)]
pub(crate) struct PushBuffer {
    index: usize,
    ready: Arc<ReadyQueue>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bytes: BytesMut,
    credit: u64,
    durable_end: i64,
    queued: bool,
    end: Option<ClientError>,
}

/// What a buffer gives.
#[derive(Debug)]
pub(crate) enum Taken {
    /// One whole batch, as far as its length says.
    Batch(Bytes),
    /// A part of a batch, and too little credit for the rest of it: so much is missing.
    Starved(u32),
    /// Nothing yet.
    Nothing,
    /// A batch whose length can't be true.
    Nonsense,
    /// The subscription is over, and nothing whole is left.
    End(ClientError),
}

impl PushBuffer {
    /// An empty one, for the partition at `index` of a consumer, with `credit` bytes granted.
    pub(crate) fn new(index: usize, ready: Arc<ReadyQueue>, credit: u32) -> Self {
        let state = State {
            bytes: BytesMut::new(),
            credit: u64::from(credit),
            durable_end: 0,
            queued: false,
            end: None,
        };
        PushBuffer { index, ready, state: Mutex::new(state) }
    }

    /// Takes note of a push's head.
    pub(crate) fn begin(&self, durable_end: i64) {
        lock(&self.state).durable_end = durable_end;
    }

    /// Adds bytes of a push.
    ///
    /// # Errors
    /// With the bytes beyond the credit.
    pub(crate) fn push(&self, bytes: &[u8]) -> Result<(), u64> {
        let mut state = lock(&self.state);
        let len = bytes.len() as u64;
        if len > state.credit {
            return Err(len - state.credit);
        }
        state.credit -= len;
        state.bytes.extend_from_slice(bytes);
        self.wake(state);
        Ok(())
    }

    /// Ends the subscription; only the first reason counts.
    pub(crate) fn end(&self, reason: ClientError) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(reason);
        self.wake(state);
    }

    /// Adds to the credit, which the caller tells the server.
    pub(crate) fn grant(&self, bytes: u32) {
        lock(&self.state).credit += u64::from(bytes);
    }

    /// The durable end as the last push told it.
    pub(crate) fn durable_end(&self) -> i64 {
        lock(&self.state).durable_end
    }

    /// Takes the next batch of at most `max_bytes`. After one the partition goes to the end of the
    /// queue, otherwise it comes back when there is news.
    pub(crate) fn take(&self, max_bytes: usize) -> Taken {
        let mut state = lock(&self.state);
        state.queued = false;
        let have = state.bytes.len();
        let needed = match BatchHeader::peek_size(&state.bytes) {
            Some(size) if size > max_bytes => return Taken::Nonsense,
            None if have >= LOG_OVERHEAD => return Taken::Nonsense,
            Some(size) => size,
            None => LOG_OVERHEAD,
        };
        if needed <= have {
            let batch = state.bytes.split_to(needed).freeze();
            self.wake(state);
            return Taken::Batch(batch);
        }
        if let Some(reason) = &state.end {
            return Taken::End(reason.clone());
        }
        match (needed - have) as u64 {
            missing if have > 0 && missing > state.credit => {
                Taken::Starved((missing - state.credit) as u32)
            }
            _ => Taken::Nothing,
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if !std::mem::replace(&mut state.queued, true) {
            drop(state);
            self.ready.push(self.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Codec};

    fn batch(value: &[u8]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.append(1, None, Some(value), &[]).expect("small");
        builder.finish().expect("not empty")
    }

    #[test]
    fn batches_come_whole_however_they_were_cut() {
        let ready = Arc::new(ReadyQueue::default());
        let (first, second) = (batch(b"first"), batch(b"second"));
        let stream = [&first[..], &second].concat();
        for cut in 0..=stream.len() {
            let buffer = PushBuffer::new(3, Arc::clone(&ready), stream.len() as u32);
            let mut taken = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                buffer.push(part).expect("within the credit");
                while let Some(index) = ready.pop() {
                    assert_eq!(index, 3);
                    match buffer.take(1 << 20) {
                        Taken::Batch(bytes) => taken.push(bytes),
                        Taken::Nothing => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert_eq!(taken, [&first[..], &second], "cut at {cut}");
        }
    }

    #[test]
    fn a_push_beyond_the_credit_is_refused() {
        let buffer = PushBuffer::new(0, Arc::default(), 10);
        buffer.push(&[0; 7]).expect("within the credit");
        assert_eq!(buffer.push(&[0; 5]), Err(2));
        buffer.grant(2);
        buffer.push(&[0; 5]).expect("within the credit");
    }

    #[test]
    fn a_batch_larger_than_the_credit_asks_for_more() {
        let bytes = batch(&[7; 100]);
        let buffer = PushBuffer::new(0, Arc::default(), 20);
        buffer.push(&bytes[..20]).expect("within the credit");
        let missing = match buffer.take(1 << 20) {
            Taken::Starved(missing) => missing,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing as usize, bytes.len() - 20);
        buffer.grant(missing);
        assert!(matches!(buffer.take(1 << 20), Taken::Nothing));
        buffer.push(&bytes[20..]).expect("within the credit");
        assert!(matches!(buffer.take(1 << 20), Taken::Batch(whole) if whole == bytes));
    }

    #[test]
    fn the_end_comes_after_what_is_whole() {
        let bytes = batch(b"last");
        let buffer = PushBuffer::new(0, Arc::default(), 1 << 20);
        buffer.push(&bytes).expect("within the credit");
        buffer.push(&bytes[..30]).expect("within the credit");
        buffer.end(ClientError::Closed);
        assert!(matches!(buffer.take(1 << 20), Taken::Batch(_)));
        assert!(matches!(buffer.take(1 << 20), Taken::End(ClientError::Closed)));
    }

    #[test]
    fn nonsense_is_told() {
        let buffer = PushBuffer::new(0, Arc::default(), 1 << 20);
        buffer.push(&batch(&[7; 100])).expect("within the credit");
        assert!(matches!(buffer.take(99), Taken::Nonsense), "larger than any frame");
        let buffer = PushBuffer::new(0, Arc::default(), 1 << 20);
        buffer.push(&[0xff; 12]).expect("within the credit");
        assert!(matches!(buffer.take(99), Taken::Nonsense), "a negative length");
    }
}
