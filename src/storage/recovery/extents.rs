//! Whether the last group's extents are in their segments.
//!
//! A group is acknowledged once all its writes are done. Of any but the last, a later group says
//! that it was; of the last, only its extents themselves can tell.

use duramen_protocol::batch::{BatchHeader, BatchView, HEADER_LEN};
use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::journal::{Entry, EntryBody, Extent};
use duramen_protocol::files::segment::SegmentFile;

use super::steps::Steps;
use super::{Plan, RecoveryError};
use crate::io::{Block, ErrorKind, Op, Output, WaitDisk};

/// Whether all extents among `entries` are there, to the byte.
pub fn hold<'e, D: WaitDisk>(
    steps: &mut Steps<'_, D>,
    plan: &Plan<'_>,
    catalog: &CatalogFile,
    entries: impl Iterator<Item = &'e Entry<'e>>,
) -> Result<bool, RecoveryError> {
    for entry in entries {
        let EntryBody::Extent(extent) = &entry.body else { continue };
        let Some(topic) = catalog.topics.iter().find(|t| t.id == entry.key.topic_id) else {
            continue;
        };
        let folder = plan.layout.partition(&topic.name, entry.key.partition);
        let path = folder.join(SegmentFile::Log.name(extent.segment_base as i64));
        if canary!(TrustExtents) {
            continue;
        }
        // Opened for writing, as that waits for what a killed server has in flight.
        let file = match steps.open(path) {
            Ok((file, _)) => file,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let at = extent.position + extent.head.len() as u64;
        let into = Block::with_room(extent.extent_len as usize);
        let read = steps.run(Op::Read { file, at, into })?;
        steps.run(Op::Close { file })?;
        let Output::Read(bytes) = read else { panic!("read ended with {read:?}") };
        if !is_whole(extent, &bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the run is what its headers say, each batch with its checksum.
fn is_whole(extent: &Extent<'_>, bytes: &[u8]) -> bool {
    let run = [extent.head, bytes, extent.tail].concat();
    let mut rest = &run[..];
    for listed in extent.headers.chunks_exact(HEADER_LEN) {
        let Ok(header) = BatchHeader::parse(listed) else { return false };
        let Some((batch, more)) = rest.split_at_checked(header.size_in_bytes()) else {
            return false;
        };
        if batch[..HEADER_LEN] != *listed || BatchView::parse(batch).is_err() {
            return false;
        }
        rest = more;
    }
    rest.is_empty() && bytes.len() as u64 == extent.extent_len
}
