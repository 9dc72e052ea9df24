//! A walk over the batches of a segment that does not stop at damage.
//!
//! A segment is nothing but batches, one after another. Where bytes are no good batch, the walk
//! looks for the next place where one stands whose checksum holds, and goes on there; what lies
//! between is handed out as a [`Bad`] stretch, with the reason. Nothing is held but the batch at
//! hand, and a length is trusted with memory only once the checksum has confirmed it.
//!
//! ```text
//!  ├ batch ┼ batch ┼ ? ? ? ? ┼ batch ┼ batch ┼ tor      a torn tail: the batch goes on beyond the end
//!                    damaged                    0000000  a zeroed tail: not a byte is set to the end
//! ```
//!
//! Only at the end of a file can a stretch be *torn* or *zeroed*: there an unclean stop leaves such
//! bytes. With a good batch behind it, it is damage. So is a last batch that is there to its last
//! byte and whose checksum is wrong; but where its end is zeroes from a sector's boundary on, those
//! sectors never reached the disk, and it is torn.

use std::io;

use duramen_protocol::batch::{BatchError, BatchHeader, BatchView, HEADER_LEN, layout};

use crate::source::Source;

/// Batches whose checksum is wrong are shown only up to this size.
const UNCHECKED_BYTES_MAX: usize = 16 << 20;
/// Records of greater batches are not looked at. Kafka's own limit is 1 MiB unless it is raised.
const BATCH_BYTES_MAX: usize = 512 << 20;
/// Bytes looked at in one go.
const CHUNK_BYTES: usize = 1 << 18;
/// The smallest piece that a disk writes as a whole.
const SECTOR_BYTES: u64 = 512;
/// So many zeroes at the end of a batch are no longer taken for its own bytes.
const ZEROES_MIN: u64 = 64;
/// Bytes that a search may hash in vain for each byte it passes over, so that bytes made to look
/// like headers can't make it quadratic.
const HASHED_FACTOR: u64 = 8;

/// What stands at a place of a segment.
pub(crate) enum Piece<'a> {
    /// A batch, good but for what [`Batch::fault`] says.
    Batch(Batch<'a>),
    /// Bytes that are no batch.
    Bad(Bad),
}

/// A batch where it was found.
pub(crate) struct Batch<'a> {
    /// Where it starts in the file.
    pub(crate) position: u64,
    /// Its header.
    pub(crate) header: BatchHeader,
    /// Its bytes; none if there are too many to be held.
    pub(crate) view: Option<BatchView<'a>>,
    /// The checksum, if it is wrong.
    pub(crate) fault: Option<BatchError>,
}

/// A stretch of a file that holds no good batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Where it starts in the file.
    pub(crate) position: u64,
    /// How many bytes it has.
    pub(crate) length: u64,
    /// The offset that is expected there, in files that have offsets.
    pub(crate) offset: Option<i64>,
    /// What it looks like.
    pub(crate) kind: BadKind,
    /// What is wrong with it.
    pub(crate) reason: String,
}

/// What a stretch without batches looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadKind {
    /// No unclean stop leaves this.
    Damaged,
    /// The end of the file, and a batch of which some bytes are missing.
    Torn,
    /// The end of the file, all zeroes.
    Zeroed,
    /// In a journal: behind the latest use, so it counts for nothing.
    Stale,
}

/// See the [module](self).
pub(crate) struct Scanner {
    source: Source,
    /// Indexes hold offsets in 31 bits, relative to the segment's base offset.
    offset_max: i64,
    position: u64,
    next_offset: i64,
    /// A search came to the end and found nothing: the next one would as well.
    no_good_ahead: bool,
}

/// What was found, before the bytes are borrowed.
enum Found {
    Batch { header: BatchHeader, fault: Option<BatchError> },
    Bad(Bad),
}

impl Scanner {
    /// Starts at the beginning of a segment. Its base offset is not known if the file's name has
    /// been changed.
    pub(crate) fn new(source: Source, base_offset: Option<i64>) -> Scanner {
        let offset_max = base_offset.map_or(i64::MAX, |base| base.saturating_add(i32::MAX.into()));
        let next_offset = base_offset.unwrap_or(0);
        Scanner { source, offset_max, position: 0, next_offset, no_good_ahead: false }
    }

