//! A segment: each batch by itself, all of them in order, and the indexes beside them.

use std::fmt::Display;
use std::io;
use std::path::Path;

use duramen_protocol::batch::{BatchHeader, BatchView};
use duramen_protocol::files::segment::SegmentFile;

use super::findings::{Findings, Place};
use super::indexes::{AbortMarker, OffsetIndexCheck, SegmentEnd, TimeIndexCheck, TxnIndexCheck};
use super::log::Log;
use super::promise::Promise;
use crate::control::Control;
use crate::scan::{Bad, BadKind, Batch, Piece, Scanner};
use crate::source::Source;

/// Where the files of a segment lie.
pub(super) struct SegmentPaths<'p> {
    pub(super) log: &'p Path,
    pub(super) offset_index: Option<&'p Path>,
    pub(super) time_index: Option<&'p Path>,
    pub(super) txn_index: Option<&'p Path>,
    /// Whether these are all there are: then one that is missing is missed.
    pub(super) is_all: bool,
}

impl<'p> SegmentPaths<'p> {
    /// The segment alone.
    pub(super) fn of_log(log: &'p Path) -> Self {
        SegmentPaths { log, offset_index: None, time_index: None, txn_index: None, is_all: false }
    }
}

/// A walk over one segment.
pub(super) struct SegmentCheck<'p, 'f, 'o> {
    findings: &'f mut Findings<'o>,
    log: &'f mut Log,
    promise: Promise,
    path: &'p Path,
    base_offset: i64,
    is_newest: bool,
    offset_index: Option<OffsetIndexCheck<'p>>,
    time_index: Option<TimeIndexCheck<'p>>,
    txn_index: Option<TxnIndexCheck<'p>>,
    misses_txn_index: bool,
    /// A bad stretch came before: a gap is no news.
    behind_damage: bool,
    /// Gaps between batches, or between records: how many, how many offsets, and the first place.
    gaps: (u64, i64),
    first_gap: Option<(u64, i64)>,
    good_end: u64,
    is_torn: bool,
}

impl<'p, 'f, 'o> SegmentCheck<'p, 'f, 'o> {
    /// Opens the indexes. They come first, so that a server at work can't be ahead in them.
    pub(super) fn open(
        paths: &SegmentPaths<'p>,
        base_offset: i64,
        is_newest: bool,
        promise: Promise,
        log: &'f mut Log,
        findings: &'f mut Findings<'o>,
    ) -> io::Result<Self> {
        let offset_index = match paths.offset_index {
            Some(path) => {
                let excused_from =
                    promise.index_excused_from(base_offset, SegmentFile::OffsetIndex);
                Some(OffsetIndexCheck::open(path, base_offset, excused_from, findings)?)
            }
            None => None,
        };
        let time_index = match paths.time_index {
            Some(path) => {
                let excused_from = promise.index_excused_from(base_offset, SegmentFile::TimeIndex);
                Some(TimeIndexCheck::open(path, base_offset, excused_from, findings)?)
            }
            None => None,
        };
        let txn_index = match paths.txn_index {
            Some(path) => Some(TxnIndexCheck::open(path, findings)?),
            None => None,
        };
        Ok(SegmentCheck {
            findings,
            log,
            promise,
            path: paths.log,
            base_offset,
            is_newest,
            offset_index,
            time_index,
            misses_txn_index: paths.is_all || txn_index.is_some(),
            txn_index,
            behind_damage: false,
            gaps: (0, 0),
            first_gap: None,
            good_end: 0,
            is_torn: false,
        })
    }

    /// Walks over the whole segment.
    pub(super) fn run(mut self, source: Source) -> io::Result<()> {
        self.start()?;
        let mut scanner = Scanner::new(source, Some(self.base_offset));
        loop {
            let position = scanner.position();
            let batches = match scanner.next() {
                Ok(None) => break,
                Ok(Some(Piece::Batch(batch))) => {
                    self.batch(&batch)?;
                    1
                }
                Ok(Some(Piece::Bad(bad))) => {
                    self.bad(&bad)?;
                    0
                }
                Err(error) => {
                    let place = self.place(position, self.log.next_offset);
                    self.findings.unreadable(place, &error)?;
                    self.log.next_offset = None;
                    self.log.forget_producers();
                    return Ok(());
                }
            };
            self.findings.looked_at(batches, scanner.position() - position);
        }
        self.finish()
    }

