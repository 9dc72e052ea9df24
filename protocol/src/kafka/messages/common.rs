//! Structs that several messages have.

use crate::kafka::message::message;

message! {
    /// Who leads a partition.
    pub struct LeaderIdAndEpoch {
        /// The node; -1 if it is not known.
        0+  leader_id: i32 = -1;
        /// The newest epoch that is known.
        0+  leader_epoch: i32 = -1;
    }

    /// Where a node is reached.
    pub struct NodeEndpoint<'a> {
        0+  node_id: i32;
        0+  host: &'a str;
        0+  port: i32;
        0+  rack: Option<&'a str>;
    }
}
