//! Duramen's formats: what goes over the wire and what lies on disk.
//!
//! - [`batch`]: Kafka's RecordBatch v2, the one format of records from wire to disk to wire.
//! - [`files`]: the files of a partition, as Kafka writes them.
//! - [`wire`]: bounded reading and writing of integers, which everything else is made of.
//! - [`codes`]: error codes and what a client may do about them.
//! - [`kafka`]: the requests and responses of the Kafka protocol.
//! - [`murmur2`](mod@murmur2): the hash that places a key on a partition.
//! - [`native`]: the frames and messages of the native protocol.
//! - `client`, a feature: the asynchronous client.

pub mod batch;
#[cfg(feature = "client")]
pub mod client;
pub mod codes;
pub mod files;
pub mod kafka;
pub mod murmur2;
pub mod native;
pub mod wire;

pub use files::topic_id::TopicId;