    fn place(&self, position: u64, offset: Option<i64>) -> Place<'p> {
        Place { path: self.path, position, offset }
    }

    /// The segment must begin where the one before it ended.
    fn start(&mut self) -> io::Result<()> {
        let base_offset = self.base_offset;
        let place = self.place(0, Some(base_offset));
        match self.log.next_offset {
            Some(next) if next > base_offset => {
                let reason =
                    format_args!("starts at {base_offset}, where the log before goes to {next}");
                self.damage(0, base_offset, reason)?;
            }
            Some(next) if next < base_offset && self.promise.is_ours => {
                let reason = format_args!("starts at {base_offset}, where {next} should follow");
                let is_damage = self.promise.recovery_point().is_some_and(|point| next < point);
                self.findings.damage_if(is_damage, place, reason)?;
            }
            Some(next) if next < base_offset => {
                let missing = base_offset - next;
                let reason =
                    format_args!("{missing} offsets missing before it, as after compaction");
                self.findings.note(place, reason)?;
                self.log.has_gaps = true;
                self.log.forget_producers();
            }
            _ => {}
        }
        self.log.next_offset = Some(base_offset);
        Ok(())
    }

    fn batch(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let header = &batch.header;
        let expected = self.log.next_offset.unwrap_or(self.base_offset);
        if let Some(fault) = &batch.fault {
            // The offsets of a batch whose checksum is wrong are believed if they can be true.
            let offset = header.base_offset.max(expected);
            let next_offset = offset.saturating_add(i64::from(header.last_offset_delta) + 1);
            self.damage(batch.position, offset, fault)?;
            let end = batch.position + header.size_in_bytes() as u64;
            return self.skip(end, next_offset);
        }
        self.offsets(batch, expected)?;
        self.leader_epoch(batch)?;
        let largest_at = match &batch.view {
            Some(view) => self.records(batch, view)?,
            None => {
                let reason =
                    format_args!("{} bytes: too large to look at its records", header.length);
                self.findings.note(self.place(batch.position, Some(header.base_offset)), reason)?;
                None
            }
        };
        if let Some(index) = &mut self.offset_index {
            index.batch(batch.position, header, self.findings)?;
        }
        if let Some(index) = &mut self.time_index {
            index.batch(header, largest_at.filter(|_| !self.promise.is_ours), self.findings)?;
        }
        self.good_end = batch.position + header.size_in_bytes() as u64;
        self.behind_damage = false;
        self.log.append(header);
        self.log.next_offset = Some(header.next_offset().max(expected));
        Ok(())
    }

    /// The base offset, which no checksum covers, and whether offsets are missing.
    fn offsets(&mut self, batch: &Batch<'_>, expected: i64) -> io::Result<()> {
        let header = &batch.header;
        let found = header.base_offset;
        if found < expected {
            let reason = format_args!("base offset {found}, where {expected} is the next");
            return self.damage(batch.position, expected, reason);
        }
        if header.last_offset() - self.base_offset > i64::from(i32::MAX) {
            let reason = format_args!(
                "last offset {}, too far from the segment's first",
                header.last_offset()
            );
            return self.damage(batch.position, expected, reason);
        }
        let missing =
            found - expected + i64::from(header.last_offset_delta) + 1 - i64::from(header.count);
        if missing == 0 || self.behind_damage && found > expected {
            return Ok(());
        }
        if self.promise.is_ours {
            let reason = format_args!(
                "base offset {found} where {expected} is the next, {} records for {} offsets",
                header.count,
                i64::from(header.last_offset_delta) + 1
            );
            return self.damage(batch.position, expected, reason);
        }
        self.gaps = (self.gaps.0 + 1, self.gaps.1.saturating_add(missing));
        self.first_gap.get_or_insert((batch.position, expected));
        self.log.has_gaps = true;
        self.log.forget_producers();
        Ok(())
    }

    /// The leader epoch, which no checksum covers either.
    fn leader_epoch(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let (position, offset, found) =
            (batch.position, batch.header.base_offset, batch.header.leader_epoch);
        let newest_known = self.log.epochs.last().map(|last| last.epoch);
        match self.log.epoch_at(offset) {
            Some(epoch) if epoch != found => {
                let reason =
                    format_args!("leader epoch {found}, where leader-epoch-checkpoint has {epoch}");
                // The file is written after the first batch of an epoch.
                let not_yet = newest_known.is_some_and(|newest| found > newest);
                match not_yet && !self.vouches(position, offset) {
                    true => self.findings.note(self.place(position, Some(offset)), reason)?,
                    false => self.damage(position, offset, reason)?,
                }
            }
            _ if found < self.log.last_epoch => {
                let reason = format!("leader epoch {found} after {}", self.log.last_epoch);
                self.damage(position, offset, reason)?;
            }
            _ => {}
        }
        self.log.last_epoch = self.log.last_epoch.max(found);
        Ok(())
    }

    /// Gives back the offset of the first record that has the batch's largest timestamp.
    fn records(&mut self, batch: &Batch<'_>, view: &BatchView<'_>) -> io::Result<Option<i64>> {
        let header = &batch.header;
        let records = match check_records(view, self.promise.is_ours) {
            Ok(records) => records,
            Err(reason) => {
                self.damage(batch.position, header.base_offset, reason)?;
                return Ok(None);
            }
        };
        if let Some(control) = records.control {
            self.control(batch.position, header, control)?;
        }
        Ok(records.largest_at)
    }

    fn control(&mut self, position: u64, header: &BatchHeader, control: Control) -> io::Result<()> {
        let first_offset = self.log.end_transaction(header, control);
        if !control.aborts() {
            return Ok(());
        }
        let marker = AbortMarker {
            offset: header.base_offset,
            producer_id: header.producer_id,
            first_offset,
            first_open: self.log.first_open(),
        };
        let has_entry = match &mut self.txn_index {
            Some(index) => index.abort_marker(&marker, self.log.has_gaps, self.findings)?,
            None => !self.misses_txn_index,
        };
        // Kafka does not rebuild this index unless the segment lies past the recovery point.
        if let Some(first_offset) = first_offset
            && !has_entry
        {
            let vouched = self.vouches(position, header.base_offset);
            let place = self.place(position, Some(header.base_offset));
            let reason = format_args!(
                "the aborted transaction of producer {} from offset {first_offset} on is missing in \
                 the transaction index: readers would take it for committed",
                header.producer_id
            );
            self.findings.damage_if(vouched, place, reason)?;
        }
        Ok(())
    }

    fn bad(&mut self, bad: &Bad) -> io::Result<()> {
        let offset = self.log.next_offset.unwrap_or(self.base_offset);
        let reason = format_args!("{} bytes: {}", bad.length, bad.reason);
        if bad.kind != BadKind::Damaged {
            self.is_torn = true;
            let is_damage = self.vouches(bad.position, offset);
            return self.findings.damage_if(
                is_damage,
                self.place(bad.position, Some(offset)),
                reason,
            );
        }
        self.damage(bad.position, offset, reason)?;
        self.skip(bad.position + bad.length, offset.saturating_add(1))
    }

    /// Damage in the log. In one of ours, past the recovery point, it is none: there recovery writes
    /// everything anew.
    fn damage(&mut self, position: u64, offset: i64, reason: impl Display) -> io::Result<()> {
        let place = self.place(position, Some(offset));
        if self.promise.is_ours && !self.vouches(position, offset) {
            let reason =
                format_args!("past the recovery point, written anew at the next start: {reason}");
            return self.findings.note(place, reason);
        }
        self.findings.damage(place, reason)
    }

    /// A bad stretch is over; the indexes' entries about it can't be checked.
    fn skip(&mut self, until: u64, next_offset: i64) -> io::Result<()> {
        self.behind_damage = true;
        self.log.next_offset = Some(next_offset);
        self.log.forget_producers();
        if let Some(index) = &mut self.offset_index {
            index.skip(until, self.findings)?;
        }
        if let Some(index) = &mut self.time_index {
            index.skip(next_offset, self.findings)?;
        }
        if let Some(index) = &mut self.txn_index {
            index.skip(next_offset, self.findings)?;
        }
        Ok(())
    }

    fn vouches(&self, position: u64, offset: i64) -> bool {
        self.promise.vouches(self.base_offset, position, offset, self.is_newest)
    }

    fn finish(mut self) -> io::Result<()> {
        let next_offset = self.log.next_offset.unwrap_or(self.base_offset);
        let end = SegmentEnd {
            next_offset,
            position: self.good_end,
            is_vouched: !self.is_torn && self.vouches(self.good_end, next_offset),
        };
        if let Some(index) = &mut self.offset_index {
            index.finish(&end, self.findings)?;
        }
        if let Some(index) = &mut self.time_index {
            index.finish(&end, self.findings)?;
        }
        if let Some(index) = &mut self.txn_index {
            index.finish(&end, self.log.has_gaps, self.findings)?;
        }
        if let Some((position, offset)) = self.first_gap {
            let (gaps, offsets) = self.gaps;
            let reason = format_args!(
                "{offsets} offsets missing in {gaps} gaps from here on, as after compaction"
            );
            self.findings.note(self.place(position, Some(offset)), reason)?;
        }
        Ok(())
    }
}

