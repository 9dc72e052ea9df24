//! A walk over the groups of a journal file that does not stop at damage.
//!
//! Groups stand at multiples of [`GROUP_ALIGNMENT`], so behind a bad one the walk looks for the
//! next header whose checksum holds. A file is used again and again: what stands behind the last
//! group of its present use are groups of earlier ones, with lower generations, and zeroes.

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
    BadGroup(GroupHeader, GroupError),
    /// Bytes that are no group.
    Bad(Bad),
}

/// See the [module](self).
pub(crate) struct Groups {
    source: Source,
    position: u64,
}

impl Groups {
    /// Starts at the beginning of a file.
    pub(crate) fn new(source: Source) -> Groups {
        Groups { source, position: 0 }
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
        // The header's checksum holds, and no more is read than the file has.
        let need = GROUP_HEADER_LEN + header.payload_len as usize;
        Ok(Some((
            position,
            match Group::parse(self.source.read(position, need)?) {
                Ok(group) => GroupPiece::Group(group),
                Err(error) => GroupPiece::BadGroup(header, error),
            },
        )))
    }

    /// The stretch from `at` up to where the next group stands.
    fn no_group(&mut self, at: u64, error: GroupError) -> io::Result<Bad> {
        let len = self.source.len();
        let zeroes_until = self.source.zeroes_until(at)?;
        let align = GROUP_ALIGNMENT as u64;
        let (mut end, kind, reason) = match zeroes_until - at >= align || zeroes_until >= len {
            true => (zeroes_until / align * align, BadKind::Zeroed, "zeroes".to_owned()),
            false => (at + align, BadKind::Damaged, error.to_string()),
        };
        if zeroes_until >= len {
            end = len;
        }
        while end < len && kind == BadKind::Damaged && !self.group_at(end)? {
            end += align;
        }
        let length = end.min(len) - at;
        Ok(Bad { position: at, length, offset: None, kind, reason })
    }

    /// Whether the header of a group, or zeroes, stand at `at`.
    fn group_at(&mut self, at: u64) -> io::Result<bool> {
        let bytes = self.source.read(at, GROUP_HEADER_LEN)?;
        Ok(GroupHeader::decode(bytes).is_ok() || bytes.iter().all(|&byte| byte == 0))
    }
}
