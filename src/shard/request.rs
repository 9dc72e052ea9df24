//! What a shard is asked, and what it lets go of.
//!
//! A question carries a [`Ticket`]; its answer carries the same one, sooner or later, exactly once.
//! The exceptions have no answer at all: [`Ask::Credit`], [`Ask::Sent`], [`Ask::Leave`],
//! [`Ask::Hurry`], and an append that is `silent`. Questions of one client are taken in the order in which they came.

use std::sync::Arc;

use bytes::Bytes;
use duramen_protocol::files::checkpoint::ProducerBatch;
use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::native::messages::OffsetQuery;

use crate::broker::groups::Membership;
use crate::broker::offsets::{CommitOffset, OffsetValue};
use crate::config::topic::TopicConfig;
use crate::storage::{LogId, LogStatus, Piece};

use super::counters::Snapshot;
use super::error::AskError;
use super::groups::{GroupAnswer, GroupAsk};

/// Names who asks: a connection, or whoever else shares its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

/// Names a question: who asked, and which of his it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    /// Who asked.
    pub client: ClientId,
    /// The client's own number.
    pub call: u32,
}

/// A question with its ticket.
#[derive(Debug)]
pub struct Request {
    /// Names it.
    pub ticket: Ticket,
    /// What is asked.
    pub ask: Ask,
}

/// A partition, as whoever asks knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// By the name that [`Ask::Open`] was answered with.
    Log(LogId),
    /// By its topic and number.
    Key(PartitionKey),
}

/// A read of many partitions at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadMany {
    /// Which, and from where on; earlier ones are given bytes first.
    pub partitions: Vec<PartitionRead>,
    /// Answer as soon as there are as many bytes of all of them.
    pub min_bytes: u32,
    /// At most as many bytes of all of them, except that the first batch comes whole. With 0
    /// nothing is read, and the answer tells how the partitions stand.
    pub max_bytes: u32,
    /// Answer with what there is after this time.
    pub max_wait_ms: u32,
}

/// One partition of a [`ReadMany`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionRead {
    /// Which.
    pub key: PartitionKey,
    /// The first offset wanted.
    pub offset: u64,
    /// At most as many bytes, except that the first batch comes whole.
    pub max_bytes: u32,
}

/// What can be asked.
#[derive(Debug)]
pub enum Ask {
    /// Looks a partition up. With a producer, also for its last durable batch.
    Open {
        /// Which.
        key: PartitionKey,
        /// Producer id and epoch.
        producer: Option<(i64, i16)>,
    },
    /// Appends one batch, not yet checked. Answered once durable.
    Append {
        /// Where.
        at: At,
        /// The batch.
        batch: Bytes,
        /// Whether nobody waits for the answer.
        silent: bool,
    },
    /// Reads, and waits a while if there is not enough.
    Read {
        /// Where.
        log: LogId,
        /// The first offset wanted.
        offset: u64,
        /// Answer as soon as there are as many bytes.
        min_bytes: u32,
        /// At most as many bytes, except that the first batch comes whole.
        max_bytes: u32,
        /// Answer with what there is after this time.
        max_wait_ms: u32,
    },
    /// Reads many partitions. Answered at once where one of them can't be read.
    ReadMany(Box<ReadMany>),
    /// Has the [`Ask::ReadMany`] of the same ticket answered now, with what there is; nothing, if
    /// it has been answered. Not answered itself.
    Hurry,
    /// Begins pushes.
    Subscribe {
        /// Where.
        log: LogId,
        /// The client's name for it, unique among its own.
        subscription: u32,
        /// The first offset wanted.
        offset: u64,
        /// Bytes that may be pushed before [`Ask::Credit`] allows more.
        credit_bytes: u32,
    },
    /// Allows more pushes. Not answered; unknown subscriptions are passed over.
    Credit {
        /// Which.
        subscription: u32,
        /// How many bytes more.
        bytes: u32,
    },
    /// Ends pushes.
    Unsubscribe {
        /// Which.
        subscription: u32,
    },
    /// Finds an offset.
    FindOffset {
        /// Where.
        at: At,
        /// Which.
        query: OffsetQuery,
    },
    /// Removes records. Answered once durable.
    DeleteRecords {
        /// Where.
        at: At,
        /// Everything below goes; `None` for everything durable.
        before: Option<u64>,
    },
    /// Stores a consumer's positions. Answered once durable.
    CommitOffsets {
        /// The partition of consumers' offsets.
        key: PartitionKey,
        /// The consumer: the group's name, and, for a member of it, which.
        member: Membership,
        /// Its positions: all are stored, or none.
        offsets: Vec<CommitOffset>,
    },
    /// Looks a consumer's positions up.
    FetchOffsets {
        /// The partition of consumers' offsets.
        key: PartitionKey,
        /// The consumer.
        group: String,
        /// Which partitions, by topic and number; `None` for all.
        partitions: Option<Vec<(String, u32)>>,
    },
    /// Finds where a leader epoch ends.
    FindEpochEnd {
        /// Where.
        key: PartitionKey,
        /// Which.
        epoch: u32,
    },
    /// Asks the coordinator of groups.
    Group {
        /// The partition of consumers' offsets.
        key: PartitionKey,
        /// What.
        ask: Box<GroupAsk>,
    },
    /// How a partition stands.
    Status {
        /// Which.
        key: PartitionKey,
    },
    /// How the shard stands.
    Snapshot,
    /// Bytes handed to the client have left for the network. Not answered.
    Sent {
        /// How many.
        bytes: usize,
        /// How many of them were held in memory.
        pinned: usize,
    },
    /// The client is gone: nothing it asked needs an answer. Not answered.
    Leave,
}

