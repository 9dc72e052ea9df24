//! What a data folder promises about its partitions: up to where they have been synced.
//!
//! Bytes below that *recovery point* must be whole. What lies past it may be torn by an unclean
//! stop; at its next start the server makes it whole from the journal, or cuts it off. Kafka writes
//! the offset into a text file, Duramen the place, too, into its checkpoints.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;

use duramen_protocol::files::segment::SegmentFile;

use super::own::OwnState;
use crate::offsets;
use crate::source::{Access, Source};
use crate::tree::{self, OWN_FOLDER};

/// Kafka's file of recovery points has no more bytes than this.
const OFFSETS_BYTES_MAX: usize = 64 << 20;

/// What is known of the folder that partitions lie in.
pub(super) enum Data {
    /// Duramen's.
    Own(OwnState),
    /// Kafka's, or of unknown origin: recovery points by topic and partition.
    Kafka(HashMap<(String, u32), i64>),
}

impl Data {
    /// Looks into the folder. What can't be read promises nothing: that is told where the file
    /// itself is verified.
    pub(super) fn of(folder: &Path) -> Data {
        let own = folder.join(OWN_FOLDER);
        match own.is_dir() {
            true => Data::Own(OwnState::load(&own)),
            false => Data::Kafka(recovery_points(folder).unwrap_or_default()),
        }
    }

    /// Like [`Data::of`], given a partition's folder.
    pub(super) fn around(partition: &Path) -> Data {
        let absolute = std::path::absolute(partition).unwrap_or_else(|_| partition.to_owned());
        Data::of(absolute.parent().unwrap_or(&absolute))
    }

    /// What is promised of a partition.
    pub(super) fn promise(&self, partition: &Path) -> Promise {
        let name = tree::partition_of(partition);
        match self {
            Data::Own(own) => {
                Promise { is_ours: true, point: Point::Place(own.recovery_point(partition)) }
            }
            Data::Kafka(points) => {
                let point =
                    name.and_then(|(topic, number)| points.get(&(topic.to_owned(), number)));
                Promise { is_ours: false, point: Point::Offset(point.copied()) }
            }
        }
    }
}

fn recovery_points(folder: &Path) -> Option<HashMap<(String, u32), i64>> {
    let mut source = Source::open(&folder.join(offsets::RECOVERY_POINTS), Access::Read).ok()?;
    let text = std::str::from_utf8(source.read_whole(OFFSETS_BYTES_MAX).ok()?).ok()?;
    let lines = offsets::decode(text).ok()?;
    Some(
        lines
            .into_iter()
            .map(|line| ((line.topic.to_owned(), line.partition), line.offset))
            .collect(),
    )
}

/// A recovery point of Duramen's. The default promises nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: i64,
    pub(super) segment_base: i64,
    pub(super) position: u64,
    /// Bytes of the segment's indexes that hold what is below the point.
    pub(super) index_len: u64,
    pub(super) time_index_len: u64,
}

#[derive(Clone, Copy, Debug)]
enum Point {
    Place(Place),
    Offset(Option<i64>),
}

/// What is promised of one partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// Whether it is Duramen's: no compaction, so no gaps.
    pub(super) is_ours: bool,
    point: Point,
}

impl Promise {
    /// The offset below which nothing may be missing, if one is promised.
    pub(super) fn recovery_point(&self) -> Option<i64> {
        match self.point {
            Point::Place(place) => Some(place.offset),
            Point::Offset(offset) => offset,
        }
    }

    /// Whether the bytes at this place of a segment must be whole. Kafka would cut torn ones away
    /// in any segment, and without a word all segments behind it; so they count in the newest only.
    pub(super) fn vouches(
        &self,
        segment_base: i64,
        position: u64,
        offset: i64,
        is_newest: bool,
    ) -> bool {
        match self.point {
            Point::Place(point) => (segment_base, position) < (point.segment_base, point.position),
            Point::Offset(point) => !is_newest || point.is_some_and(|point| offset < point),
        }
    }

    /// Whether a snapshot taken at that offset must be whole. A kill may leave a part of one: Duramen's
    /// checkpoints hold the same, and those past the recovery point are thrown away.
    pub(super) fn vouches_for_snapshot(&self, offset: i64) -> bool {
        match self.point {
            Point::Place(point) => offset < point.offset,
            Point::Offset(_) => true,
        }
    }

    /// The position in an index from which on it may say anything: Duramen makes anew what is past
    /// the recovery point.
    pub(super) fn index_excused_from(&self, segment_base: i64, file: SegmentFile) -> u64 {
        let Point::Place(point) = self.point else { return u64::MAX };
        match (segment_base.cmp(&point.segment_base), file) {
            (Ordering::Less, _) => u64::MAX,
            (Ordering::Equal, SegmentFile::OffsetIndex) => point.index_len,
            (Ordering::Equal, SegmentFile::TimeIndex) => point.time_index_len,
            _ => 0,
        }
    }

    /// Whether nobody writes to a segment any more that is followed by one that starts at
    /// `next_base`: not even a server that recovers.
    pub(super) fn is_sealed(&self, next_base: Option<i64>) -> bool {
        match (self.recovery_point(), next_base) {
            (_, None) => false,
            (Some(point), Some(next_base)) => next_base <= point,
            (None, Some(_)) => true,
        }
    }
}
