//! One core: its mail, and the tick.
//!
//! Everything that happens on a core wakes its tick: a question in the inbox, a completion of the
//! disk, mail, a deadline. The tick then does all there is to do and sleeps again.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use crate::io::{Descriptors, Disk, Now};
use crate::limits;
use crate::network::kafka::{self, settings::Settings};
use crate::network::local::Local;
use crate::network::mailbox::{Change, Mail};
use crate::network::native::accept::arrive;
use crate::shard::Shard;
use crate::shard::request::{Ask, Released, Request};

/// One core's state and what its tick works with.
pub struct Core<D: Disk + Descriptors> {
    local: Rc<Local>,
    shard: Shard<D>,
    /// What its Kafka connections know, if there are any.
    kafka: Option<Arc<Settings>>,
    /// For how long it stays awake with nothing to do.
    spin_us: u64,
    requests: Vec<Request>,
    released: Vec<Released>,
    /// Whether it was said that the disk failed.
    failure_said: bool,
    /// When the server was told to stop.
    stopping_us: Option<u64>,
    /// When the shard had stopped, and only answers were left to be sent.
    shut_down_us: Option<u64>,
    ticks: u64,
}

impl<D: Disk + Descriptors> Core<D> {
    /// A core over `shard`, which knows its partitions. With nothing to do it stays awake for
    /// `spin_us` before it sleeps.
    pub fn new(
        local: Rc<Local>,
        shard: Shard<D>,
        kafka: Option<Arc<Settings>>,
        spin_us: u64,
    ) -> Core<D> {
        Core {
            local,
            shard,
            kafka,
            spin_us,
            requests: Vec::new(),
            released: Vec::new(),
            failure_said: false,
            stopping_us: None,
            shut_down_us: None,
            ticks: 0,
        }
    }

    /// Ticks until the server has stopped, cleanly or after [`limits::STOP_TIME`].
    ///
    /// # Errors
    /// When the stop was not clean. Nothing acknowledged is lost then; the next start replays.
    pub async fn run(
        mut self,
        mut mailbox: mpsc::Receiver<Mail>,
        wake: Arc<Notify>,
    ) -> Result<(), String> {
        let mut deadline_us = Some(0);
        loop {
            self.sleep(&mut mailbox, &wake, deadline_us).await;
            while let Ok(mail) = mailbox.try_recv() {
                self.receive(mail);
            }
            deadline_us = self.tick();
            if let Some(result) = self.stopped() {
                return result;
            }
        }
    }

    /// Waits until there is something to do.
    async fn sleep(
        &mut self,
        mailbox: &mut mpsc::Receiver<Mail>,
        wake: &Notify,
        deadline_us: Option<u64>,
    ) {
        self.ticks += 1;
        if self.ticks.is_multiple_of(limits::TICKS_IN_A_ROW) {
            // What a tick does may wake the next one at once; the others want their turn too.
            tokio::task::yield_now().await;
        }
        let now_us = Now::read().monotonic_us;
        let wait = deadline_us.map(|at| Duration::from_micros(at.saturating_sub(now_us)));
        // While stopping, also for clients to take their last answers.
        let longest =
            if self.stopping_us.is_some() { limits::STOP_PAUSE } else { limits::TICK_PAUSE };
        let wait = wait.map_or(longest, |wait| wait.min(longest));
        if wait.is_zero() {
            // The others get a turn between two ticks.
            return tokio::task::yield_now().await;
        }
        let until = Instant::now() + wait;
        let mut woken = pin!(wake.notified());
        if self.spin_us > 0 {
            let awake_us = u128::from(self.spin_us).min(wait.as_micros()) as u64;
            tokio::select! {
                biased;
                () = &mut woken => return,
                Some(mail) = mailbox.recv() => return self.receive(mail),
                () = stay_awake(now_us + awake_us) => {}
            }
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep_until(until) => {}
            Some(mail) = mailbox.recv() => self.receive(mail),
        }
    }

