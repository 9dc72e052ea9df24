//! Groups of consumers: listing, describing and deleting them.
//!
//! A group is a name that offsets were committed in, with members or without: members come by
//! Kafka's protocol, a native consumer with a name is a group of its own that never has any. Any
//! core takes these requests and asks the coordinators.

use super::Empty;
use crate::native::field::{calls, empty_messages, message};

message! {
    /// All groups, by name.
    pub struct ListGroupsAnswer {
        /// In the order of their names.
        pub groups: Vec<ListedGroup>,
    }

    /// One group of a list.
    pub struct ListedGroup {
        /// Its name.
        pub group: String,
        /// Kafka's name of its state: `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable`.
        pub state: String,
        /// Such as `consumer`; empty for a group that never had members.
        pub protocol_type: String,
    }

    /// Asks for one group.
    pub struct DescribeGroup {
        /// Its name.
        pub group: String,
    }

    /// One group.
    pub struct DescribeGroupAnswer {
        /// As in a list.
        pub state: String,
        /// As in a list.
        pub protocol_type: String,
        /// The assignor that was chosen; empty unless the group is stable.
        pub protocol: String,
        /// In the order of their ids.
        pub members: Vec<DescribedMember>,
        /// By topic and partition.
        pub offsets: Vec<GroupOffset>,
    }

    /// A member.
    pub struct DescribedMember {
        /// The coordinator's name for it.
        pub member_id: String,
        /// Its own, if it is a static member.
        pub instance_id: Option<String>,
        /// What its client calls itself.
        pub client_id: String,
        /// Where it is connected from.
        pub client_host: String,
        /// What it is assigned, as its assignor says it; empty unless the group is stable.
        pub assignment: Vec<u8>,
    }

    /// A committed offset, and how far the partition goes.
    pub struct GroupOffset {
        /// The topic.
        pub topic: String,
        /// The partition.
        pub partition: u32,
        /// The offset to go on with.
        pub offset: i64,
        /// The first offset there is.
        pub log_start: i64,
        /// The offset after the last durable one.
        pub durable_end: i64,
        /// The consumer's own words.
        pub metadata: String,
    }

    /// Removes a group without members, and its offsets.
    pub struct DeleteGroup {
        /// Its name.
        pub group: String,
    }
}

empty_messages! {
    /// Names all groups.
    ListGroups;
}

calls! {
    ListGroups => ListGroupsAnswer;
    DescribeGroup => DescribeGroupAnswer;
    DeleteGroup => Empty;
}
