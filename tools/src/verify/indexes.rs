//! The indexes of a segment, checked entry by entry while its batches pass by.
//!
//! Both run along with the walk over the segment: a batch comes, and every entry that should be
//! about it, or about something before it, is taken and compared. So an index is never held in
//! memory, and each entry is looked at once.

use std::fmt::Display;
use std::io;
use std::marker::PhantomData;
use std::path::Path;

use duramen_protocol::batch::BatchHeader;
use duramen_protocol::files::offset_index::{self, OffsetEntry};
use duramen_protocol::files::sparse_index::IndexEntry;
use duramen_protocol::files::time_index::{self, TimeEntry};
use duramen_protocol::files::txn_index::{self, AbortedTxn};

use super::findings::{Findings, Place};
use crate::entries::{Entries, Slot};
use crate::source::{Access, Source};

/// An index with one entry read ahead.
struct Ahead<'p, const N: usize> {
    path: &'p Path,
    /// What lies from here on need not be right.
    excused_from: u64,
    entries: Option<Entries<N>>,
    next: Option<(u64, [u8; N])>,
}

impl<'p, const N: usize> Ahead<'p, N> {
    fn open(
        path: &'p Path,
        zero_is_entry: bool,
        excused_from: u64,
        findings: &mut Findings<'_>,
    ) -> io::Result<Self> {
        let entries = match Source::open(path, Access::Read) {
            Ok(source) => Some(Entries::new(source, zero_is_entry)),
            Err(error) => {
                findings.not_opened(path, &error)?;
                None
            }
        };
        let mut ahead = Ahead { path, excused_from, entries, next: None };
        ahead.advance(findings)?;
        Ok(ahead)
    }

    fn place(&self, position: u64, offset: Option<i64>) -> Place<'p> {
        Place { path: self.path, position, offset }
    }

    /// An entry does not say what it should.
    fn damage(
        &self,
        at: u64,
        offset: i64,
        reason: impl Display,
        findings: &mut Findings<'_>,
    ) -> io::Result<()> {
        let is_damage = at < self.excused_from;
        findings.damage_if(is_damage, self.place(at, Some(offset)), reason)
    }

    /// Reads on to the next entry.
    fn advance(&mut self, findings: &mut Findings<'_>) -> io::Result<()> {
        self.next = None;
        let Some(entries) = &mut self.entries else { return Ok(()) };
        let read = entries.next();
        let position = entries.position();
        match read {
            Ok(None) => Ok(()),
            Ok(Some((position, Slot::Entry(bytes)))) => {
                self.next = Some((position, bytes));
                Ok(())
            }
            Ok(Some((position, Slot::Zeroes(length)))) => findings.note(
                self.place(position, None),
                format_args!("{length} zeroes to the end of the file, as it was allocated"),
            ),
            Ok(Some((position, Slot::Rest(length)))) => {
                let reason = format_args!("{length} bytes, too few for an entry");
                let is_damage = position < self.excused_from;
                findings.damage_if(is_damage, self.place(position, None), reason)
            }
            Err(error) => {
                self.entries = None;
                findings.unreadable(self.place(position, None), &error)
            }
        }
    }
}

/// What is to be said of an entry.
enum Verdict {
    /// It is about something that comes later.
    Later,
    /// It is right, or can't be checked.
    Unsaid,
    Note(String),
    Damage(String),
}

/// An index whose entries rise with the log.
struct Rising<'p, E, const N: usize> {
    ahead: Ahead<'p, N>,
    base_offset: i64,
    entry: PhantomData<E>,
}

impl<'p, E: IndexEntry<N>, const N: usize> Rising<'p, E, N> {
    fn open(
        path: &'p Path,
        base_offset: i64,
        excused_from: u64,
        findings: &mut Findings<'_>,
    ) -> io::Result<Self> {
        let ahead = Ahead::open(path, E::ZEROS_MAY_BE_FIRST, excused_from, findings)?;
        Ok(Rising { ahead, base_offset, entry: PhantomData })
    }

    /// Takes the entries of which something is known by now.
    fn take(
        &mut self,
        look: impl Fn(&E) -> Verdict,
        findings: &mut Findings<'_>,
    ) -> io::Result<()> {
        while let Some((at, bytes)) = self.ahead.next {
            let entry = E::decode(&bytes, self.base_offset);
            match look(&entry) {
                Verdict::Later => return Ok(()),
                Verdict::Unsaid => {}
                Verdict::Note(reason) => {
                    findings.note(self.ahead.place(at, Some(entry.offset())), reason)?;
                }
                Verdict::Damage(reason) => {
                    self.ahead.damage(at, entry.offset(), reason, findings)?;
                }
            }
            self.ahead.advance(findings)?;
        }
        Ok(())
    }
}

