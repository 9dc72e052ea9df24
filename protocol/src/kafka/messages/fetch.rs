//! Fetch: reads record batches.
//!
//! - 5: log start offset. 7: fetch sessions. 9: leader epoch, to be fenced by. 10: zstd.
//! - 11: the consumer's rack, and the replica to read from. 12: flexible; diverging epochs.
//! - 13: topics go by id. 15: the follower that asks is a tagged field.
//! - 16: addresses of current leaders. 17 and 18: for followers.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};
use crate::kafka::messages::common::{LeaderIdAndEpoch, NodeEndpoint};
use crate::kafka::records::Records;

api! {
    Fetch: FetchRequest<'a> => FetchResponse<'r>;
}

message! {
    /// Asks for the records of partitions.
    pub struct FetchRequest<'a> {
        /// The cluster that a follower expects.
        12+   cluster_id: Option<&'a str> [tag 0, ignorable];
        /// The follower that asks; -1 for a consumer.
        0-14  replica_id: i32 = -1;
        15+   replica_state: ReplicaState [tag 1];
        /// How long to wait until `min_bytes` are there.
        0+    max_wait_ms: i32;
        0+    min_bytes: i32;
        /// Bytes of records in all; one whole batch is always given.
        3+    max_bytes: i32 [ignorable] = i32::MAX;
        /// 0: all records are seen; 1: those of open transactions are not.
        4+    isolation_level: i8 [ignorable];
        /// The fetch session to go on with; 0 for none, or to begin one.
        7+    session_id: i32 [ignorable];
        /// 0 begins a session, -1 ends one or goes without.
        7+    session_epoch: i32 [ignorable] = -1;
        0+    topics: Vec<FetchTopic<'a>>;
        /// What a session no longer asks for.
        7+    forgotten_topics_data: Vec<ForgottenTopic<'a>>;
        /// Where the consumer is, to be sent to a near replica; empty for no matter.
        11+   rack_id: &'a str [ignorable];
    }

    /// The follower that asks.
    pub struct ReplicaState {
        /// The follower that asks; -1 for a consumer.
        15+  replica_id: i32 = -1;
        15+  replica_epoch: i64 = -1;
    }

    /// A topic to read.
    pub struct FetchTopic<'a> {
        0-12  topic: &'a str [ignorable];
        13+   topic_id: TopicId [ignorable];
        0+    partitions: Vec<FetchPartition>;
    }

    /// A partition and where to read it.
    pub struct FetchPartition {
        0+   partition: i32;
        /// The leader epoch that the client knows, to be fenced by; -1 for none.
        9+   current_leader_epoch: i32 [ignorable] = -1;
        0+   fetch_offset: i64;
        /// The epoch of the last record that a follower has; -1 for none.
        12+  last_fetched_epoch: i32 = -1;
        /// The start of a follower's log; -1 for a consumer.
        5+   log_start_offset: i64 [ignorable] = -1;
        /// Bytes of records of this partition; one whole batch is always given.
        0+   partition_max_bytes: i32;
        /// The directory of a follower.
        17+  replica_directory_id: [u8; 16] [tag 0, ignorable];
        /// The high watermark that a follower knows.
        18+  high_watermark: i64 [tag 1, ignorable] = i64::MAX;
    }

    /// Partitions of a topic that a session no longer asks for.
    pub struct ForgottenTopic<'a> {
        7-12  topic: &'a str [ignorable];
        13+   topic_id: TopicId [ignorable];
        7+    partitions: Vec<i32>;
    }

    /// Records of partitions.
    pub struct FetchResponse<'a> {
        1+   throttle_time_ms: i32 [ignorable];
        /// What is wrong with the whole request or its session.
        7+   error_code: ErrorCode [ignorable];
        /// The session that goes on; 0 for none.
        7+   session_id: i32;
        0+   responses: Vec<FetchableTopicResponse<'a>>;
        /// Where the current leaders named above are.
        16+  node_endpoints: Vec<NodeEndpoint<'a>> [tag 0];
    }

    /// A topic.
    pub struct FetchableTopicResponse<'a> {
        0-12  topic: &'a str [ignorable];
        13+   topic_id: TopicId [ignorable];
        0+    partitions: Vec<PartitionData<'a>>;
    }

    /// A partition and its records.
    pub struct PartitionData<'a> {
        0+   partition_index: i32;
        0+   error_code: ErrorCode;
        /// The offset after the last that can be read; -1 where there was an error.
        0+   high_watermark: i64;
        /// Below it all transactions have ended; -1 where there was an error.
        4+   last_stable_offset: i64 [ignorable] = -1;
        /// The first offset there is; -1 where there was an error.
        5+   log_start_offset: i64 [ignorable] = -1;
        /// Where a follower's log parts from the leader's.
        12+  diverging_epoch: EpochEndOffset [tag 0];
        /// Who leads the partition now, if not the node that was asked.
        12+  current_leader: LeaderIdAndEpoch [tag 1];
        /// The snapshot to begin with, for followers of the metadata log.
        12+  snapshot_id: SnapshotId [tag 2];
        /// Transactions among the records that were aborted; asked for by isolation level 1.
        4+   aborted_transactions: Option<Vec<AbortedTransaction>> [ignorable];
        /// The replica to read from instead; -1 for none.
        11+  preferred_read_replica: i32 = -1;
        /// Whole batches, the last one perhaps cut. Never null: that breaks librdkafka.
        0+   records: Records<'a> = Records::EMPTY;
    }

    /// The end of an epoch in the leader's log.
    pub struct EpochEndOffset {
        12+  epoch: i32 = -1;
        /// The offset after its last record; -1 for none.
        12+  end_offset: i64 = -1;
    }

    /// A snapshot of the metadata log.
    pub struct SnapshotId {
        0+  end_offset: i64 = -1;
        0+  epoch: i32 = -1;
    }

    /// An aborted transaction that overlaps the records.
    pub struct AbortedTransaction {
        4+  producer_id: i64;
        4+  first_offset: i64;
    }
}
