//! The server's side of Kafka's protocol.
//!
//! ```text
//! settings     what every listener knows: who is advertised where, and the knobs
//! accept       takes connections
//! connection   reads requests one after the other, answers them in that order
//! dispatch     request to handler: the table of what is served
//! call         what a handler is given, and what it gives back
//! partitions   names and ids to partitions and the cores that own them
//! errors       why not, to Kafka's codes
//! configs      the configurations that clients are shown
//! groups       the way to a group's coordinator
//! the rest     one handler a file, named as its API
//! ```
//!
//! Each core listens on a port of its own and is advertised as a broker of its own: its node id is
//! the core's number, so a client that goes by the metadata reaches the owner of each partition
//! directly. Any core takes any request, though, and forwards what it does not own: that is slower,
//! never an error. With one port for all (`--kafka-ports single`) the connections are spread over
//! the cores, and everything is forwarded that has to be.
//!
//! A connection's requests are taken one after the other, as by Kafka's own broker, with one
//! exception: the batches of a produce are handed to their partitions at once, and the next produce
//! is read while the first waits for the disk. So producers can pipeline, no partition holds up
//! another, and answers leave in the order of their requests all the same.
//!
//! Memory a connection: the request it reads, which grows with the bytes that have come and ends at
//! `socket.request.max.bytes`; [`crate::limits::READ_AHEAD_BYTES`] behind one that waits, or what one
//! read brings; produce requests of [`crate::limits::APPEND_CREDIT_BYTES`] that are
//! not answered yet; one answer, of which a fetch holds [`crate::limits::PINNED_BYTES`] in memory
//! or one read from the disk. Its socket is not read from beyond.

pub mod accept;
mod alter_configs;
mod api_versions;
mod call;
mod configs;
mod connection;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_topic_partitions;
mod dispatch;
mod errors;
mod fetch;
mod find_coordinator;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod partitions;
mod produce;
pub mod settings;
mod sync_group;

use duramen_protocol::kafka::CodecError;

use super::ending::Ending;

impl From<CodecError> for Ending {
    fn from(error: CodecError) -> Ending {
        Ending::Refused(error.to_string())
    }
}
