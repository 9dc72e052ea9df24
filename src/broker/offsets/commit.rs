//! What a consumer commits, and whether it may.

use duramen_protocol::TopicId;
use duramen_protocol::codes::ErrorCode;

use crate::broker::Refusal;
use crate::broker::catalog::Catalog;
use crate::limits;

/// An offset that a consumer wants to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    pub topic: String,
    pub partition: u32,
    /// The offset to go on with. A negative one is none: it takes away what was committed, which is
    /// how kafkajs sends a group back to where its members begin.
    pub offset: i64,
    /// The leader epoch of the last record consumed; -1 if not known.
    pub leader_epoch: i32,
    /// The consumer's own words.
    pub metadata: String,
    /// For how long it is kept, in ms from its commit on; none for the server's retention.
    pub retention_ms: Option<i64>,
}

/// Checks the name of a group.
///
/// # Errors
/// `INVALID_GROUP_ID` when it is empty or too long.
pub fn check_group(group: &str) -> Result<(), Refusal> {
    let most = limits::GROUP_NAME_BYTES_MAX;
    let message = match group.len() {
        0 => "a consumer's name can't be empty".to_owned(),
        len if len > most => format!("the consumer's name has {len} bytes, {most} are allowed"),
        _ => return Ok(()),
    };
    Err(Refusal::new(ErrorCode::INVALID_GROUP_ID, message))
}

/// Checks one offset of a commit, for protocols that answer each on its own; the answer is the
/// topic's id. [`super::OffsetTable::commit`] checks them all again.
///
/// # Errors
/// `UNKNOWN_TOPIC_OR_PARTITION`; `OFFSET_METADATA_TOO_LARGE`.
pub fn check_commit(catalog: &Catalog, commit: &CommitOffset) -> Result<TopicId, Refusal> {
    let topic = catalog.known_topic(&commit.topic)?;
    let (name, partition, partitions) = (&topic.name, commit.partition, topic.partitions);
    let refuse = |code, message| Err(Refusal::new(code, message));
    if partition >= partitions {
        let message = format!("the topic {name:?} has {partitions} partitions, not {partition}");
        return refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
    }
    let (len, most) = (commit.metadata.len(), limits::OFFSET_METADATA_BYTES_MAX);
    if len > most {
        let message = format!("{name}-{partition}: {len} bytes of metadata, {most} are allowed");
        return refuse(ErrorCode::OFFSET_METADATA_TOO_LARGE, message);
    }
    Ok(topic.id)
}
