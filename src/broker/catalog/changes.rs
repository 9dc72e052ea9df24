//! Every change of the catalog. Each takes a snapshot and gives the next, or a [`Refusal`].

use std::collections::BTreeMap;
use std::sync::Arc;

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::files::catalog::Tombstone;

use super::{CONSUMER_OFFSETS, CONSUMER_OFFSETS_PARTITIONS, Catalog, Topic, TopicLimits};
use crate::broker::Refusal;
use crate::broker::producer_ids::Lease;
use crate::config::topic::{TopicConfig, knob};
use crate::config::topic_name::check_topic_name;
use crate::limits;

/// A topic that a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct NewTopic<'a> {
    pub name: &'a str,
    /// At least one: the server's default is the caller's to fill in.
    pub partitions: u32,
    /// Names and values to set.
    pub configs: &'a [(String, String)],
    /// Whether a topic of that name is fine as it is.
    pub if_not_exists: bool,
}

/// What came of a [`NewTopic`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The catalog with it.
    New(Catalog),
    /// There was one, and that was fine.
    Existing(Arc<Topic>),
}

/// A configuration's name, and its new value; none goes back to the default.
pub type ConfigChange = (String, Option<String>);

/// How `__consumer_offsets` is configured: nothing goes by age, and segments are small, since
/// only whole ones can go once a snapshot has replaced them.
const CONSUMER_OFFSETS_CONFIGS: [(&str, &str); 2] =
    [("cleanup.policy", "compact"), ("segment.bytes", "4194304")];

impl Catalog {
    /// Makes a topic with the id given, which must be new.
    ///
    /// # Errors
    /// `INVALID_TOPIC_EXCEPTION` for the name, `TOPIC_ALREADY_EXISTS`, `INVALID_PARTITIONS`,
    /// `INVALID_CONFIG`, `POLICY_VIOLATION` when the server holds too many partitions, and
    /// `OVERLOADED` when too many deleted ones are not yet cleared away.
    pub fn create_topic(
        &self,
        new: &NewTopic<'_>,
        id: TopicId,
        limits: &TopicLimits,
    ) -> Result<Created, Refusal> {
        self.check_new_name(new.name)?;
        if let Some(topic) = self.topic(new.name) {
            return match new.if_not_exists {
                true => Ok(Created::Existing(Arc::clone(topic))),
                false => Err(Refusal::new(
                    ErrorCode::TOPIC_ALREADY_EXISTS,
                    format!("there is a topic {:?} already", new.name),
                )),
            };
        }
        self.check_partitions(new.partitions, new.partitions, limits)?;
        let mut configs = BTreeMap::new();
        for (name, value) in new.configs {
            set_config(&mut configs, name, value)?;
        }
        if configs.len() < new.configs.len() {
            return Err(invalid_config("a configuration is given twice".into()));
        }
        let topic = topic(id, new.name, new.partitions, configs, limits)?;
        Ok(Created::New(self.with_new(topic)))
    }

    /// Makes the topic of named consumers' offsets, unless it is there.
    ///
    /// # Errors
    /// As for [`Catalog::create_topic`]: the server may be full.
    pub fn create_consumer_offsets(
        &self,
        id: TopicId,
        limits: &TopicLimits,
    ) -> Result<Created, Refusal> {
        if let Some(topic) = self.topic(CONSUMER_OFFSETS) {
            return Ok(Created::Existing(Arc::clone(topic)));
        }
        let partitions = CONSUMER_OFFSETS_PARTITIONS;
        self.check_partitions(partitions, partitions, limits)?;
        let configs = CONSUMER_OFFSETS_CONFIGS.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        let topic = topic(id, CONSUMER_OFFSETS, partitions, configs, limits)?;
        Ok(Created::New(self.with_new(topic)))
    }

    /// Deletes a topic: a tombstone takes its place.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `POLICY_VIOLATION` for the server's own.
    pub fn delete_topic(&self, name: &str) -> Result<Catalog, Refusal> {
        let topic = self.clients_topic(name)?;
        let mut next = self.clone();
        next.by_name.remove(name);
        next.by_id.remove(&topic.id);
        let tombstone =
            Tombstone { id: topic.id, name: name.to_owned(), partitions: topic.partitions };
        next.tombstones.insert(topic.id, tombstone);
        Ok(next)
    }