/// `*.index`
pub(super) struct OffsetIndexCheck<'p>(Rising<'p, OffsetEntry, { offset_index::ENTRY_LEN }>);

impl<'p> OffsetIndexCheck<'p> {
    pub(super) fn open(
        path: &'p Path,
        base_offset: i64,
        excused_from: u64,
        findings: &mut Findings<'_>,
    ) -> io::Result<Self> {
        Ok(OffsetIndexCheck(Rising::open(path, base_offset, excused_from, findings)?))
    }

    /// A batch passes by.
    pub(super) fn batch(
        &mut self,
        position: u64,
        header: &BatchHeader,
        findings: &mut Findings<'_>,
    ) -> io::Result<()> {
        let last_offset = header.last_offset();
        let look = |entry: &OffsetEntry| match u64::from(entry.position) {
            at if at > position && entry.offset > last_offset => Verdict::Later,
            at if at == position && entry.offset == last_offset => Verdict::Unsaid,
            at => Verdict::Damage(format!(
                "entry says position {at}, where no batch starts that ends at its offset"
            )),
        };
        self.0.take(look, findings)
    }

    /// A bad stretch passes by; what is said of it can't be checked.
    pub(super) fn skip(&mut self, until: u64, findings: &mut Findings<'_>) -> io::Result<()> {
        let look = |entry: &OffsetEntry| match u64::from(entry.position) < until {
            true => Verdict::Unsaid,
            false => Verdict::Later,
        };
        self.0.take(look, findings)
    }

    /// The segment is over; its good batches ended at `end`.
    pub(super) fn finish(
        &mut self,
        end: &SegmentEnd,
        findings: &mut Findings<'_>,
    ) -> io::Result<()> {
        let look = |entry: &OffsetEntry| {
            let at = u64::from(entry.position);
            let reason = format!("entry says position {at}, behind the segment's end");
            match entry.offset >= end.next_offset && at >= end.position && !end.is_vouched {
                true => Verdict::Note(reason),
                false => Verdict::Damage(reason),
            }
        };
        self.0.take(look, findings)
    }
}

/// Where a segment's good batches end.
pub(super) struct SegmentEnd {
    pub(super) next_offset: i64,
    pub(super) position: u64,
    /// Whether nothing can have been behind it that an unclean stop took away.
    pub(super) is_vouched: bool,
}

/// `*.timeindex`
pub(super) struct TimeIndexCheck<'p> {
    entries: Rising<'p, TimeEntry, { time_index::ENTRY_LEN }>,
    /// The largest timestamp so far; none if something was not seen.
    largest: Option<i64>,
}

impl<'p> TimeIndexCheck<'p> {
    pub(super) fn open(
        path: &'p Path,
        base_offset: i64,
        excused_from: u64,
        findings: &mut Findings<'_>,
    ) -> io::Result<Self> {
        let entries = Rising::open(path, base_offset, excused_from, findings)?;
        Ok(TimeIndexCheck { entries, largest: Some(-1) })
    }

    /// A batch passes by. An entry names its last offset; some versions of Kafka named that of the
    /// record with the largest timestamp, so `or_at` will do as well.
    pub(super) fn batch(
        &mut self,
        header: &BatchHeader,
        or_at: Option<i64>,
        findings: &mut Findings<'_>,
    ) -> io::Result<()> {
        let largest = self.largest.map(|largest| largest.max(header.max_timestamp));
        self.largest = largest;
        let look = |entry: &TimeEntry| {
            if entry.offset > header.last_offset() {
                return Verdict::Later;
            }
            let is_here = entry.offset == header.last_offset() || Some(entry.offset) == or_at;
            let is_largest = largest.is_none_or(|largest| largest == entry.timestamp);
            match is_here && entry.timestamp == header.max_timestamp && is_largest {
                true => Verdict::Unsaid,
                false => Verdict::Damage(format!(
                    "entry says timestamp {}, which is not the largest so far in a batch that ends at \
                     its offset",
                    entry.timestamp
                )),
            }
        };
        self.entries.take(look, findings)
    }

    /// A bad stretch passes by, up to `next_offset`; what is said of it can't be checked, nor what
    /// the largest timestamp is from here on.
    pub(super) fn skip(&mut self, next_offset: i64, findings: &mut Findings<'_>) -> io::Result<()> {
        self.largest = None;
        let look = |entry: &TimeEntry| match entry.offset < next_offset {
            true => Verdict::Unsaid,
            false => Verdict::Later,
        };
        self.entries.take(look, findings)
    }

