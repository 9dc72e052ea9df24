//! Reading ahead: what is cold comes to the page cache before anybody sends it.
//!
//! ```text
//! segment's file  |========|========|--------|........|........|
//!                   there    there   on its way   wanted
//!                          ^ a reader that takes much at a time
//! ```
//!
//! A file is brought in *windows* of [`limits::READAHEAD_BYTES`]. A read that meets a cold one waits
//! for it; one that has come to a new one has the next wanted as well. The kernel's own readahead is off for these files
//! (see [`crate::io`]), for two reasons. A page that is on its way counts as cached, so a `sendfile`
//! of it would make the core wait: here it is known what is on its way. And the kernel knows
//! nothing of the commit: with the 8 MiB that some devices have it reads (`read_ahead_kb`), three
//! readers leave a group a third of the disk.
//!
//! **Turns.** While a group is in flight, one window is begun for each group that is done, so that
//! readers and the commit share the disk as windows and groups. Otherwise as many as
//! [`limits::READAHEADS_IN_FLIGHT`] are.

use std::collections::{BTreeMap, VecDeque};

use super::log::{Life, LogId, Place};
use super::read_job::{Job, Step};
use super::reader::ReadId;
use super::store::Store;
use super::task::Task;
use crate::io::{Disk, FileId, Op};
use crate::limits;

/// A part of a segment's file that is brought at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    log: LogId,
    base: u64,
    number: u64,
}

impl Window {
    /// The window that holds a place.
    fn at(log: LogId, place: Place) -> Window {
        Window { log, base: place.base, number: place.position / limits::READAHEAD_BYTES }
    }

    fn start(self) -> u64 {
        self.number * limits::READAHEAD_BYTES
    }

    fn end(self) -> u64 {
        self.start() + limits::READAHEAD_BYTES
    }

    /// The window so many behind this one.
    fn plus(self, windows: u64) -> Window {
        Window { number: self.number + windows, ..self }
    }
}

/// The windows that are wanted or on their way.
#[derive(Default)]
pub(super) struct Readahead {
    windows: BTreeMap<Window, Wanted>,
    /// Those that are not on their way yet.
    queue: VecDeque<Window>,
    in_flight: usize,
    /// A group was done since the last window was begun.
    pub has_turn: bool,
}

#[derive(Default)]
struct Wanted {
    is_on_its_way: bool,
    /// Reads that wait for it.
    readers: Vec<ReadId>,
}

impl Readahead {
    /// Wants a window, for a read or for one that may come.
    pub fn want(&mut self, window: Window, reader: Option<ReadId>) {
        let queue = &mut self.queue;
        let wanted = self.windows.entry(window).or_insert_with(|| {
            queue.push_back(window);
            Wanted::default()
        });
        wanted.readers.extend(reader);
    }
}

impl<D: Disk> Store<D> {
    /// Bytes of `place..place + len` that can be had from the page cache without waiting: all, or
    /// those of the first window, or none.
    pub(super) fn at_hand(&mut self, log: LogId, file: FileId, place: Place, len: u64) -> u64 {
        let in_first = (Window::at(log, place).end() - place.position).min(len);
        let is_at_hand = |len: &u64| self.is_at_hand(log, file, place, *len);
        [len, in_first].into_iter().find(is_at_hand).unwrap_or(0)
    }

    fn is_at_hand(&mut self, log: LogId, file: FileId, place: Place, len: u64) -> bool {
        let last = Place { position: place.position + len.saturating_sub(1), ..place };
        let mut touched =
            self.readahead.windows.range(Window::at(log, place)..=Window::at(log, last));
        !touched.any(|(_, wanted)| wanted.is_on_its_way)
            && self.tasks.disk.resident(file, place.position, len)
    }