/// What the records of a batch tell.
struct CheckedRecords {
    /// What the first one says, in a control batch.
    control: Option<Control>,
    /// The offset of the first one that has the batch's largest timestamp.
    largest_at: Option<i64>,
}

/// Walks over the records of a batch.
fn check_records(view: &BatchView<'_>, is_dense: bool) -> Result<CheckedRecords, String> {
    let header = view.header();
    let records = view.records().map_err(|error| error.to_string())?;
    let mut checked = CheckedRecords { control: None, largest_at: None };
    let mut least = 0;
    for (index, record) in records.iter().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        let delta = record.offset_delta;
        if delta < least || delta > header.last_offset_delta || is_dense && delta != least {
            return Err(format!("record {index} has offset delta {delta}"));
        }
        least = delta.saturating_add(1);
        if record.timestamp == header.max_timestamp {
            checked.largest_at.get_or_insert(record.offset);
        }
        if header.attributes.is_control() {
            let control =
                Control::parse(&record).ok_or("a control batch without a control record")?;
            checked.control.get_or_insert(control);
        }
    }
    Ok(checked)
}

/// The files that a segment has beside its log, by kind.
pub(super) const INDEXES: [SegmentFile; 3] =
    [SegmentFile::OffsetIndex, SegmentFile::TimeIndex, SegmentFile::TxnIndex];
