//! Metadata: where the brokers are and who leads which partition.
//!
//! - 0: an empty list asks for all topics; from 1 on null does, and an empty list for none.
//! - 1: racks, controller, internal topics. 2: cluster id. 4: automatic creation can be declined.
//! - 5: offline replicas. 7: leader epochs. 8: authorized operations; the cluster's until 10.
//! - 9: flexible. 10: topic ids in the response; 12: in the request too. 13: an error for all.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    Metadata: MetadataRequest<'a> => MetadataResponse<'r>;
}

message! {
    /// Asks for the brokers, and for topics and who leads their partitions.
    pub struct MetadataRequest<'a> {
        /// None for all of them; in version 0 an empty list means that.
        0+    topics: Option<Vec<MetadataRequestTopic<'a>>> [nullable 1+];
        /// Whether a topic that is not there may be made.
        4+    allow_auto_topic_creation: bool = true;
        8-10  include_cluster_authorized_operations: bool;
        8+    include_topic_authorized_operations: bool;
    }

    /// A topic, by name or by id.
    pub struct MetadataRequestTopic<'a> {
        10+  topic_id: TopicId [ignorable];
        /// None where the id says which.
        0+   name: Option<&'a str> [nullable 10+];
    }

    /// The brokers and the topics.
    pub struct MetadataResponse<'a> {
        3+    throttle_time_ms: i32 [ignorable];
        0+    brokers: Vec<MetadataResponseBroker<'a>>;
        2+    cluster_id: Option<&'a str> [ignorable];
        /// -1 if it is not known.
        1+    controller_id: i32 [ignorable] = -1;
        0+    topics: Vec<MetadataResponseTopic<'a>>;
        8-10  cluster_authorized_operations: i32 = i32::MIN;
        13+   error_code: ErrorCode [ignorable];
    }

    /// A broker and where it is reached.
    pub struct MetadataResponseBroker<'a> {
        0+  node_id: i32;
        0+  host: &'a str;
        0+  port: i32;
        1+  rack: Option<&'a str> [ignorable];
    }

    /// A topic.
    pub struct MetadataResponseTopic<'a> {
        0+   error_code: ErrorCode;
        /// None for an id that is not known.
        0+   name: Option<&'a str> [nullable 12+];
        /// Zeros for a name that is not known.
        10+  topic_id: TopicId [ignorable];
        1+   is_internal: bool [ignorable];
        0+   partitions: Vec<MetadataResponsePartition>;
        8+   topic_authorized_operations: i32 = i32::MIN;
    }

    /// A partition and its leader.
    pub struct MetadataResponsePartition {
        0+  error_code: ErrorCode;
        0+  partition_index: i32;
        0+  leader_id: i32;
        7+  leader_epoch: i32 [ignorable] = -1;
        /// The nodes that hold the partition.
        0+  replica_nodes: Vec<i32>;
        /// Those of the replicas that are in sync with the leader.
        0+  isr_nodes: Vec<i32>;
        /// Those of the replicas that are down.
        5+  offline_replicas: Vec<i32> [ignorable];
    }
}
