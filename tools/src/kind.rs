//! What a file holds: told from its name, or from its first bytes where the name doesn't tell.

use std::path::Path;

use duramen_protocol::batch::{BatchHeader, HEADER_LEN};
use duramen_protocol::files::segment::SegmentFile;
use duramen_protocol::files::{catalog, checkpoint, journal, leader_epochs, partition_metadata};

/// Suffixes of files that are on their way out or not yet in: Kafka's, for segments that are to be
/// deleted or compacted.
const SUFFIXES: [&str; 3] = [".deleted", ".cleaned", ".swap"];

/// The kinds of files that can be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A file of a segment.
    Segment(SegmentFile),
    /// `leader-epoch-checkpoint`
    LeaderEpochs,
    /// `partition.metadata`
    PartitionMetadata,
    /// An offset for each partition: Kafka's `recovery-point-offset-checkpoint` and its like.
    PartitionOffsets,
    /// Lines of names and values: Kafka's `meta.properties`.
    Properties,
    /// A file of a core's journal.
    Journal,
    /// A core's checkpoint.
    Checkpoint,
    /// The catalog of topics.
    Catalog,
}

impl Kind {
    /// What to call it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Kind::Segment(SegmentFile::Log) => "segment",
            Kind::Segment(SegmentFile::OffsetIndex) => "offset index",
            Kind::Segment(SegmentFile::TimeIndex) => "time index",
            Kind::Segment(SegmentFile::TxnIndex) => "transaction index",
            Kind::Segment(SegmentFile::Snapshot) => "producer snapshot",
            Kind::LeaderEpochs => "leader epochs",
            Kind::PartitionMetadata => "partition metadata",
            Kind::PartitionOffsets => "partition offsets",
            Kind::Properties => "properties",
            Kind::Journal => "journal",
            Kind::Checkpoint => "checkpoint",
            Kind::Catalog => "catalog",
        }
    }

    /// The kind and, for the files of a segment, its base offset, as the name gives them.
    pub(crate) fn of_name(path: &Path) -> Option<(Kind, Option<i64>)> {
        let name = path.file_name()?.to_str()?;
        let name = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        if let Some((base_offset, file)) = SegmentFile::parse(name) {
            return Some((Kind::Segment(file), Some(base_offset)));
        }
        let kind = match name {
            leader_epochs::FILE_NAME => Kind::LeaderEpochs,
            partition_metadata::FILE_NAME => Kind::PartitionMetadata,
            "meta.properties" => Kind::Properties,
            "catalog" | "catalog.next" => Kind::Catalog,
            _ if is_numbered(name, "journal-") => Kind::Journal,
            _ if is_numbered(name, "checkpoint-") => Kind::Checkpoint,
            _ if name.ends_with("-offset-checkpoint") => Kind::PartitionOffsets,
            _ => {
                let (_, extension) = name.rsplit_once('.')?;
                let file =
                    SegmentFile::ALL.into_iter().find(|file| file.extension() == extension)?;
                Kind::Segment(file)
            }
        };
        Some((kind, None))
    }

    /// The kind that a file's first bytes speak for.
    pub(crate) fn of_content(head: &[u8]) -> Option<Kind> {
        match *head.first_chunk()? {
            journal::MAGIC => return Some(Kind::Journal),
            checkpoint::MAGIC => return Some(Kind::Checkpoint),
            catalog::MAGIC => return Some(Kind::Catalog),
            _ => {}
        }
        if head.starts_with(b"version:") {
            return Some(Kind::PartitionMetadata);
        }
        let looks_like_a_batch = head.len() >= HEADER_LEN && BatchHeader::parse(head).is_ok();
        looks_like_a_batch.then_some(Kind::Segment(SegmentFile::Log))
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|number| number.parse::<u64>().is_ok())
}

/// What a file whose kind is not known, or that is none of a partition's, is left over from.
pub(crate) fn leftover(name: &str) -> Option<&'static str> {
    match name {
        _ if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) => {
            Some("left over from a deletion or compaction")
        }
        _ if name.ends_with(".tmp") => Some("left over from a replacement that was not finished"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_name(name: &str) -> Option<(Kind, Option<i64>)> {
        Kind::of_name(&Path::new("some/folder-0").join(name))
    }

    #[test]
    fn names_tell_kind_and_base_offset() {
        let log = Kind::Segment(SegmentFile::Log);
        let index = Kind::Segment(SegmentFile::OffsetIndex);
        for (name, expected) in [
            ("00000000000000000012.log", Some((log, Some(12)))),
            ("00000000000000000012.log.deleted", Some((log, Some(12)))),
            ("00000000000000000012.index", Some((index, Some(12)))),
            ("copy-of-a.log", Some((log, None))),
            ("leader-epoch-checkpoint", Some((Kind::LeaderEpochs, None))),
            ("recovery-point-offset-checkpoint", Some((Kind::PartitionOffsets, None))),
            ("catalog", Some((Kind::Catalog, None))),
            ("checkpoint-1", Some((Kind::Checkpoint, None))),
            ("journal-12", Some((Kind::Journal, None))),
            ("journal-x", None),
            ("99999999999999999999.log", Some((log, None))),
            ("log", None),
            ("notes.txt", None),
            (".kafka_cleanshutdown", None),
        ] {
            assert_eq!(of_name(name), expected, "{name}");
        }
    }

    #[test]
    fn leftovers_are_told_from_what_is_unknown() {
        assert!(
            leftover("00000000000000000012.log.deleted").is_some_and(|s| s.contains("deletion"))
        );
        assert!(leftover("leader-epoch-checkpoint.tmp").is_some_and(|s| s.contains("replacement")));
        assert_eq!(leftover("leader-epoch-checkpoint"), None);
        assert_eq!(of_name("partition.metadata.tmp"), None, "not held to be whole");
    }

    #[test]
    fn content_tells_where_names_do_not() {
        assert_eq!(Kind::of_content(b"DrmnGrp1 and more"), Some(Kind::Journal));
        assert_eq!(Kind::of_content(b"DrmnChk2"), Some(Kind::Checkpoint));
        assert_eq!(Kind::of_content(b"DrmnCat1"), Some(Kind::Catalog));
        assert_eq!(Kind::of_content(b"version: 0\ntopic_id: x"), Some(Kind::PartitionMetadata));
        assert_eq!(Kind::of_content(b""), None);
        assert_eq!(Kind::of_content(b"some text or other"), None);
        assert_eq!(Kind::of_content(&[0; 100]), None);
    }
}