    /// Forgets deleted topics, once no journal of any core names them and their folders are gone.
    /// Ids without a tombstone are passed over.
    pub fn drop_tombstones(&self, ids: impl IntoIterator<Item = TopicId>) -> Catalog {
        let mut next = self.clone();
        for id in ids {
            next.tombstones.remove(&id);
        }
        next
    }

    /// Raises the number of a topic's partitions to `partitions`.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_PARTITIONS` unless there are fewer now; otherwise
    /// as for [`Catalog::create_topic`].
    pub fn add_partitions(
        &self,
        name: &str,
        partitions: u32,
        limits: &TopicLimits,
    ) -> Result<Catalog, Refusal> {
        let topic = self.clients_topic(name)?;
        let now = topic.partitions;
        if partitions <= now {
            let message = format!(
                "the topic {name:?} has {now} partitions; only more can be asked for, not {partitions}"
            );
            return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
        }
        self.check_partitions(partitions, partitions - now, limits)?;
        let mut next = self.clone();
        next.put(Topic { partitions, ..Topic::clone(topic) });
        Ok(next)
    }

    /// Sets and unsets configurations of a topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`; `INVALID_CONFIG`; `POLICY_VIOLATION` for the server's own.
    pub fn alter_topic(
        &self,
        name: &str,
        changes: &[ConfigChange],
        limits: &TopicLimits,
    ) -> Result<Catalog, Refusal> {
        let old = self.clients_topic(name)?;
        let mut configs = old.configs.clone();
        for (name, value) in changes {
            match value {
                Some(value) => set_config(&mut configs, name, value)?,
                None => {
                    known_config(name)?;
                    configs.remove(name);
                }
            }
        }
        let mut next = self.clone();
        next.put(topic(old.id, name, old.partitions, configs, limits)?);
        Ok(next)
    }

    /// Counts `ids` more producer ids as handed out; they are, once the catalog is durable.
    ///
    /// # Errors
    /// `POLICY_VIOLATION` when the 2^63 ids are used up.
    pub fn lease_producer_ids(&self, ids: u32) -> Result<(Catalog, Lease), Refusal> {
        let start = self.next_producer_id;
        let end = start.checked_add(i64::from(ids)).ok_or_else(|| {
            Refusal::new(ErrorCode::POLICY_VIOLATION, "all producer ids have been handed out")
        })?;
        Ok((Catalog { next_producer_id: end, ..self.clone() }, Lease { start, end }))
    }

    /// Begins a session: from now on only its journals, and those its checkpoints name, count.
    ///
    /// # Panics
    /// When the epoch does not rise.
    pub fn with_start_epoch(&self, start_epoch: u32) -> Catalog {
        let old = self.start_epoch;
        assert!(start_epoch > old, "start epoch {start_epoch} after {old}");
        Catalog { start_epoch, ..self.clone() }
    }

    fn with_new(&self, topic: Topic) -> Catalog {
        let used = self.by_id.contains_key(&topic.id) || self.tombstones.contains_key(&topic.id);
        assert!(!used && !topic.id.is_zero(), "{:?} for {:?} is not new", topic.id, topic.name);
        let mut next = self.clone();
        next.put(topic);
        next
    }

    /// A topic that a client may change.
    fn clients_topic(&self, name: &str) -> Result<&Arc<Topic>, Refusal> {
        let topic = self.known_topic(name)?;
        if topic.is_internal() {
            let message = format!("the topic {name:?} is the server's own and can't be changed");
            return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
        }
        Ok(topic)
    }

