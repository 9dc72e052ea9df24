//! What holds for all consumer groups.

use crate::limits;

/// Kafka's `offsets.retention.minutes`, 7 days, in ms.
pub const OFFSETS_RETENTION_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Bounds and times of groups, as a server is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// How long a group that was empty waits for more members before it begins.
    pub initial_rebalance_delay_ms: u64,
    /// The shortest session timeout that a member may ask for.
    pub session_timeout_ms_min: u64,
    /// The longest one.
    pub session_timeout_ms_max: u64,
    /// Members of a group.
    pub members_max: usize,
    /// How long offsets are kept while nobody reads on from them.
    pub offsets_retention_ms: i64,
}

impl Default for GroupSettings {
    /// Kafka's, but for the members, of which Kafka allows any number.
    fn default() -> GroupSettings {
        GroupSettings {
            initial_rebalance_delay_ms: 3_000,
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            members_max: limits::GROUP_MEMBERS_MAX,
            offsets_retention_ms: OFFSETS_RETENTION_MS,
        }
    }
}
