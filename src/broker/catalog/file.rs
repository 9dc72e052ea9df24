//! The catalog to and from its file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use duramen_protocol::files::catalog::{CatalogFile, TopicRecord};

use super::{Catalog, Topic, TopicLimits, changes};
use crate::config::topic_name::check_topic_name;

/// A catalog whose bytes are whole, but whose content this server can't work with. It refuses the
/// start and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the catalog's topic {topic:?} ({id}) can't be used: {reason}")]
pub struct InvalidCatalog {
    pub topic: String,
    pub id: duramen_protocol::TopicId,
    pub reason: String,
}

impl Catalog {
    /// The catalog that a file holds. The bounds on numbers of partitions are not applied: what
    /// is there is served, though `limits` may have been lowered.
    ///
    /// # Errors
    /// At the first topic that breaks an invariant, or whose `max.message.bytes` is over what
    /// the arena and the journal files now allow.
    pub fn from_file(file: CatalogFile, limits: &TopicLimits) -> Result<Catalog, InvalidCatalog> {
        let mut catalog = Catalog {
            start_epoch: file.start_epoch,
            next_producer_id: file.next_producer_id,
            tombstones: file.tombstones.into_iter().map(|t| (t.id, t)).collect(),
            ..Catalog::new(file.cluster_id)
        };
        let mut ids: BTreeSet<_> = catalog.tombstones.keys().copied().collect();
        for record in file.topics {
            let (id, name) = (record.id, record.name.clone());
            let topic = if !ids.insert(id) {
                Err("its id is another topic's too".into())
            } else if catalog.topic(&name).is_some() {
                Err("its name is another topic's too".into())
            } else {
                from_record(record, limits)
            };
            let invalid = |reason| InvalidCatalog { topic: name, id, reason };
            catalog.put(topic.map_err(invalid)?);
        }
        Ok(catalog)
    }

    /// The file that holds the catalog.
    pub fn to_file(&self) -> CatalogFile {
        CatalogFile {
            start_epoch: self.start_epoch,
            cluster_id: self.cluster_id,
            next_producer_id: self.next_producer_id,
            topics: self.topics().map(to_record).collect(),
            tombstones: self.tombstones().cloned().collect(),
        }
    }
}

fn from_record(record: TopicRecord, limits: &TopicLimits) -> Result<Topic, String> {
    check_topic_name(&record.name)?;
    if record.partitions == 0 {
        return Err("it has no partitions".into());
    }
    let configs: BTreeMap<_, _> = record.configs.into_iter().collect();
    changes::topic(record.id, &record.name, record.partitions, configs, limits)
        .map_err(|refusal| refusal.message)
}

fn to_record(topic: &Arc<Topic>) -> TopicRecord {
    TopicRecord {
        id: topic.id,
        name: topic.name.clone(),
        partitions: topic.partitions,
        configs: topic.configs.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duramen_protocol::TopicId;
    use duramen_protocol::files::catalog::Tombstone;

    fn record(n: u8, name: &str) -> TopicRecord {
        TopicRecord {
            id: TopicId([n; 16]),
            name: name.into(),
            partitions: 2,
            configs: vec![("retention.ms".into(), "7".into())],
        }
    }

    fn file(topics: Vec<TopicRecord>) -> CatalogFile {
        CatalogFile {
            start_epoch: 3,
            cluster_id: [5; 16],
            next_producer_id: 4000,
            topics,
            tombstones: vec![Tombstone {
                id: TopicId([9; 16]),
                name: "gone".into(),
                partitions: 1,
            }],
        }
    }

    #[test]
    fn a_catalog_goes_to_its_file_and_back() {
        let file = file(vec![record(2, "a"), record(1, "b")]);
        let catalog = Catalog::from_file(file.clone(), &TopicLimits::default()).unwrap();
        assert_eq!(catalog.topic("b").unwrap().config.retention_ms, Some(7));
        assert_eq!(catalog.to_file(), file);
        let next = catalog.with_start_epoch(4);
        assert_eq!(next.to_file(), CatalogFile { start_epoch: 4, ..file });
    }

    #[test]
    fn broken_invariants_refuse_the_start_and_name_the_topic() {
        let none = TopicRecord { partitions: 0, ..record(1, "a") };
        let unknown = TopicRecord { configs: vec![("x".into(), "".into())], ..record(1, "a") };
        for (topics, reason) in [
            (vec![record(1, "a"), record(1, "b")], "its id is another"),
            (vec![record(9, "a")], "its id is another"),
            (vec![record(1, "a"), record(2, "a")], "its name is another"),
            (vec![record(1, "../x")], "has '/' in it"),
            (vec![none], "no partitions"),
            (vec![unknown], "unknown topic configuration \"x\""),
        ] {
            let error = Catalog::from_file(file(topics), &TopicLimits::default()).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
