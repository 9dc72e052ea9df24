//! Runs that went straight to their segment: the journal has their batches' headers, and whether
//! the segment has the rest can be told by those.
//!
//! Those of the last group may be missing: the group was not acknowledged then, and the next start
//! cuts it off. Any other was, as the group behind it says.

use std::path::Path;

use duramen_protocol::batch::{BatchHeader, BatchView, HEADER_LEN};
use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::journal::{Extent, PartitionKey};
use duramen_protocol::files::partition_folder;
use duramen_protocol::files::segment::SegmentFile;

use super::journal::{Found, Walked};
use crate::source::{Access, Source};

/// What a journal says of one run.
pub(super) struct Promised {
    key: PartitionKey,
    /// Sequence of its group.
    sequence: u64,
    segment_base: u64,
    position: u64,
    headers: Vec<u8>,
    head: Vec<u8>,
    extent_len: u64,
    tail: Vec<u8>,
}

impl Promised {
    pub(super) fn new(key: PartitionKey, sequence: u64, extent: &Extent<'_>) -> Promised {
        Promised {
            key,
            sequence,
            segment_base: extent.segment_base,
            position: extent.position,
            headers: extent.headers.to_vec(),
            head: extent.head.to_vec(),
            extent_len: extent.extent_len,
            tail: extent.tail.to_vec(),
        }
    }

    /// The offset behind the run.
    fn next_offset(&self) -> Option<i64> {
        let last = self.headers.chunks_exact(HEADER_LEN).last()?;
        BatchHeader::parse(last).ok().map(|header| header.next_offset())
    }

    /// The first batch that isn't there as it was acknowledged.
    fn first_bad(&self, path: &Path) -> Option<Found> {
        let found = |position, offset, reason: String| {
            let path = path.to_owned();
            Some(Found { path, position, offset, is_damage: true, reason })
        };
        let at = self.position + self.head.len() as u64;
        let read = Source::open(path, Access::Read)
            .and_then(|mut source| source.read(at, self.extent_len as usize).map(<[u8]>::to_vec));
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(error) => return found(at, None, format!("acknowledged, but: {error}")),
        };
        let run = [&self.head[..], &bytes, &self.tail].concat();
        let mut from = 0;
        for listed in self.headers.chunks_exact(HEADER_LEN) {
            let header = BatchHeader::parse(listed).ok()?;
            let rest = &run[from.min(run.len())..];
            let reason = match BatchView::parse(rest) {
                Ok(_) if rest[..HEADER_LEN] == *listed => None,
                Ok(_) => Some("not the batch that the journal names".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = reason {
                let position = self.position + from as u64;
                return found(
                    position,
                    Some(header.base_offset),
                    format!("acknowledged, but: {reason}"),
                );
            }
            from += header.size_in_bytes();
        }
        None
    }
}

/// Looks at every run that was acknowledged and is not below its partition's log start.
pub(super) fn check(data: &Path, catalog: &CatalogFile, walked: &mut Walked) {
    let last = walked.last_sequence;
    for promised in std::mem::take(&mut walked.extents) {
        let topic = catalog.topics.iter().find(|topic| topic.id == promised.key.topic_id);
        let Some(topic) = topic.filter(|_| promised.sequence != last) else { continue };
        let log_start = walked.log_starts.get(&promised.key).copied().unwrap_or(0);
        if promised.next_offset().is_none_or(|next| next as u64 <= log_start) {
            continue;
        }
        let folder = partition_folder::folder_name(&topic.name, promised.key.partition);
        let file = SegmentFile::Log.name(promised.segment_base as i64);
        walked.found.extend(promised.first_bad(&data.join(folder).join(file)));
    }
}
