//! How long to wait before trying again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::ClientError;

const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(500);

/// Waits that double from 5 ms to half a second, each a little off, so that many clients don't come
/// back all at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    started: Option<Instant>,
    give_up_after: Duration,
}

impl Backoff {
    /// One that gives up after that long.
    pub(crate) fn new(give_up_after: Duration) -> Self {
        Backoff { next: FIRST, started: None, give_up_after }
    }

    /// How long to wait now.
    pub(crate) fn step(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        // The keys of a `RandomState` are random, which is all the chance this needs.
        let quarter = (wait.as_micros() as u64 / 4).max(1);
        wait - Duration::from_micros(RandomState::new().hash_one(0) % quarter)
    }

    /// Starts over.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
        self.started = None;
    }

    /// How long to wait before trying again; the time runs from the first call on.
    ///
    /// # Errors
    /// When the time is up, with `last` as the reason; it starts over then.
    pub(crate) fn delay(&mut self, last: ClientError) -> Result<Duration, ClientError> {
        let started = *self.started.get_or_insert_with(Instant::now);
        let wait = self.step();
        if started.elapsed() + wait > self.give_up_after {
            self.reset();
            return Err(self.give_up(last));
        }
        Ok(wait)
    }

    /// Waits before trying again.
    ///
    /// # Errors
    /// As for [`Backoff::delay`].
    pub(crate) async fn wait(&mut self, last: ClientError) -> Result<(), ClientError> {
        tokio::time::sleep(self.delay(last)?).await;
        Ok(())
    }

    fn give_up(&self, last: ClientError) -> ClientError {
        if self.give_up_after.is_zero() {
            return last;
        }
        let perhaps_applied = last.class() == crate::codes::Class::PerhapsApplied;
        ClientError::GaveUp { after: self.give_up_after, perhaps_applied, last: Box::new(last) }
    }
}