    /// The segment is over.
    pub(super) fn finish(
        &mut self,
        end: &SegmentEnd,
        findings: &mut Findings<'_>,
    ) -> io::Result<()> {
        let look = |_: &TimeEntry| {
            let reason = "entry says an offset behind the segment's end".to_owned();
            match end.is_vouched {
                true => Verdict::Damage(reason),
                false => Verdict::Note(reason),
            }
        };
        self.entries.take(look, findings)
    }
}

/// The end of a transaction that counts for nothing, as the log has it.
pub(super) struct AbortMarker {
    pub(super) offset: i64,
    pub(super) producer_id: i64,
    /// Where the transaction started, if that was seen.
    pub(super) first_offset: Option<i64>,
    /// Where the first transaction started that is still open, as far as was seen.
    pub(super) first_open: Option<i64>,
}

impl AbortMarker {
    /// What is wrong with the entry of this marker. Its last stable offset may also be held back
    /// by how far replicas are behind, which the log does not tell; so it is only bounded.
    fn contradiction(&self, txn: &AbortedTxn) -> Option<String> {
        let first = self.first_offset.unwrap_or(txn.first_offset);
        if txn.producer_id != self.producer_id || txn.first_offset != first || first > self.offset {
            return Some(format!(
                "entry says producer {} and first offset {}, where the log has {} and {first}",
                txn.producer_id, txn.first_offset, self.producer_id
            ));
        }
        let stable_max = self.first_open.unwrap_or(i64::MAX).min(self.offset + 1);
        (!(0..=stable_max).contains(&txn.last_stable_offset)).then(|| {
            format!("entry says last stable offset {}, beyond {stable_max}", txn.last_stable_offset)
        })
    }
}

/// `*.txnindex`
pub(super) struct TxnIndexCheck<'p> {
    ahead: Ahead<'p, { txn_index::ENTRY_LEN }>,
}

impl<'p> TxnIndexCheck<'p> {
    pub(super) fn open(path: &'p Path, findings: &mut Findings<'_>) -> io::Result<Self> {
        Ok(TxnIndexCheck { ahead: Ahead::open(path, false, u64::MAX, findings)? })
    }

    /// The next entry that can be read; reports those that can't.
    fn peek(&mut self, findings: &mut Findings<'_>) -> io::Result<Option<(u64, AbortedTxn)>> {
        while let Some((at, bytes)) = self.ahead.next {
            match txn_index::decode(&bytes).as_deref() {
                Ok([txn]) => return Ok(Some((at, *txn))),
                Ok(_) => {}
                Err(error) => findings.damage(self.ahead.place(at, None), error)?,
            }
            self.ahead.advance(findings)?;
        }
        Ok(None)
    }

    /// An abort marker passes by. Says whether there is an entry. Compaction removes markers, so
    /// with gaps an entry without one proves nothing.
    pub(super) fn abort_marker(
        &mut self,
        marker: &AbortMarker,
        has_gaps: bool,
        findings: &mut Findings<'_>,
    ) -> io::Result<bool> {
        while let Some((at, txn)) = self.peek(findings)? {
            if txn.last_offset > marker.offset {
                break;
            }
            let place = self.ahead.place(at, Some(txn.last_offset));
            self.ahead.advance(findings)?;
            if txn.last_offset == marker.offset {
                if let Some(reason) = marker.contradiction(&txn) {
                    findings.damage(place, reason)?;
                }
                return Ok(true);
            }
            if !has_gaps {
                self.without_marker(place, findings)?;
            }
        }
        Ok(false)
    }

    fn without_marker(&self, place: Place<'_>, findings: &mut Findings<'_>) -> io::Result<()> {
        findings
            .damage(place, "entry of an aborted transaction without a marker at its last offset")
    }

    /// A bad stretch passes by, up to `next_offset`.
    pub(super) fn skip(&mut self, next_offset: i64, findings: &mut Findings<'_>) -> io::Result<()> {
        while let Some((_, txn)) = self.peek(findings)? {
            if txn.last_offset >= next_offset {
                break;
            }
            self.ahead.advance(findings)?;
        }
        Ok(())
    }

    /// The segment is over.
    pub(super) fn finish(
        &mut self,
        end: &SegmentEnd,
        has_gaps: bool,
        findings: &mut Findings<'_>,
    ) -> io::Result<()> {
        while let Some((at, txn)) = self.peek(findings)? {
            let place = self.ahead.place(at, Some(txn.last_offset));
            self.ahead.advance(findings)?;
            if has_gaps {
                continue;
            }
            match txn.last_offset >= end.next_offset && !end.is_vouched {
                true => findings.note(place, "entry says an offset behind the segment's end")?,
                false => self.without_marker(place, findings)?,
            }
        }
        Ok(())
    }
}
