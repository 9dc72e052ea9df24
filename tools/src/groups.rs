//! A walk over the groups of a journal file that does not stop at damage.
//!
//! Groups stand at multiples of [`GROUP_ALIGNMENT`], so behind a bad one the walk looks for the
//! next header whose checksum holds. A file is used again and again, each time from its start:
//!
//! ```text
//! | group | group | group |.....| group | .... | group | zeroes
//! '----- latest use ------'------ what is left of earlier uses
//! ```
//!
//! Earlier uses have lower generations, and the latest one has overwritten some of their groups in
//! part. So a bad stretch is damage only *before* the last good group of the latest use; behind it,
//! it is the torn end of that, or stale.

use std::io;

use duramen_protocol::files::journal::{
    GROUP_ALIGNMENT, GROUP_HEADER_LEN, Group, GroupError, GroupHeader,
};

use crate::scan::{Bad, BadKind};
use crate::source::Source;

/// What stands at a place of a journal file.
pub(crate) enum GroupPiece<'a> {
    /// A whole group whose checksums hold.
    Group(Group<'a>),
    /// A group whose header holds, but not what follows it.
    BadGroup(GroupHeader, Bad),
    /// Bytes that are no group.
    Bad(Bad),
}

/// See the [module](self).
pub(crate) struct Groups {
    source: Source,
    position: u64,
    /// Start epoch and generation of the latest use.
    latest: (u32, u64),
    /// Where its last good group ends.
    use_end: u64,
}

/// What tells the uses of a file apart, the later the greater.
fn use_of(header: &GroupHeader) -> (u32, u64) {
    (header.start_epoch, header.generation)
}

/// The group at `position`.
///
/// # Errors
/// The outer one if the file can't be read, the inner one if there is no good group.
pub(crate) fn group_at(
    source: &mut Source,
    position: u64,
) -> io::Result<Result<Group<'_>, GroupError>> {
    let need = match GroupHeader::decode(source.read(position, GROUP_HEADER_LEN)?) {
        // The header's checksum holds, and no more is read than the file has.
        Ok(header) => GROUP_HEADER_LEN + header.payload_len as usize,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Group::parse(source.read(position, need)?))
}

impl Groups {
    /// Looks for the end of the latest use, then starts at the beginning of the file.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn new(source: Source) -> io::Result<Groups> {
        let mut groups = Groups { source, position: 0, latest: (0, 0), use_end: 0 };
        while let Some((_, piece)) = groups.next()? {
            if let GroupPiece::Group(group) = piece {
                let this = use_of(&group.header);
                if this >= groups.latest {
                    (groups.latest, groups.use_end) = (this, groups.position);
                }
            }
        }
        groups.position = 0;
        Ok(groups)
    }

    /// Where the next piece starts.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next piece, and where it starts; `None` at the end.
    ///
    /// # Errors
    /// If the file can't be read at [`Groups::position`].
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, GroupPiece<'_>)>> {
        let position = self.position;
        let Some(left) = self.source.len().checked_sub(position).filter(|left| *left > 0) else {
            return Ok(None);
        };
        let header = match GroupHeader::decode(self.source.read(position, GROUP_HEADER_LEN)?) {
            Ok(header) => header,
            Err(error) => {
                let bad = self.no_group(position, error)?;
                self.position += bad.length;
                return Ok(Some((position, GroupPiece::Bad(bad))));
            }
        };
        self.position += u64::from(header.group_len).min(left);
        let kind = match use_of(&header) >= self.latest {
            _ if position < self.use_end => BadKind::Damaged,
            true => BadKind::Torn,
            false => BadKind::Stale,
        };
        let piece = match group_at(&mut self.source, position)? {
            Ok(group) => GroupPiece::Group(group),
            Err(error) => {
                let (length, reason) = (self.position - position, error.to_string());
                GroupPiece::BadGroup(header, Bad { position, length, offset: None, kind, reason })
            }
        };
        Ok(Some((position, piece)))
    }

    /// The stretch from `at` up to where the next group stands.
    fn no_group(&mut self, at: u64, error: GroupError) -> io::Result<Bad> {
        let len = self.source.len();
        let zeroes_until = self.source.zeroes_until(at)?;
        let align = GROUP_ALIGNMENT as u64;
        let is_zeroed = zeroes_until - at >= align || zeroes_until >= len;
        let mut end = if is_zeroed { zeroes_until / align * align } else { at + align };
        while !is_zeroed && end < len && !self.group_at(end)? {
            end += align;
        }
        if zeroes_until >= len || end > len {
            end = len;
        }
        let kind = match at < self.use_end {
            true => BadKind::Damaged,
            false if is_zeroed => BadKind::Zeroed,
            false => BadKind::Stale,
        };
        let reason = if is_zeroed { "zeroes".to_owned() } else { error.to_string() };
        Ok(Bad { position: at, length: end - at, offset: None, kind, reason })
    }

    /// Whether the header of a group, or zeroes, stand at `at`.
    fn group_at(&mut self, at: u64) -> io::Result<bool> {
        let bytes = self.source.read(at, GROUP_HEADER_LEN)?;
        Ok(GroupHeader::decode(bytes).is_ok() || bytes.iter().all(|&byte| byte == 0))
    }
}