    fn check_new_name(&self, name: &str) -> Result<(), Refusal> {
        let invalid = |message| Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message);
        check_topic_name(name).map_err(invalid)?;
        if super::is_internal(name) {
            return Err(invalid(format!(
                "the topic {name:?} is the server's own: take another name"
            )));
        }
        // In the names of Kafka's metrics `.` and `_` are the same.
        let merged = |name: &str| name.replace('.', "_");
        let wanted = merged(name);
        match self.by_name.keys().find(|other| *other != name && merged(other) == wanted) {
            Some(other) => Err(invalid(format!(
                "the topic's name {name:?} differs from {other:?} in `.` and `_` alone"
            ))),
            None => Ok(()),
        }
    }

    /// Checks a topic's `partitions`, of which `more` are new.
    fn check_partitions(
        &self,
        partitions: u32,
        more: u32,
        limits: &TopicLimits,
    ) -> Result<(), Refusal> {
        let most = limits.topic_partitions_max;
        if !(1..=most).contains(&partitions) {
            let message = format!("a topic has 1 to {most} partitions, not {partitions}");
            return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
        }
        let (now, most) = (self.partitions(), u64::from(limits.partitions_max));
        if now + u64::from(more) > most {
            let message = format!(
                "the server has {now} partitions, {most} are allowed, {more} more are asked for"
            );
            return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
        }
        let deleted: u64 = self.tombstones.values().map(|t| u64::from(t.partitions)).sum();
        if now + deleted + u64::from(more) > most {
            let message =
                format!("{deleted} deleted partitions are not cleared away yet: try again later");
            return Err(Refusal::new(ErrorCode::OVERLOADED, message));
        }
        Ok(())
    }
}

/// A topic whose configuration is checked.
pub(super) fn topic(
    id: TopicId,
    name: &str,
    partitions: u32,
    configs: BTreeMap<String, String>,
    limits: &TopicLimits,
) -> Result<Topic, Refusal> {
    let config =
        TopicConfig::from_pairs(&configs).map_err(|error| invalid_config(error.to_string()))?;
    check_max_message_bytes(&config, limits)?;
    Ok(Topic { id, name: name.to_owned(), partitions, config: Arc::new(config), configs })
}

/// A batch must fit the arena and a journal file several times over, or it could never be staged.
fn check_max_message_bytes(config: &TopicConfig, limits: &TopicLimits) -> Result<(), Refusal> {
    let wanted = u64::from(config.max_message_bytes);
    let (arena_bytes, journal_file_bytes) = (limits.arena_bytes, limits.journal_file_bytes);
    let most = limits::max_message_bytes(arena_bytes, journal_file_bytes);
    if wanted <= most {
        return Ok(());
    }
    let bound = match arena_bytes as u64 / 4 < journal_file_bytes / 2 {
        true => format!("a quarter of the arena's {arena_bytes} bytes: raise arena.bytes"),
        false => {
            format!("half of a journal file's {journal_file_bytes} bytes: raise journal.file.bytes")
        }
    };
    Err(invalid_config(format!("max.message.bytes={wanted}: at most {most} fit {bound}")))
}

fn set_config(
    configs: &mut BTreeMap<String, String>,
    name: &str,
    value: &str,
) -> Result<(), Refusal> {
    known_config(name)?;
    let value = value.trim();
    let most = limits::CONFIG_VALUE_BYTES_MAX;
    if value.len() > most {
        let message = format!("{name}: the value has {} bytes, {most} are allowed", value.len());
        return Err(invalid_config(message));
    }
    configs.insert(name.to_owned(), value.to_owned());
    Ok(())
}

fn known_config(name: &str) -> Result<(), Refusal> {
    match knob(name) {
        Some(_) => Ok(()),
        None => {
            let shown: String = name.chars().take(super::NAME_SHOWN_MAX).collect();
            let error = crate::config::topic::ConfigError::UnknownName(shown);
            Err(invalid_config(error.to_string()))
        }
    }
}

fn invalid_config(message: String) -> Refusal {
    Refusal::new(ErrorCode::INVALID_CONFIG, message)
}

#[cfg(test)]
mod tests {
    use super::super::INTERNAL_TOPICS;
    use super::*;

    const LIMITS: TopicLimits = TopicLimits {
        arena_bytes: limits::ARENA_BYTES,
        journal_file_bytes: limits::JOURNAL_FILE_BYTES,
        topic_partitions_max: 20,
        partitions_max: 30,
    };

