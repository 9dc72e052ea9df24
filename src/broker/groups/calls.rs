//! What a coordinator is asked, and what it decides.

use bytes::Bytes;
use duramen_protocol::codes::ErrorCode;

use super::member::join_bytes;
use super::records::GroupRecord;

/// A consumer wants to be a member, or a member is ready for a rebalance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub group: String,
    /// Empty at first, then what it was given.
    pub member_id: String,
    /// An id that nobody has had, for one that has none.
    pub new_member_id: String,
    /// The name of a static member.
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout_ms: i32,
    /// -1 for the session timeout.
    pub rebalance_timeout_ms: i32,
    /// What the group is for: `consumer`, `connect`.
    pub protocol_type: String,
    /// The assignors that the member knows, the best first, each with its own bytes.
    pub protocols: Vec<(String, Bytes)>,
    /// Whether the client comes back with the id that it is given.
    pub takes_member_id: bool,
    /// Whether the client knows [`Joined::skip_assignment`].
    pub may_skip_assignment: bool,
}

impl Join {
    /// What a member with these protocols takes of memory, roughly, beside its names: bounded by
    /// [`limits::GROUP_MEMBER_BYTES_MAX`](crate::limits::GROUP_MEMBER_BYTES_MAX).
    pub fn bytes(&self) -> usize {
        join_bytes(&self.protocols)
    }
}

/// The generation that a member is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub member_id: String,
    pub generation: i32,
    pub protocol_type: String,
    pub protocol: String,
    /// The member that assigns.
    pub leader: String,
    /// The leader need not assign: the group goes on with what was assigned.
    pub skip_assignment: bool,
    /// All members, for the leader alone.
    pub members: Vec<JoinedMember>,
}

/// A member, as the leader needs it to assign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    /// What it joined with, for the assignor that was chosen.
    pub metadata: Bytes,
}

/// Why a consumer did not join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotJoined {
    pub code: ErrorCode,
    /// The id to come back with, or the one that was said.
    pub member_id: String,
}

/// The leader brings the assignment, or another member fetches its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sync {
    pub member: Membership,
    /// What the member takes the group's protocol for, where it says so.
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    /// What the leader assigns to each member; from others it says nothing.
    pub assignments: Vec<(String, Bytes)>,
}

/// What a member is assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: String,
    pub protocol: String,
    pub assignment: Bytes,
}

/// Whoever says to be in a group, and in which generation of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    pub group: String,
    /// Negative from outside of the group.
    pub generation: i32,
    pub member_id: String,
    /// The name of a static member.
    pub instance_id: Option<String>,
}

/// A member that leaves: by its id, or by its name as a static member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaver {
    pub member_id: String,
    pub instance_id: Option<String>,
}

/// A group as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub state: GroupState,
    /// Empty for a group that never had members.
    pub protocol_type: String,
    /// Empty unless the group is stable.
    pub protocol: String,
    pub members: Vec<DescribedMember>,
}

/// A member as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Empty unless the group is stable.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// The states of a group, as Kafka names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// It has no members, but perhaps offsets.
    Empty,
    /// It waits for its members to join.
    PreparingRebalance,
    /// It waits for its leader to assign.
    CompletingRebalance,
    /// Every member has, or can fetch, what it is assigned.
    Stable,
}

impl GroupState {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::PreparingRebalance => "PreparingRebalance",
            GroupState::CompletingRebalance => "CompletingRebalance",
            GroupState::Stable => "Stable",
        }
    }
}

/// Names what is to be stored; never used twice by a coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreId(pub(super) u64);

/// What a coordinator wants done. `W` names a call whose answer was held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<W> {
    /// Answer a join.
    Joined(W, Result<Joined, NotJoined>),
    /// Answer a sync.
    Synced(W, Result<Synced, ErrorCode>),
    /// Append the group's record, and say with [`super::Coordinator::stored`] what came of it.
    Store { group: String, record: GroupRecord, id: StoreId },
}
