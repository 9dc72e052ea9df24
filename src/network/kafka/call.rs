//! What a handler is given beside the request, and what it gives back.

use std::net::IpAddr;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use duramen_protocol::TopicId;
use duramen_protocol::kafka::{Frames, Message, Piece, RequestHeader};
use duramen_protocol::wire::Reader;

use crate::broker::placement;
use crate::network::local::Local;
use crate::network::outbox::{Chunk, Outbox};

use super::Ending;
use super::settings::{Broker, Settings};

/// A request under way, apart from its body.
pub struct Call<'a> {
    /// The core it has come to.
    pub local: &'a Rc<Local>,
    /// What all listeners know.
    pub settings: &'a Settings,
    /// Its header.
    pub header: RequestHeader<'a>,
    /// The address of ours that the client has reached.
    pub reached: IpAddr,
    /// The client's own address.
    pub peer: IpAddr,
}

/// An answer, written. Where it has holes, the records that fill them.
#[derive(Debug, Default)]
pub struct Reply {
    frames: Frames,
    records: Vec<Vec<Chunk>>,
}

impl From<Frames> for Reply {
    fn from(frames: Frames) -> Reply {
        Reply { frames, records: Vec::new() }
    }
}

impl Call<'_> {
    /// The request's version.
    pub fn version(&self) -> i16 {
        self.header.api_version
    }

    /// Reads the body of the request.
    ///
    /// # Errors
    /// Bytes that are no such message end the connection.
    pub fn read<'f, M: Message<'f>>(&self, mut body: Reader<'f>) -> Result<M, Ending> {
        Ok(M::decode(&mut body, self.version())?)
    }

    /// An answer to the request.
    ///
    /// # Errors
    /// When the version can't say it, which is a fault of ours.
    pub fn reply<'r>(&self, body: &impl Message<'r>) -> Result<Reply, Ending> {
        self.reply_in_version(self.version(), body)
    }

    /// An answer in another version than the request's.
    ///
    /// # Errors
    /// As [`Call::reply`].
    pub fn reply_in_version<'r>(
        &self,
        version: i16,
        body: &impl Message<'r>,
    ) -> Result<Reply, Ending> {
        let mut frames = Frames::default();
        frames.push_response(self.header.correlation_id, version, body)?;
        Ok(frames.into())
    }

    /// The brokers, as this client reaches them.
    pub fn brokers(&self) -> Vec<Broker> {
        self.settings.brokers(self.reached)
    }

    /// The cluster's id, as Kafka writes such: 22 characters.
    pub fn cluster_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.local.catalog().cluster_id())
    }

    /// The core that owns a partition.
    pub fn owner(&self, topic_id: TopicId, partition: u32) -> u16 {
        placement::owner(topic_id, partition, u32::from(self.local.cores())) as u16
    }

    /// The node that a partition's owner is advertised as.
    pub fn leader(&self, topic_id: TopicId, partition: u32) -> i32 {
        self.settings.node_of_core(u32::from(self.owner(topic_id, partition)))
    }

    /// The leader epoch of every partition: it rises with each start.
    pub fn leader_epoch(&self) -> i32 {
        self.local.facts.start_epoch as i32
    }
}

impl Reply {
    /// The same, with records for its holes: a list of pieces each.
    pub fn with_records(mut self, records: Vec<Vec<Chunk>>) -> Reply {
        assert_eq!(self.frames.holes().len(), records.len(), "holes and what fills them");
        self.records = records;
        self
    }

    /// Appends the answer to what is to be sent.
    pub fn put(self, outbox: &mut Outbox) {
        let mut records = self.records.into_iter();
        for piece in self.frames.pieces() {
            match piece {
                Piece::Bytes(bytes) => outbox.frame(|out| out.extend_from_slice(bytes)),
                Piece::Hole(_) => outbox.chunks(records.next().unwrap_or_default()),
            }
        }
    }
}
