//! The names of a segment's files.
//!
//! ```text
//! 00000000000000001234.log
//! └── base offset ───┘ └ kind
//! ```

/// Digits of the base offset in a name: as many as an `i64` can need, and one to spare.
const DIGITS: usize = 20;

/// What a file of a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentFile {
    /// The batches.
    Log,
    /// Offset to position.
    OffsetIndex,
    /// Timestamp to offset.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// The producers' state before the offset in the name.
    Snapshot,
}

impl SegmentFile {
    /// All of them.
    pub const ALL: [SegmentFile; 5] = [
        SegmentFile::Log,
        SegmentFile::OffsetIndex,
        SegmentFile::TimeIndex,
        SegmentFile::TxnIndex,
        SegmentFile::Snapshot,
    ];

    /// What the name ends in, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            SegmentFile::Log => "log",
            SegmentFile::OffsetIndex => "index",
            SegmentFile::TimeIndex => "timeindex",
            SegmentFile::TxnIndex => "txnindex",
            SegmentFile::Snapshot => "snapshot",
        }
    }

    /// The name of the file of this kind whose segment starts at `base_offset`.
    pub fn name(self, base_offset: i64) -> String {
        format!("{base_offset:0DIGITS$}.{}", self.extension())
    }

    /// The base offset and kind that a file name stands for. `None` for everything else that may
    /// lie in a partition's folder, files marked `.deleted`, `.cleaned` or `.swap` included.
    pub fn parse(name: &str) -> Option<(i64, SegmentFile)> {
        let (digits, extension) = name.split_once('.')?;
        if digits.len() != DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let kind = SegmentFile::ALL.into_iter().find(|kind| kind.extension() == extension)?;
        Some((digits.parse().ok()?, kind))
    }
}

/// An offset as the indexes hold it: less the base offset of its segment.
///
/// # Panics
/// If that does not fit 31 bits. Segments roll before it gets so far.
pub(super) fn relative_offset(offset: i64, base_offset: i64) -> i32 {
    match offset.checked_sub(base_offset).map(i32::try_from) {
        Some(Ok(relative)) if relative >= 0 => relative,
        _ => panic!("offset {offset} too far above the segment's base {base_offset}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        assert_eq!(SegmentFile::Log.name(1234), "00000000000000001234.log");
        for kind in SegmentFile::ALL {
            for base_offset in [0, 1234, i64::MAX] {
                assert_eq!(SegmentFile::parse(&kind.name(base_offset)), Some((base_offset, kind)));
            }
        }
    }

    #[test]
    fn other_names_are_no_segments() {
        for name in [
            "",
            ".log",
            "0.log",
            "00000000000000000000",
            "00000000000000000000.",
            "00000000000000000000.log.deleted",
            "0000000000000000000x.log",
            "-0000000000000000001.log",
            "+0000000000000000001.log",
            "99999999999999999999.log",
            "leader-epoch-checkpoint",
        ] {
            assert_eq!(SegmentFile::parse(name), None, "{name}");
        }
    }
}