    /// Where the next piece starts.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// If the file can't be read at [`Scanner::position`].
    pub(crate) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        let position = self.position;
        if position >= self.source.len() {
            return Ok(None);
        }
        match self.look(position)? {
            Found::Bad(bad) => {
                self.position += bad.length;
                Ok(Some(Piece::Bad(bad)))
            }
            Found::Batch { header, fault } => {
                let size = header.size_in_bytes();
                self.position += size as u64;
                self.advance_offset(&header);
                let most = if fault.is_some() { UNCHECKED_BYTES_MAX } else { BATCH_BYTES_MAX };
                let view = match size <= most {
                    true => BatchView::parse_unhashed(self.source.read(position, size)?).ok(),
                    false => None,
                };
                Ok(Some(Piece::Batch(Batch { position, header, view, fault })))
            }
        }
    }

    /// A base offset is under no checksum: one that makes no sense here is not followed.
    fn advance_offset(&mut self, header: &BatchHeader) {
        let plausible = self.next_offset..=self.offset_max;
        self.next_offset = match plausible.contains(&header.base_offset) {
            true => header.next_offset(),
            false => self.next_offset.saturating_add(i64::from(header.last_offset_delta) + 1),
        };
    }

    fn look(&mut self, at: u64) -> io::Result<Found> {
        let header = match BatchHeader::parse(self.source.read(at, HEADER_LEN)?) {
            Ok(header) => header,
            Err(error) => return self.look_at_no_header(at, &error).map(Found::Bad),
        };
        let size = header.size_in_bytes() as u64;
        let have = self.source.len() - at;
        if size > have {
            return self.look_at_overlong(at, &header).map(Found::Bad);
        }
        let computed = self.crc(at, size)?;
        if computed == header.crc {
            return Ok(Found::Batch { header, fault: None });
        }
        let fault = BatchError::Crc { stored: header.crc, computed };
        if let Some(bad) = self.torn_in_place(at, size)? {
            return Ok(Found::Bad(bad));
        }
        // The length itself may be wrong: it is believed if it leads to something sensible.
        if !self.sensible_at(at + size)?
            && let Some(next) = self.search(at + 1)?
        {
            return self.wrong_length(at, next, &header, &fault).map(Found::Bad);
        }
        Ok(Found::Batch { header, fault: Some(fault) })
    }

    /// The bytes at `at` don't even start like a batch.
    fn look_at_no_header(&mut self, at: u64, error: &BatchError) -> io::Result<Bad> {
        let end = self.source.len();
        if self.source.zeroes_until(at)? >= end {
            return Ok(self.bad(at, end, BadKind::Zeroed, "zeroes to the end of the file"));
        }
        if let Some(next) = self.search(at + 1)? {
            return Ok(self.bad(at, next, BadKind::Damaged, error));
        }
        match error {
            BatchError::Truncated { .. } => {
                let have = end - at;
                let reason = format!("{have} bytes, too few for the header of a batch");
                Ok(self.bad(at, end, BadKind::Torn, reason))
            }
            // The first sectors are missing of what came last.
            _ if self.source.zeroes_until(at)? - at >= HEADER_LEN as u64 => {
                Ok(self.bad(at, end, BadKind::Torn, "zeroes, then bytes that are no whole batch"))
            }
            error => Ok(self.bad(at, end, BadKind::Damaged, error)),
        }
    }

    /// The batch at `at` goes on beyond the end of the file, if its length is right.
    fn look_at_overlong(&mut self, at: u64, header: &BatchHeader) -> io::Result<Bad> {
        let (size, end) = (header.size_in_bytes(), self.source.len());
        let truncated = BatchError::Truncated { needed: size, have: (end - at) as usize };
        if let Some(next) = self.search(at + 1)? {
            return self.wrong_length(at, next, header, &truncated);
        }
        if self.crc(at, end - at)? == header.crc {
            return self.wrong_length(at, end, header, &truncated);
        }
        Ok(self.bad(at, end, BadKind::Torn, truncated))
    }

    /// A stretch up to the next good batch, which shows whether only the length is wrong.
    fn wrong_length(
        &mut self,
        at: u64,
        end: u64,
        header: &BatchHeader,
        error: &BatchError,
    ) -> io::Result<Bad> {
        let fits = end - at >= HEADER_LEN as u64 && self.crc(at, end - at)? == header.crc;
        let reason = match fits {
            true => format!(
                "the length field says {}, where the checksum holds for {}",
                header.length,
                end - at - layout::LOG_OVERHEAD as u64
            ),
            false => error.to_string(),
        };
        Ok(self.bad(at, end, BadKind::Damaged, reason))
    }

    /// Whether the batch at `at`, whose checksum is wrong, is the last one and its last sectors
    /// are missing.
    fn torn_in_place(&mut self, at: u64, size: u64) -> io::Result<Option<Bad>> {
        let (batch_end, end) = (at + size, self.source.len());
        if self.source.zeroes_until(batch_end)? < end {
            return Ok(None);
        }
        let zeroes_from = self.zeroes_before(at, batch_end)?.next_multiple_of(SECTOR_BYTES);
        if zeroes_from + ZEROES_MIN > batch_end {
            return Ok(None);
        }
        let reason =
            format!("a batch of {size} bytes that is zeroes from position {zeroes_from} on");
        Ok(Some(self.bad(at, end, BadKind::Torn, reason)))
    }

    fn bad(&self, at: u64, end: u64, kind: BadKind, reason: impl ToString) -> Bad {
        let (length, offset) = (end - at, Some(self.next_offset));
        Bad { position: at, length, offset, kind, reason: reason.to_string() }
    }

    /// Whether a batch, or what the end of a file may look like, stands at `at`.
    fn sensible_at(&mut self, at: u64) -> io::Result<bool> {
        let next_offset = self.next_offset;
        let bytes = self.source.read(at, HEADER_LEN)?;
        Ok(match BatchHeader::parse(bytes) {
            Ok(header) => header.base_offset > next_offset,
            Err(BatchError::Truncated { .. }) => true,
            Err(_) => bytes.iter().all(|&byte| byte == 0),
        })
    }

    /// The first place from `from` on where a batch stands whose checksum holds.
    fn search(&mut self, from: u64) -> io::Result<Option<u64>> {
        if self.no_good_ahead {
            return Ok(None);
        }
        let end = self.source.len();
        let mut hashed = 0;
        let mut at = from;
        while at + HEADER_LEN as u64 <= end {
            let Some(candidate) = self.candidate(at)? else {
                at += (CHUNK_BYTES - HEADER_LEN + 1) as u64;
                continue;
            };
            let (place, header) = candidate;
            let size = header.size_in_bytes() as u64;
            hashed += size;
            if hashed > HASHED_FACTOR * (place - from) + BATCH_BYTES_MAX as u64 {
                break;
            }
            if self.crc(place, size)? == header.crc {
                return Ok(Some(place));
            }
            at = place + 1;
        }
        self.no_good_ahead = true;
        Ok(None)
    }

    /// The first place in the chunk at `at` that could be the header of a batch that follows here.
    fn candidate(&mut self, at: u64) -> io::Result<Option<(u64, BatchHeader)>> {
        let (next_offset, offset_max, len) = (self.next_offset, self.offset_max, self.source.len());
        let bytes = self.source.read(at, CHUNK_BYTES)?;
        Ok(bytes.windows(HEADER_LEN).enumerate().find_map(|(i, window)| {
            if window[layout::MAGIC_BYTE] != layout::MAGIC as u8 {
                return None;
            }
            let header = BatchHeader::parse(window).ok()?;
            let place = at + i as u64;
            // What was damaged before it had one offset at least.
            let follows = header.base_offset > next_offset && header.base_offset <= offset_max;
            let fits = header.size_in_bytes() as u64 <= len - place;
            (follows && fits).then_some((place, header))
        }))
    }

    /// The checksum of `size` bytes of batch at `at`, as its header should have it.
    fn crc(&mut self, at: u64, size: u64) -> io::Result<u32> {
        let (mut from, end) = (at + layout::ATTRIBUTES as u64, at + size);
        let mut crc = 0;
        while from < end {
            let wanted = (end - from).min(CHUNK_BYTES as u64) as usize;
            let bytes = self.source.read(from, wanted)?;
            if bytes.is_empty() {
                break; // Cut meanwhile: the checksum won't hold.
            }
            crc = crc32c::crc32c_append(crc, bytes);
            from += bytes.len() as u64;
        }
        Ok(crc)
    }

    /// Where the zeroes start that end before `end`, looking no further back than `from`.
    fn zeroes_before(&mut self, from: u64, end: u64) -> io::Result<u64> {
        let mut at = end;
        while at > from {
            let start = at.saturating_sub(CHUNK_BYTES as u64).max(from);
            let bytes = self.source.read(start, (at - start) as usize)?;
            if let Some(i) = bytes.iter().rposition(|&byte| byte != 0) {
                return Ok(start + i as u64 + 1);
            }
            at = start;
        }
        Ok(from)
    }
}
