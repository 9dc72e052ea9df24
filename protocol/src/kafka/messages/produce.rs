//! Produce: appends record batches.
//!
//! - 0 to 2: only so that they can be refused with UNSUPPORTED_VERSION. They are advertised because
//!   old librdkafka compresses only where they are.
//! - 1: throttle time. 2: log append time. 3: transactional id, record batches v2.
//! - 5: log start offset. 7: zstd. 8: which records were wrong, and a message.
//! - 9: flexible. 10: the current leader and its address.
//! - 13: topics go by id.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};
use crate::kafka::messages::common::{LeaderIdAndEpoch, NodeEndpoint};
use crate::kafka::records::Records;

api! {
    Produce: ProduceRequest<'a> => ProduceResponse<'r>;
}

message! {
    /// Appends batches to partitions.
    pub struct ProduceRequest<'a> {
        /// None for a producer without transactions.
        3+  transactional_id: Option<&'a str>;
        /// -1: all in-sync replicas acknowledge; 1: the leader; 0: nobody, and there is no answer.
        0+  acks: i16;
        /// How long to wait for replicas.
        0+  timeout_ms: i32;
        0+  topic_data: Vec<TopicProduceData<'a>>;
    }

    /// A topic and what is appended to it.
    pub struct TopicProduceData<'a> {
        0-12  name: &'a str [ignorable];
        13+   topic_id: TopicId [ignorable];
        0+    partition_data: Vec<PartitionProduceData<'a>>;
    }

    /// A partition and what is appended to it.
    pub struct PartitionProduceData<'a> {
        0+  index: i32;
        /// Exactly one batch.
        0+  records: Records<'a>;
    }

    /// Where the batches went.
    pub struct ProduceResponse<'a> {
        0+   responses: Vec<TopicProduceResponse<'a>>;
        1+   throttle_time_ms: i32 [ignorable];
        /// Where the current leaders named above are.
        10+  node_endpoints: Vec<NodeEndpoint<'a>> [tag 0];
    }

    /// A topic.
    pub struct TopicProduceResponse<'a> {
        0-12  name: &'a str [ignorable];
        13+   topic_id: TopicId [ignorable];
        0+    partition_responses: Vec<PartitionProduceResponse<'a>>;
    }

    /// Where a batch went, or why not.
    pub struct PartitionProduceResponse<'a> {
        0+   index: i32;
        0+   error_code: ErrorCode;
        /// The offset of the first record; -1 where there was an error.
        0+   base_offset: i64;
        /// The time the broker gave the records; -1 where they keep their own.
        2+   log_append_time_ms: i64 [ignorable] = -1;
        /// The first offset there is; -1 where there was an error.
        5+   log_start_offset: i64 [ignorable] = -1;
        /// The records that made the batch be refused.
        8+   record_errors: Vec<BatchIndexAndErrorMessage<'a>> [ignorable];
        /// Why the whole batch was refused.
        8+   error_message: Option<&'a str> [ignorable];
        /// Who leads the partition now, if not the node that was asked.
        10+  current_leader: LeaderIdAndEpoch [tag 0];
    }

    /// A record that made its batch be refused.
    pub struct BatchIndexAndErrorMessage<'a> {
        /// The number of the record in its batch.
        8+  batch_index: i32;
        8+  batch_index_error_message: Option<&'a str>;
    }
}
