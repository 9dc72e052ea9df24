//! Opening a connection, and asking whether it still stands.
//!
//! The first frame must be a hello of at most 4 KiB, else the server closes the connection. Magic
//! and version range stand first in every version there will ever be. In the hello and its answer
//! bytes after the last known field are passed over, so that later versions can add some; in every
//! other message they are an error.

use crate::native::field::{Field, calls, message};
use crate::native::{ANY_CORE, MAGIC, VERSION};
use crate::wire::{Reader, WireError};

message! {
    /// The first frame of a connection.
    pub struct Hello {
        /// [`MAGIC`].
        pub magic: [u8; 4],
        /// The lowest version the client speaks.
        pub min_version: u16,
        /// The highest.
        pub max_version: u16,
        /// What the client can do beyond the version; none is defined yet.
        pub features: u32,
        /// The core the connection should live on, or [`ANY_CORE`].
        pub wanted_core: u16,
        /// How the client calls itself, for logs.
        pub client_name: String,
        /// How the client proves who it is; 0 is not at all, and the only one yet.
        pub auth_method: u16,
        /// The proof.
        pub auth: Vec<u8>,
    }

    /// The server's answer; from here on its `max_frame_bytes` holds.
    pub struct HelloAnswer {
        /// The version spoken from here on.
        pub version: u16,
        /// The features both have.
        pub features: u32,
        /// Which data directory this is; it stays the same across restarts.
        pub server_id: [u8; 16],
        /// Rises with each start of the server.
        pub start_epoch: i32,
        /// The core this connection lives on.
        pub core: u16,
        /// How many cores there are; they are numbered from 0.
        pub cores: u16,
        /// The largest frame in bytes, header and all, in both directions.
        pub max_frame_bytes: u32,
        /// How many bytes of unanswered append frames the client may have under way. One append may
        /// be under way whatever its size.
        pub append_credit_bytes: u32,
        /// How many requests the client may have unanswered, of all kinds.
        pub max_in_flight: u32,
        /// The server's name and version, for people to read.
        pub software: String,
    }

    /// Asks the server to send the same bytes back.
    pub struct Ping {
        /// At most [`Ping::BYTES`].
        pub echo: Vec<u8>,
    }
}

calls! {
    Hello => HelloAnswer;
    Ping => Ping;
}

impl Hello {
    /// A hello of this version without authentication.
    pub fn new(client_name: &str, wanted_core: u16) -> Self {
        Hello {
            magic: MAGIC,
            min_version: VERSION,
            max_version: VERSION,
            wanted_core,
            client_name: client_name.to_owned(),
            ..Hello::default()
        }
    }

    /// Reads a hello of this or a later version.
    ///
    /// # Errors
    /// When the magic is not ours, or bytes are missing.
    pub fn decode_any_version(bytes: &[u8]) -> Result<Self, WireError> {
        let hello = Self::take(&mut Reader::new(bytes))?;
        match hello.magic {
            MAGIC => Ok(hello),
            _ => Err(WireError { at: 0, what: "a hello without the magic" }),
        }
    }

    /// The version both speak: the highest in common.
    pub fn version(&self) -> Option<u16> {
        (self.min_version..=self.max_version).contains(&VERSION).then_some(VERSION)
    }

    /// The core asked for, if one is.
    pub fn core(&self) -> Option<u16> {
        (self.wanted_core != ANY_CORE).then_some(self.wanted_core)
    }
}

impl HelloAnswer {
    /// Reads the answer of a server of this or a later version.
    ///
    /// # Errors
    /// When bytes are missing.
    pub fn decode_any_version(bytes: &[u8]) -> Result<Self, WireError> {
        Self::take(&mut Reader::new(bytes))
    }
}

impl Ping {
    /// The most bytes a ping may carry.
    pub const BYTES: usize = 64;
}
