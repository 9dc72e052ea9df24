//! Opening a partition, giving its handle back, and producer ids.

use std::rc::Rc;

use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::native::messages::{AllocateProducerIdAnswer, Open};
use duramen_protocol::native::{
    ErrorAnswer, ErrorCode, ErrorDetail, FrameHeader, NO_PRODUCER_ID, Opcode,
};

use crate::broker::catalog::Topic;
use crate::broker::placement::owner;
use crate::shard::request::Ask;

use super::connection::Connection;
use super::errors::of_broker;
use super::session::CallKind;

impl Connection {
    /// `OPEN`: binds a handle to a partition of this core; elsewhere, says where.
    pub(super) fn open(&self, header: &FrameHeader, open: &Open) {
        let catalog = self.local.catalog();
        let topic = match catalog.known_topic(&open.topic) {
            Ok(topic) => topic,
            Err(refusal) => return self.fail(header, &of_broker(refusal)),
        };
        if let Err(error) = self.check_owner(topic, open.partition) {
            return self.fail(header, &error);
        }
        let key = PartitionKey { topic_id: topic.id, partition: open.partition };
        let with_producer = open.producer_id > NO_PRODUCER_ID;
        let producer = with_producer.then_some((open.producer_id, open.producer_epoch));
        let kind = CallKind::Open { topic_id: topic.id, partitions: topic.partitions };
        self.ask(header, Opcode::Open, kind, Ask::Open { key, producer });
    }

    fn check_owner(&self, topic: &Topic, partition: u32) -> Result<(), ErrorAnswer> {
        if partition >= topic.partitions {
            let message = format!(
                "there is no partition {partition}: the topic {:?} has {}, from 0 on",
                topic.name, topic.partitions
            );
            return Err(ErrorAnswer::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message));
        }
        let core = owner(topic.id, partition, u32::from(self.local.cores())) as u16;
        if core != self.local.core {
            let message =
                format!("core {core} owns the partition, this is core {}", self.local.core);
            return Err(ErrorAnswer::new(ErrorCode::NOT_LEADER_OR_FOLLOWER, message)
                .with(ErrorDetail::Owner { core }));
        }
        Ok(())
    }

    /// `CLOSE_HANDLE`.
    pub(super) fn close_handle(&self, header: &FrameHeader) {
        let was_open = self.session.borrow_mut().handles.close(header.handle);
        match was_open {
            true => self.done(header, Opcode::CloseHandle),
            false => self.fail(header, &unknown_handle(header.handle)),
        }
    }

    /// `ALLOCATE_PRODUCER_ID`: from this core's lease, and a new lease when that is used up.
    pub(super) fn allocate_producer_id(self: &Rc<Self>, header: &FrameHeader) {
        let local = self.local.clone();
        self.task(header, Opcode::AllocateProducerId, async move {
            let producer_id = local.allocate_producer_id().await.map_err(of_broker)?;
            Ok(AllocateProducerIdAnswer { producer_id, producer_epoch: 0 })
        });
    }
}

/// The answer to a request on a handle that is not open.
pub(super) fn unknown_handle(handle: u32) -> ErrorAnswer {
    let message = format!("the connection has no handle {handle}");
    ErrorAnswer::new(ErrorCode::UNKNOWN_HANDLE, message)
}