    /// The step of a read that needs `place..place + len` of a file and finds some of it cold:
    /// waiting for the first window of it that was not brought for this read before. Whatever was,
    /// and is gone again, is read without the page cache's help, and so is a block that may still
    /// be written.
    pub(super) fn bring(&mut self, job: &mut Job, place: Place, len: u64) -> Option<Step> {
        let file = match self.readable(job.log, place.base) {
            Ok(file) => file,
            Err(step) => return Some(step),
        };
        let end = (place.position + len).min(self.settled_end(job.log, place.base));
        let brought = job.brought.filter(|to| to.base == place.base).map_or(0, |to| to.position);
        let mut position = place.position.max(brought);
        while position < end {
            let place = Place { position, ..place };
            let window = Window::at(job.log, place);
            let in_window = end.min(window.end()) - position;
            if !self.is_at_hand(job.log, file, place, in_window) {
                return Some(Step::Bring(window));
            }
            position += in_window;
        }
        None
    }

    /// A read took `from..from + len`: the windows behind it are wanted, if it has come to a new one.
    pub(super) fn look_ahead(&mut self, log: LogId, from: Place, len: u64) {
        let last = Place { position: from.position + len.saturating_sub(1), ..from };
        let window = Window::at(log, last);
        let is_new = from.position <= window.start();
        if !is_new || len < limits::READAHEAD_FROM_BYTES {
            return;
        }
        let settled = self.settled_end(log, from.base);
        let file = self.logs.get(log).and_then(|log| log.segment(from.base)?.file_id());
        let Some(file) = file else { return };
        // Those behind one that is there or wanted were seen to when the reader was further back.
        let mut cold = Vec::new();
        for next in (1..=limits::READAHEAD_WINDOWS).rev().map(|n| window.plus(n)) {
            let in_window = next.end().min(settled).saturating_sub(next.start());
            if in_window == 0 {
                continue;
            }
            let is_seen_to = self.readahead.windows.contains_key(&next)
                || self.tasks.disk.resident(file, next.start(), in_window);
            if is_seen_to {
                break;
            }
            cold.push(next);
        }
        cold.into_iter().rev().for_each(|next| self.readahead.want(next, None));
    }

    /// Sets windows going, as far as they may. Call it when the tick's group is on its way.
    pub(super) fn begin_windows(&mut self) {
        loop {
            let is_committing = self.group.is_some() && self.failed.is_none();
            let may_begin = self.readahead.in_flight < limits::READAHEADS_IN_FLIGHT
                && (self.readahead.has_turn || !is_committing);
            if !may_begin {
                return;
            }
            let Some(window) = self.readahead.queue.pop_front() else { return };
            if self.begin_window(window).is_some() {
                self.readahead.has_turn = false;
            } else {
                self.end_window(window);
            }
        }
    }

    /// Sets a window going, unless there is nothing of it that may be read, or no open file.
    fn begin_window(&mut self, window: Window) -> Option<()> {
        let settled = self.settled_end(window.log, window.base);
        let log = self.logs.get_mut(window.log).filter(|log| log.life == Life::Living)?;
        let file = log.segment(window.base)?.file_id()?;
        let len = window.end().min(settled).checked_sub(window.start()).filter(|&len| len > 0)?;
        self.readahead.windows.get_mut(&window)?.is_on_its_way = true;
        log.in_flight += 1;
        self.readahead.in_flight += 1;
        let op = Op::ReadAhead { file, at: window.start(), len };
        self.tasks.submit(Task::ReadAhead(window), op);
        Some(())
    }

    /// A window was brought, or can't be: the reads that wait for it say so.
    pub(super) fn window_done(&mut self, window: Window) {
        self.readahead.in_flight -= 1;
        if let Some(log) = self.logs.get_mut(window.log) {
            log.in_flight -= 1;
        }
        self.end_window(window);
        self.delete_segments(window.log);
        self.consider_trashing(window.log);
    }

    /// Lets the reads of a window go on, and not ask for it again: whatever became of it, they get
    /// ahead.
    fn end_window(&mut self, window: Window) {
        let wanted = self.readahead.windows.remove(&window).unwrap_or_default();
        for id in wanted.readers {
            let Some(mut job) = self.reads.jobs.remove(&id.0) else { continue };
            job.brought = Some(Place { base: window.base, position: window.end() });
            self.go_on(id, job, Step::Again);
        }
    }

    /// Behind the last byte of a segment's file that is never written again.
    fn settled_end(&self, log: LogId, base: u64) -> u64 {
        let segment = self.logs.get(log).and_then(|log| log.segment(base));
        segment.map_or(0, |segment| segment.settled(self.block_bytes))
    }
}
