//! Opening a partition and appending to it.
//!
//! An append is a header and one batch, nothing else, so its body has no type here: the server hands
//! the bytes on as they came. Its header's handle says where, its flags whether to answer
//! ([`NO_ANSWER`](crate::native::frame::NO_ANSWER)). Appends of one handle are applied in the order
//! they were sent.

use super::Empty;
use crate::TopicId;
use crate::native::field::{calls, empty_messages, message};
use crate::native::opcode::Opcode;

message! {
    /// Opens a partition, on the core that owns it.
    pub struct Open {
        /// The topic.
        pub topic: String,
        /// The partition.
        pub partition: u32,
        /// The producer who will append, or -1.
        pub producer_id: i64,
        /// Its epoch, or -1.
        pub producer_epoch: i16,
    }

    /// The partition as it stands.
    pub struct OpenAnswer {
        /// Names the partition on this connection; never 0.
        pub handle: u32,
        /// The core that owns it: the one that answers.
        pub core: u16,
        /// What the handle is bound to: a new topic of the same name has another.
        pub topic_id: TopicId,
        /// How many partitions the topic has.
        pub partitions: u32,
        /// The first offset there is.
        pub log_start: i64,
        /// The offset after the last durable one.
        pub durable_end: i64,
        /// The topic's `max.message.bytes`: the largest batch.
        pub max_message_bytes: u32,
        /// The last durable batches of the producer's epoch, oldest first, five at most. A client
        /// that reconnects takes them out of what it has to send again.
        pub durable: Vec<DurableBatch>,
    }

    /// A batch the server knows of an idempotent producer.
    pub struct DurableBatch {
        /// The sequence of its last record.
        pub last_sequence: i32,
        /// The offset of its last record.
        pub last_offset: i64,
    }

    /// The batch is durable. The answer's flags say whether it was there before
    /// ([`DUPLICATE`](crate::native::frame::DUPLICATE)).
    pub struct AppendAnswer {
        /// The offset of its first record.
        pub base_offset: i64,
        /// The timestamp the server gave it, in ms, or -1 where the topic keeps the client's.
        pub log_append_time_ms: i64,
    }

    /// A producer id that nobody has or had.
    pub struct AllocateProducerIdAnswer {
        /// At least 0.
        pub producer_id: i64,
        /// The epoch to start with. The client may raise it.
        pub producer_epoch: i16,
    }
}

empty_messages! {
    /// Gives the header's handle back.
    CloseHandle;

    /// Asks for a producer id of one's own.
    AllocateProducerId;
}

calls! {
    Open => OpenAnswer;
    CloseHandle => Empty;
    AllocateProducerId => AllocateProducerIdAnswer;
}

impl Open {
    /// Opens for reading, or for appends without producer state.
    pub fn plain(topic: &str, partition: u32) -> Self {
        Open { topic: topic.to_owned(), partition, producer_id: -1, producer_epoch: -1 }
    }
}

impl OpenAnswer {
    /// The last sequence of the producer's epoch that is durable.
    pub fn last_sequence(&self) -> Option<i32> {
        self.durable.last().map(|batch| batch.last_sequence)
    }
}

impl AppendAnswer {
    /// The opcode whose answers have this body.
    pub const OPCODE: Opcode = Opcode::Append;
}