    fn receive(&mut self, mail: Mail) {
        match mail {
            Mail::Connection(arrival) => {
                tokio::task::spawn_local(arrive(self.local.clone(), *arrival));
            }
            Mail::Ask(ask, reply) => {
                if let Ask::Append { .. } = ask {
                    self.shard.note_forwarded();
                }
                self.local.question(ask, reply);
            }
            Mail::KafkaConnection(stream) => {
                if let Some(settings) = &self.kafka {
                    kafka::accept::arrive(self.local.clone(), settings.clone(), stream);
                }
            }
            Mail::ReadMany(read, reply) => {
                self.shard.note_forwarded();
                self.local.begin_read_many(*read, reply);
            }
            Mail::Catalog(catalog, reply) => {
                self.shard.apply(catalog.clone());
                self.local.set_catalog(catalog);
                // The keeper may have stopped.
                let _ = reply.send(());
            }
            Mail::Stop => self.stop(),
        }
    }

    /// One turn. Returns when the next is due at the latest.
    fn tick(&mut self) -> Option<u64> {
        let now = Now::read();
        self.local.take_inbox(&mut self.requests);
        self.requests.drain(..).for_each(|request| self.shard.enqueue(request));
        let deadline_us = self.shard.tick(now, &mut self.released);
        for released in self.released.drain(..) {
            self.local.deliver(released, self.shard.disk());
        }
        self.local.set_congested(self.shard.is_congested());
        self.local.flush();
        self.report_passed();
        self.report_failure();
        self.note_time(now);
        deadline_us
    }

    /// Tells the keeper of the catalog which deleted partitions are cleared away.
    fn report_passed(&mut self) {
        let passed = self.shard.take_passed();
        if !passed.is_empty() {
            let mailboxes = self.local.mailboxes.clone();
            tokio::task::spawn_local(async move {
                // A tombstone that stays is cleared away by the next start.
                let _ = mailboxes.change(Change::Passed(passed)).await;
            });
        }
    }

    /// Says once that nothing is acknowledged here any more.
    fn report_failure(&mut self) {
        if let Some(error) = self.shard.failed()
            && !self.failure_said
        {
            self.failure_said = true;
            let core = self.local.core;
            eprintln!("duramen: core {core} takes no more appends until a restart: {error}");
        }
    }

    fn note_time(&mut self, began: Now) {
        let us = Now::read().monotonic_us.saturating_sub(began.monotonic_us);
        self.shard.note_tick(us);
        if us > limits::TICK_LOGGED_US {
            eprintln!("duramen: core {}: a tick took {} ms", self.local.core, us / 1000);
        }
    }

    fn stop(&mut self) {
        if self.stopping_us.is_none() {
            let now = Now::read();
            self.stopping_us = Some(now.monotonic_us);
            self.local.stop();
            // What was read from sockets until now counts as accepted.
            self.local.take_inbox(&mut self.requests);
            self.requests.drain(..).for_each(|request| self.shard.enqueue(request));
            self.shard.begin_shutdown();
        }
    }

    /// Whether the core has come to its end, and how.
    fn stopped(&mut self) -> Option<Result<(), String>> {
        let stopping_us = self.stopping_us?;
        let now_us = Now::read().monotonic_us;
        let is_over = |since_us: u64, time: Duration| {
            Duration::from_micros(now_us.saturating_sub(since_us)) >= time
        };
        if self.shard.shut_down() {
            let shut_down_us = *self.shut_down_us.get_or_insert(now_us);
            // A client that does not read its answers is no reason to stay.
            let done = self.local.is_drained() || is_over(shut_down_us, limits::LINGER);
            return done.then_some(Ok(()));
        }
        let is_sent = self.local.is_drained() || is_over(stopping_us, limits::LINGER);
        let failed = self.shard.failed().is_some() && is_sent;
        let give_up = failed || is_over(stopping_us, limits::STOP_TIME);
        give_up.then(|| Err(self.not_stopped()))
    }

    fn not_stopped(&self) -> String {
        let core = self.local.core;
        match self.shard.failed() {
            Some(error) => {
                format!("core {core} could not stop cleanly, as its disk failed: {error}")
            }
            None => {
                format!("core {core} could not stop in time; the next start replays its journal")
            }
        }
    }
}

/// Lets the core's other tasks run, and the kernel say what it has for them, until a moment of the
/// monotonic clock.
async fn stay_awake(until_us: u64) {
    while Now::read().monotonic_us < until_us {
        tokio::task::yield_now().await;
    }
}
