//! `COMMIT_OFFSETS` and `FETCH_OFFSETS`: the positions of named consumers.
//!
//! Any core takes them and forwards them to the one that owns the consumer's partition of
//! `__consumer_offsets`. That topic is made with the first commit.

use std::rc::Rc;

use duramen_protocol::native::messages::{
    CommitOffsets, CommittedOffset, Empty, FetchOffsets, FetchOffsetsAnswer,
};
use duramen_protocol::native::{ErrorAnswer, ErrorCode, FrameHeader, Opcode};

use crate::broker::groups::Membership;
use crate::broker::offsets::{CommitOffset, check_group};
use crate::network::coordinators::{ask, key, offsets_topic, partition_of};
use crate::shard::request::{Answer, Ask, Position};

use super::connection::Connection;
use super::errors::{of_broker, of_shard};

/// The generation of whoever is no member of the group.
const OUTSIDE: i32 = -1;
/// No leader epoch is known: the native protocol has none.
const NO_EPOCH: i32 = -1;

impl Connection {
    pub(super) fn commit_offsets(self: &Rc<Self>, header: &FrameHeader, commit: CommitOffsets) {
        let local = self.local.clone();
        self.task(header, Opcode::CommitOffsets, async move {
            let CommitOffsets { group, offsets } = commit;
            check_group(&group).map_err(of_broker)?;
            let offsets = offsets.into_iter().map(wanted).collect::<Result<_, _>>()?;
            let key = key(&*offsets_topic(&local).await.map_err(of_broker)?, &group);
            let member = Membership { group, generation: OUTSIDE, ..Membership::default() };
            let stored = ask(&local, key, Ask::CommitOffsets { key, member, offsets }).await;
            stored.map(|_| Empty {}).map_err(|error| of_shard(&error))
        });
    }

    pub(super) fn fetch_offsets(self: &Rc<Self>, header: &FrameHeader, fetch: FetchOffsets) {
        let local = self.local.clone();
        self.task(header, Opcode::FetchOffsets, async move {
            let FetchOffsets { group, partitions } = fetch;
            check_group(&group).map_err(of_broker)?;
            let Some(key) = partition_of(&local, &group) else {
                // Nobody has ever committed anything.
                return Ok(FetchOffsetsAnswer { offsets: Vec::new() });
            };
            let named =
                |p: duramen_protocol::native::messages::TopicPartition| (p.topic, p.partition);
            let partitions = partitions.map(|all| all.into_iter().map(named).collect());
            let found = ask(&local, key, Ask::FetchOffsets { key, group, partitions }).await;
            match found.map_err(|error| of_shard(&error))? {
                Answer::Positions(positions) => {
                    let offsets = positions.into_iter().map(committed).collect();
                    Ok(FetchOffsetsAnswer { offsets })
                }
                other => Err(ErrorAnswer::new(
                    ErrorCode::UNKNOWN_SERVER_ERROR,
                    format!("positions were asked for, {other:?} came back"),
                )),
            }
        });
    }
}

fn wanted(offset: CommittedOffset) -> Result<CommitOffset, ErrorAnswer> {
    let CommittedOffset { topic, partition, offset, metadata } = offset;
    if offset < 0 {
        let message = format!("{topic}-{partition}: {offset} is no offset");
        return Err(ErrorAnswer::new(ErrorCode::INVALID_REQUEST, message));
    }
    let leader_epoch = NO_EPOCH;
    Ok(CommitOffset { topic, partition, offset, leader_epoch, metadata, retention_ms: None })
}

fn committed(position: Position) -> CommittedOffset {
    let Position { topic, partition, offset, metadata, .. } = position;
    CommittedOffset { topic, partition, offset, metadata }
}