/// What a shard lets go of.
#[derive(Debug)]
pub enum Released {
    /// The answer to a question.
    Answer {
        /// Whose.
        ticket: Ticket,
        /// What.
        result: Result<Answer, AskError>,
    },
    /// Bytes for a subscription.
    Push {
        /// Whose.
        client: ClientId,
        /// Which.
        subscription: u32,
        /// The bytes.
        records: Records,
    },
    /// A subscription is over.
    PushEnd {
        /// Whose.
        client: ClientId,
        /// Which.
        subscription: u32,
        /// Why.
        error: AskError,
    },
}

/// A successful answer.
#[derive(Debug)]
pub enum Answer {
    /// To [`Ask::Open`].
    Opened(Box<Opened>),
    /// To [`Ask::Append`]: durable.
    Appended {
        /// The offset of the first record.
        base_offset: u64,
        /// The timestamp that the log gave it.
        log_append_time_ms: Option<i64>,
        /// Whether it was there before.
        duplicate: bool,
        /// The first offset there is.
        log_start: u64,
    },
    /// To [`Ask::Read`].
    Records(Records),
    /// To [`Ask::ReadMany`], a partition each.
    Many(Vec<Result<Records, AskError>>),
    /// To [`Ask::Subscribe`].
    Subscribed {
        /// The first offset there is.
        log_start: u64,
        /// The offset after the last durable one.
        durable: u64,
    },
    /// To [`Ask::Unsubscribe`].
    Unsubscribed,
    /// To [`Ask::FindOffset`]: offset and timestamp, the latter -1 where none was asked about.
    Found(Option<(u64, i64)>),
    /// To [`Ask::FindEpochEnd`]: the newest epoch up to the one asked for that the log has, and the
    /// durable offset after its last record.
    EpochEnd(Option<(u32, u64)>),
    /// To [`Ask::DeleteRecords`]: the first offset there is now.
    Deleted {
        /// The first offset there is.
        log_start: u64,
    },
    /// To [`Ask::CommitOffsets`]: durable.
    Committed,
    /// To [`Ask::FetchOffsets`].
    Positions(Vec<Position>),
    /// To [`Ask::Group`].
    Group(GroupAnswer),
    /// To [`Ask::Status`].
    Status(LogStatus),
    /// To [`Ask::Snapshot`].
    Snapshot(Box<Snapshot>),
}

/// A partition as it stands.
#[derive(Debug)]
pub struct Opened {
    /// Names it from here on.
    pub log: LogId,
    /// Its offsets.
    pub status: LogStatus,
    /// Its topic's configuration.
    pub config: Arc<TopicConfig>,
    /// The producer's last durable batches, oldest first.
    pub producer: Vec<ProducerBatch>,
}

/// A consumer's position in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset to go on with.
    pub offset: i64,
    /// The leader epoch of the last record consumed; -1 if not known.
    pub leader_epoch: i32,
    /// The consumer's own words.
    pub metadata: String,
}

impl Position {
    /// A position as it was committed.
    pub(super) fn new(topic: &str, partition: u32, value: &OffsetValue) -> Position {
        Position {
            topic: topic.to_owned(),
            partition,
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.clone(),
        }
    }
}

/// Bytes of a log.
#[derive(Debug)]
pub struct Records {
    /// The first offset there is.
    pub log_start: u64,
    /// The offset after the last durable one.
    pub durable: u64,
    /// Where the bytes are.
    pub pieces: Vec<Piece>,
    /// How many they are.
    pub bytes: usize,
    /// The base offset of the first batch, where the bytes begin with one and it is known.
    pub first_offset: Option<u64>,
}
