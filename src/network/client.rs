//! Whoever a shard's answers are delivered to: a connection, of whatever protocol.

use crate::io::Descriptors;
use crate::shard::request::Released;

use super::socket::Socket;

/// A connection, as the tick sees it.
pub trait Client {
    /// Puts what was released for it into its outbox.
    fn deliver(&self, released: Released, files: &dyn Descriptors);

    /// Its socket.
    fn socket(&self) -> &Socket;
}