    fn new(name: &str, partitions: u32) -> NewTopic<'_> {
        NewTopic { name, partitions, configs: &[], if_not_exists: false }
    }

    fn id(n: u8) -> TopicId {
        TopicId([n; 16])
    }

    fn created(result: Result<Created, Refusal>) -> Catalog {
        match result {
            Ok(Created::New(catalog)) => catalog,
            other => panic!("{other:?}"),
        }
    }

    fn logs() -> Catalog {
        created(Catalog::new([1; 16]).create_topic(&new("logs", 4), id(1), &LIMITS))
    }

    fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn a_topic_is_found_by_name_and_by_id() {
        let catalog = logs();
        let topic = catalog.topic("logs").unwrap();
        assert_eq!((topic.id, topic.partitions), (id(1), 4));
        assert_eq!(catalog.topic_by_id(id(1)), Some(topic));
        assert_eq!(catalog.partitions(), 4);
    }

    #[test]
    fn a_name_is_taken_once() {
        let catalog = logs();
        let refused = catalog.create_topic(&new("logs", 4), id(2), &LIMITS);
        assert_eq!(code(refused), ErrorCode::TOPIC_ALREADY_EXISTS);
        let fine = NewTopic { if_not_exists: true, ..new("logs", 9) };
        let topic = Arc::clone(catalog.topic("logs").unwrap());
        assert_eq!(catalog.create_topic(&fine, id(2), &LIMITS), Ok(Created::Existing(topic)));
    }

    #[test]
    fn bad_names_are_refused() {
        let catalog = created(logs().create_topic(&new("a.b", 1), id(2), &LIMITS));
        for name in ["", "a b", "..", "a_b"].into_iter().chain(INTERNAL_TOPICS) {
            let refused = catalog.create_topic(&new(name, 1), id(3), &LIMITS);
            assert_eq!(code(refused), ErrorCode::INVALID_TOPIC_EXCEPTION, "{name}");
        }
        created(catalog.create_topic(&new("a-b", 1), id(3), &LIMITS));
    }

    #[test]
    fn two_underscores_make_no_topic_the_servers_own() {
        let mut catalog = logs();
        for (n, name) in (2..).zip(["__mine", "__", "__consumer_offsets_2"]) {
            catalog = created(catalog.create_topic(&new(name, 1), id(n), &LIMITS));
            assert!(!catalog.topic(name).unwrap().is_internal(), "{name}");
            assert!(catalog.alter_topic(name, &[], &LIMITS).is_ok(), "{name}");
        }
        assert!(catalog.delete_topic("__mine").is_ok());
    }

    #[test]
    fn numbers_of_partitions_are_bounded() {
        for partitions in [0, 21, u32::MAX] {
            let refused = logs().create_topic(&new("b", partitions), id(2), &LIMITS);
            assert_eq!(code(refused), ErrorCode::INVALID_PARTITIONS, "{partitions}");
        }
        let full = created(logs().create_topic(&new("b", 20), id(2), &LIMITS));
        let refused = full.create_topic(&new("c", 7), id(3), &LIMITS);
        assert_eq!(code(refused), ErrorCode::POLICY_VIOLATION);
        // What was deleted counts until it is cleared away.
        let deleted = full.delete_topic("b").unwrap();
        let refused = deleted.create_topic(&new("c", 7), id(3), &LIMITS);
        assert_eq!(code(refused), ErrorCode::OVERLOADED);
        created(deleted.drop_tombstones([id(2)]).create_topic(&new("c", 7), id(3), &LIMITS));
    }

    #[test]
    fn a_deleted_topic_leaves_a_tombstone_and_its_name() {
        let deleted = logs().delete_topic("logs").unwrap();
        assert_eq!((deleted.topic("logs"), deleted.topic_by_id(id(1))), (None, None));
        let tombstone = Tombstone { id: id(1), name: "logs".into(), partitions: 4 };
        assert_eq!(deleted.tombstones().collect::<Vec<_>>(), [&tombstone]);
        assert_eq!(code(deleted.delete_topic("logs")), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        created(deleted.create_topic(&new("logs", 1), id(2), &LIMITS));
    }

    #[test]
    #[should_panic(expected = "is not new")]
    fn an_id_is_never_used_again() {
        let deleted = logs().delete_topic("logs").unwrap();
        let _ = deleted.create_topic(&new("logs", 1), id(1), &LIMITS);
    }

    #[test]
    fn partitions_can_only_be_added() {
        for partitions in [0, 3, 4, 21] {
            let refused = logs().add_partitions("logs", partitions, &LIMITS);
            assert_eq!(code(refused), ErrorCode::INVALID_PARTITIONS, "{partitions}");
        }
        let more = logs().add_partitions("logs", 20, &LIMITS).unwrap();
        assert_eq!(more.topic("logs").unwrap().partitions, 20);
        assert_eq!(more.topic_by_id(id(1)).unwrap().partitions, 20);
    }

    #[test]
    fn configurations_are_set_and_unset() {
        let change = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let changes = [change("retention.ms", Some("5")), change("segment.ms", Some("6"))];
        let set = logs().alter_topic("logs", &changes, &LIMITS).unwrap();
        let config = |catalog: &Catalog| Arc::clone(&catalog.topic("logs").unwrap().config);
        assert_eq!((config(&set).retention_ms, config(&set).segment_ms), (Some(5), 6));
        let unset = set.alter_topic("logs", &[change("segment.ms", None)], &LIMITS).unwrap();
        assert_eq!(
            (config(&unset).retention_ms, config(&unset).segment_ms),
            (Some(5), 604_800_000)
        );
        for bad in [
            change("segment.ms", Some("x")),
            change("none", Some("1")),
            change("none", None),
            change("segment.ms", Some(&"0".repeat(70_000))),
        ] {
            let refused = logs().alter_topic("logs", &[bad], &LIMITS);
            assert_eq!(code(refused), ErrorCode::INVALID_CONFIG);
        }
    }

    #[test]
    fn a_batch_that_could_not_be_staged_is_refused_with_the_knob_to_raise() {
        let change = [("max.message.bytes".to_owned(), Some("4200000".to_owned()))];
        let refusal = logs().alter_topic("logs", &change, &LIMITS).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "max.message.bytes=4200000: at most 4186112 fit half of a journal file's 8388608 \
             bytes: raise journal.file.bytes (INVALID_CONFIG (40))"
        );
        let small = TopicLimits { arena_bytes: 8 << 20, ..LIMITS };
        let message = logs().alter_topic("logs", &change, &small).unwrap_err().message;
        assert!(message.contains("raise arena.bytes"), "{message}");
        let file = Catalog::to_file(&logs().alter_topic("logs", &change, &wide()).unwrap());
        assert!(Catalog::from_file(file.clone(), &wide()).is_ok());
        let at_start = Catalog::from_file(file, &LIMITS).unwrap_err().to_string();
        assert!(at_start.contains("raise journal.file.bytes"), "{at_start}");
    }

    fn wide() -> TopicLimits {
        TopicLimits { arena_bytes: 1 << 30, journal_file_bytes: 1 << 30, ..LIMITS }
    }

    #[test]
    fn the_servers_own_topic_is_made_once_and_not_the_clients_to_change() {
        let catalog = created(logs().create_consumer_offsets(id(9), &LIMITS));
        let topic = Arc::clone(catalog.topic(CONSUMER_OFFSETS).unwrap());
        assert!(topic.is_internal() && topic.config.compact && !topic.config.delete);
        assert_eq!(
            catalog.create_consumer_offsets(id(8), &LIMITS),
            Ok(Created::Existing(Arc::clone(&topic)))
        );
        let policy = ErrorCode::POLICY_VIOLATION;
        assert_eq!(code(catalog.delete_topic(CONSUMER_OFFSETS)), policy);
        assert_eq!(code(catalog.add_partitions(CONSUMER_OFFSETS, 20, &LIMITS)), policy);
        assert_eq!(code(catalog.alter_topic(CONSUMER_OFFSETS, &[], &LIMITS)), policy);
    }

    #[test]
    fn leases_follow_one_another() {
        let (catalog, first) = Catalog::new([1; 16]).lease_producer_ids(1000).unwrap();
        assert_eq!(first, Lease { start: 0, end: 1000 });
        let read_back = Catalog::from_file(catalog.to_file(), &LIMITS).unwrap();
        let (catalog, second) = read_back.lease_producer_ids(5).unwrap();
        assert_eq!(second, Lease { start: 1000, end: 1005 });
        let full = Catalog { next_producer_id: i64::MAX - 1, ..catalog };
        assert_eq!(code(full.lease_producer_ids(2)), ErrorCode::POLICY_VIOLATION);
    }
}
