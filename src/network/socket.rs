//! One connection's socket: its outbox, and the task that goes on where a flush had to stop.

use std::cell::{Cell, RefCell};
use std::io;

use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::limits;

use super::outbox::{Outbox, Progress, Receipt};

/// A socket with what is to be sent.
pub struct Socket {
    stream: OwnedWriteHalf,
    outbox: RefCell<Outbox>,
    /// The socket is full, or a flush had its share: the connection's own task goes on.
    behind: Cell<bool>,
    go_on: Notify,
    broken: Cell<bool>,
    /// Something left: whoever waits for room looks again.
    pub drained: Notify,
}

impl Socket {
    /// A socket that has nothing to send.
    pub fn new(stream: OwnedWriteHalf) -> Socket {
        Socket {
            stream,
            outbox: RefCell::default(),
            behind: Cell::new(false),
            go_on: Notify::new(),
            broken: Cell::new(false),
            drained: Notify::new(),
        }
    }

    /// Lets `put` change what is to be sent.
    pub fn outbox<R>(&self, put: impl FnOnce(&mut Outbox) -> R) -> R {
        put(&mut self.outbox.borrow_mut())
    }

    /// Whether everything was sent, or nothing can be any more.
    pub fn is_drained(&self) -> bool {
        self.broken.get() || self.outbox.borrow().is_empty()
    }

    /// Gives the connection up: nothing is sent any more, and its task ends.
    pub fn abort(&self) {
        self.broken.set(true);
        self.go_on.notify_one();
        self.drained.notify_one();
    }

    /// Sends what there is, as far as the socket takes it at once. Returns the records that have
    /// left.
    pub fn flush(&self) -> Receipt {
        let mut receipt = Receipt::default();
        if !self.behind.get() {
            let progress = self.write(&mut receipt);
            if matches!(progress, Ok(Progress::Full | Progress::More)) {
                self.behind.set(true);
                self.go_on.notify_one();
            }
        }
        receipt
    }

    fn write(&self, receipt: &mut Receipt) -> io::Result<Progress> {
        if self.broken.get() {
            return Ok(Progress::Done);
        }
        let written =
            self.outbox.borrow_mut().write(self.stream.as_ref(), limits::FLUSH_BYTES, receipt);
        self.broken.set(written.is_err());
        self.drained.notify_one();
        if written.is_err() {
            // Ends the task's loop as well.
            self.go_on.notify_one();
        }
        written
    }

    /// Goes on wherever a flush had to stop, and hands receipts to `left`. Ends when the
    /// connection breaks. Can be dropped and called again.
    pub async fn write_on(&self, mut left: impl FnMut(Receipt)) -> io::Error {
        loop {
            while self.behind.get() && !self.broken.get() {
                if let Err(error) = self.stream.writable().await {
                    return error;
                }
                let mut receipt = Receipt::default();
                match self.write(&mut receipt) {
                    Ok(Progress::Done) => self.behind.set(false),
                    Ok(Progress::Full) => {}
                    Ok(Progress::More) => tokio::task::yield_now().await,
                    Err(error) => return error,
                }
                left(receipt);
            }
            if self.broken.get() {
                return io::ErrorKind::BrokenPipe.into();
            }
            self.go_on.notified().await;
        }
    }
}
