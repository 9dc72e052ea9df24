//! What a group allows to be done with its offsets, and how long it keeps them.

use std::collections::BTreeSet;

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::wire::{Reader, WireError};

use super::calls::Membership;
use super::group::{Group, Phase};
use crate::broker::offsets::OffsetAge;
use crate::io::Now;

/// The protocol type of consumers, whose members say which topics they read.
const CONSUMER: &str = "consumer";
/// Topics of one member's subscription; more than a server has.
const SUBSCRIBED_TOPICS_MAX: usize = 100_000;

/// Whether an offset of a group may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletable {
    Yes,
    /// A member reads the topic.
    Subscribed,
}

impl<W: Copy> Group<W> {
    /// Whether offsets may be committed in this name. A commit is as good as a heartbeat.
    ///
    /// # Errors
    /// `UNKNOWN_MEMBER_ID` for somebody from outside while there are members; otherwise as for
    /// [`Group::check_generation`]; `REBALANCE_IN_PROGRESS` for a member that has to sync first.
    pub fn check_commit(&mut self, member: &Membership, now: Now) -> Result<(), ErrorCode> {
        let is_empty = matches!(self.phase, Phase::Empty);
        if member.generation < 0 && is_empty {
            return Ok(());
        }
        if member.generation < 0 && member.member_id.is_empty() && member.instance_id.is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.check_generation(member)?;
        if matches!(self.phase, Phase::Completing { .. }) {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        if let Some(member) = self.members.get_mut(&member.member_id) {
            member.heard_of(now);
        }
        Ok(())
    }

    /// From when on an offset in `topic` ages.
    pub fn offset_age(&self, topic: &str) -> OffsetAge {
        match (&self.phase, &self.protocol_type) {
            (Phase::Empty, None) => OffsetAge::SinceCommit,
            (Phase::Empty, Some(_)) => OffsetAge::SinceEmpty(self.since_ms),
            (Phase::Stable { .. }, _) if self.reads(topic) == Some(false) => OffsetAge::SinceCommit,
            _ => OffsetAge::Kept,
        }
    }

    /// Whether an offset in `topic` may be deleted.
    ///
    /// # Errors
    /// `NON_EMPTY_GROUP` when the members are no consumers: nobody knows what they read.
    pub fn check_delete(&self, topic: &str) -> Result<Deletable, ErrorCode> {
        if matches!(self.phase, Phase::Empty) {
            return Ok(Deletable::Yes);
        }
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        Ok(if self.reads(topic) == Some(false) { Deletable::Yes } else { Deletable::Subscribed })
    }

    /// Whether a member reads the topic; none when that is not known.
    fn reads(&self, topic: &str) -> Option<bool> {
        let protocol = self.protocol.as_deref()?;
        if self.protocol_type.as_deref() != Some(CONSUMER) {
            return None;
        }
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscribed(&member.metadata(protocol)).ok()?);
        }
        Some(topics.contains(topic))
    }
}

/// The topics that a consumer's bytes name:
///
/// ```text
/// 0:2 version · 4 count, then each: 2 length, UTF-8 · what newer versions add
/// ```
fn subscribed(metadata: &[u8]) -> Result<Vec<String>, WireError> {
    let mut from = Reader::new(metadata);
    let _version = from.i16()?;
    let count = from.i32()?;
    if !(0..=SUBSCRIBED_TOPICS_MAX as i32).contains(&count) {
        return Err(from.error("too many topics"));
    }
    let mut topics = Vec::new();
    for _ in 0..count {
        let len = from.i16()?;
        let len = usize::try_from(len).map_err(|_| from.error("a topic without a name"))?;
        let name = std::str::from_utf8(from.bytes(len)?);
        topics.push(name.map_err(|_| from.error("a name that is not UTF-8"))?.to_owned());
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_read_whatever_follows_and_never_trusted() {
        let mut bytes = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c'];
        bytes.extend([255, 255, 255, 255, 0, 0, 0, 0]);
        assert_eq!(subscribed(&bytes).unwrap(), ["a", "bc"]);
        for end in 0..13 {
            assert!(subscribed(&bytes[..end]).is_err(), "{end}");
        }
        assert!(subscribed(&[0, 0, 255, 255, 255, 255]).is_err());
        assert!(subscribed(&[0, 0, 127, 255, 255, 255]).is_err());
    }
}
