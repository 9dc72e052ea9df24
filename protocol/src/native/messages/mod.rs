//! The bodies of frames, a file a subject.
//!
//! Each is one definition: its fields in wire order, and which answers which. `SPEC.md` draws them;
//! `tests/native_golden.rs` pins their bytes.

mod append;
mod groups;
mod hello;
mod offsets;
mod read;
mod stats;
mod topics;

pub use append::{
    AllocateProducerId, AllocateProducerIdAnswer, AppendAnswer, CloseHandle, DurableBatch, Open,
    OpenAnswer,
};
pub use groups::{
    DeleteGroup, DescribeGroup, DescribeGroupAnswer, DescribedMember, GroupOffset, ListGroups,
    ListGroupsAnswer, ListedGroup,
};
pub use hello::{Hello, HelloAnswer, Ping};
pub use offsets::{
    CommitOffsets, CommittedOffset, DeleteRecords, DeleteRecordsAnswer, FetchOffsets,
    FetchOffsetsAnswer, FindOffset, FindOffsetAnswer, OffsetQuery, TopicPartition,
};
pub use read::{Credit, PushHead, Read, ReadHead, Subscribe, SubscribeAnswer, Unsubscribe};
pub use stats::{Fact, Metric, MetricValue, Stats, StatsAnswer};
pub use topics::{
    AlterTopic, Config, ConfigChange, CreateTopic, CreateTopicAnswer, DeleteTopic, DescribeTopic,
    DescribeTopicAnswer, DescribedConfig, DescribedPartition, ListTopics, ListTopicsAnswer,
    ListedTopic,
};

use super::field::empty_messages;

empty_messages! {
    /// The body of answers that say it all with their header.
    Empty;
}
