//! What is Duramen's alone in a data folder: the catalog, the cores' checkpoints and journals.

use std::collections::HashMap;
use std::path::Path;

use duramen_protocol::TopicId;
use duramen_protocol::files::catalog::CatalogFile;
use duramen_protocol::files::checkpoint::Checkpoint;
use duramen_protocol::files::journal::PartitionKey;

use super::promise::Place;
use crate::kind::Kind;
use crate::source::{Access, Source};
use crate::tree;

/// No catalog and no checkpoint is larger.
pub(super) const WHOLE_BYTES_MAX: usize = 256 << 20;
/// Enough of a file to tell what it is.
const HEAD_BYTES: usize = 64;

/// What the catalog and the checkpoints say.
#[derive(Default)]
pub(super) struct OwnState {
    topics: HashMap<String, TopicId>,
    points: HashMap<PartitionKey, Place>,
}

impl OwnState {
    /// Reads what can be read.
    pub(super) fn load(own: &Path) -> OwnState {
        let mut checkpoints = Vec::new();
        let mut catalog = None;
        for path in tree::own_files(own).unwrap_or_default() {
            let Ok(mut source) = Source::open(&path, Access::Read) else { continue };
            let kind = source.read(0, HEAD_BYTES).ok().and_then(Kind::of_content);
            let Ok(bytes) = source.read_whole(WHOLE_BYTES_MAX) else { continue };
            match kind {
                Some(Kind::Catalog) => catalog = CatalogFile::decode(bytes).ok().or(catalog),
                Some(Kind::Checkpoint) => checkpoints.extend(Checkpoint::decode(bytes)),
                _ => {}
            }
        }
        let Some(catalog) = catalog else { return OwnState::default() };
        checkpoints.retain(|checkpoint| checkpoint.start_epoch == catalog.start_epoch);
        // Of a core's two, the later one counts.
        checkpoints.sort_by_key(|checkpoint| checkpoint.sequence);
        let records = checkpoints.iter().flat_map(|checkpoint| &checkpoint.partitions);
        OwnState {
            topics: catalog.topics.into_iter().map(|topic| (topic.name, topic.id)).collect(),
            points: records
                .map(|record| {
                    let place = Place {
                        offset: record.recovery_point.try_into().unwrap_or(i64::MAX),
                        segment_base: record.segment_base.try_into().unwrap_or(i64::MAX),
                        position: record.position,
                    };
                    (record.key, place)
                })
                .collect(),
        }
    }

    /// Where a partition's recovery point is; at its very start if none was ever written.
    pub(super) fn recovery_point(&self, partition: &Path) -> Place {
        let found = tree::partition_of(partition).and_then(|(topic, partition)| {
            let topic_id = *self.topics.get(topic)?;
            self.points.get(&PartitionKey { topic_id, partition })
        });
        found.copied().unwrap_or_default()
    }
}
