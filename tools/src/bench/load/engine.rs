//! One thread of the load: many producers, none of whom waits for another.
//!
//! *Closed loop*: each producer sends its next batch once there is room among those under way. *Open
//! loop*: a batch is sent when it is due ([`Pace`]); one that finds no room waits, and its latency
//! counts from when it was due.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, Event as Ready, EventData, EventFlags};

use super::dialect::Dialect;
use super::producer::{Producer, Sent};
use super::{Tally, Window};
use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::pacing::Pace;
use crate::bench::payload::Payload;
use crate::bench::wire::PATIENCE;

/// Answers are read through a buffer of this size.
const BUFFER_BYTES: usize = 64 << 10;
/// A thread that sleeps wakes up so much late: what is due sooner is waited for awake.
const AWAKE: Duration = Duration::from_micros(60);
/// The longest sleep.
const NAP: Duration = Duration::from_millis(100);

/// The thread's state.
pub(super) struct Engine<'a, D: Dialect> {
    payload: &'a Payload,
    window: Window,
    pace: Option<Pace>,
    /// Between the due times of two records, where there is a pace.
    record_interval: Duration,
    producers: Vec<Producer<D>>,
    epoll: OwnedFd,
    tally: Tally,
    last_answer: Instant,
}

impl<'a, D: Dialect> Engine<'a, D> {
    /// `rate` records a second, all producers of this thread together; none for a closed loop.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new(
        payload: &'a Payload,
        window: Window,
        rate: Option<f64>,
        producers: Vec<Producer<D>>,
    ) -> Result<Engine<'a, D>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).tried(|| "no epoll".into())?;
        for (i, producer) in producers.iter().enumerate() {
            let added = epoll::add(
                &epoll,
                producer.link.stream(),
                EventData::new_u64(i as u64),
                EventFlags::IN,
            );
            added.tried(|| "cannot watch a socket".into())?;
        }
        let pace = rate.map(|rate| Pace::new(window.start, rate, payload.records_a_batch()));
        let record_interval =
            rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        let (tally, last_answer) = (Tally::new(), window.start);
        Ok(Engine { payload, window, pace, record_interval, producers, epoll, tally, last_answer })
    }

    /// Sends until the window closes, then waits for what is under way.
    ///
    /// # Errors
    /// When a connection breaks, a batch is refused, or the server is silent.
    pub(super) fn run(mut self) -> Result<Tally> {
        std::thread::sleep(self.window.start.saturating_duration_since(Instant::now()));
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut ready: Vec<Ready> = Vec::with_capacity(self.producers.len().max(1));
        for i in 0..self.producers.len() {
            self.top_up(i)?;
        }
        loop {
            let now = Instant::now();
            self.send_due(now)?;
            if now >= self.window.until && self.producers.iter().all(Producer::is_idle) {
                return Ok(self.tally);
            }
            self.check_patience(now)?;
            ready.clear();
            self.wait(now, &mut ready)?;
            for event in &ready {
                let (flags, index) = (event.flags, event.data.u64() as usize);
                if !flags.difference(EventFlags::OUT).is_empty() {
                    self.receive(index, &mut buffer)?;
                }
                self.top_up(index)?;
            }
        }
    }

    fn wait(&self, now: Instant, ready: &mut Vec<Ready>) -> Result<()> {
        let due = self.pace.as_ref().map(Pace::next_due).filter(|due| *due < self.window.until);
        let until = if now < self.window.until { self.window.until } else { now + NAP };
        let sleep = due.unwrap_or(until).saturating_duration_since(now).min(NAP);
        let sleep = if due.is_some() { sleep.saturating_sub(AWAKE) } else { sleep };
        let timeout =
            Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: i64::from(sleep.subsec_nanos()) };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(ready), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).tried(|| "cannot wait for answers".into()),
        }
    }

    /// Sends what the pace says, or puts it off.
    fn send_due(&mut self, now: Instant) -> Result<()> {
        let Some(mut pace) = self.pace.take() else { return Ok(()) };
        while pace.next_due() < self.window.until {
            let Some((number, due)) = pace.take(now) else { break };
            let index = number as usize % self.producers.len();
            self.producers[index].put_off(due);
            self.top_up(index)?;
        }
        self.pace = Some(pace);
        Ok(())
    }

    /// Lets a producer send what it has room for.
    fn top_up(&mut self, index: usize) -> Result<()> {
        let producer = &mut self.producers[index];
        // Where nobody answers, room is what the socket has.
        producer.link.flush()?;
        while producer.has_room() {
            let due = match self.pace {
                _ if self.record_interval > Duration::ZERO => producer.next_put_off(),
                _ => Some(Instant::now()).filter(|now| *now < self.window.until),
            };
            let Some(due) = due else { break };
            if let Some(sent) = producer.send(self.payload, due)? {
                producer.link.flush()?;
                self.tally.count(&sent, due, &self.window);
                self.last_answer = due;
            }
        }
        producer.link.flush()?;
        if producer.link.is_stuck() != producer.watches_room {
            producer.watches_room = !producer.watches_room;
            let room = if producer.watches_room { EventFlags::OUT } else { EventFlags::empty() };
            let data = EventData::new_u64(index as u64);
            let stream = producer.link.stream();
            let changed = epoll::modify(&self.epoll, stream, data, EventFlags::IN | room);
            changed.tried(|| "cannot watch a socket".into())?;
        }
        Ok(())
    }

    fn receive(&mut self, index: usize, buffer: &mut [u8]) -> Result<()> {
        let Engine { tally, window, record_interval, last_answer, .. } = self;
        let now = Instant::now();
        *last_answer = now;
        self.producers[index].receive(buffer, |sent: Sent| {
            tally.count(&sent, now, window);
            tally.time(&sent, now, window, *record_interval);
        })
    }

    fn check_patience(&self, now: Instant) -> Result<()> {
        if now.saturating_duration_since(self.last_answer) > PATIENCE
            && self.producers.iter().any(|producer| producer.in_flight() > 0)
        {
            let s = PATIENCE.as_secs();
            return Err(BenchError::Connection(format!("no batch was answered for {s} s")));
        }
        if now.saturating_duration_since(self.window.until) > PATIENCE {
            let what = "the server does not keep up with the rate; batches still wait".to_owned();
            return Err(BenchError::Connection(what));
        }
        Ok(())
    }
}
