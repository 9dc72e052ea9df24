//! One connection a core, made when it is needed and made anew when it broke.

use std::collections::HashMap;
use std::sync::OnceLock;

use tokio::sync::Mutex;

use super::connection::Connection;
use super::{ClientConfig, ClientError};
use crate::codes::ErrorCode;
use crate::native::messages::{Open, OpenAnswer};
use crate::native::{ANY_CORE, ErrorDetail};

/// How often a partition may say that another core owns it, before that counts as nonsense.
const REDIRECTS: usize = 3;

/// Connections to the cores of one server.
#[derive(Debug)]
pub(crate) struct Pool {
    config: ClientConfig,
    /// By core; locked while connecting, so that nobody connects twice.
    connections: Mutex<HashMap<u16, Connection>>,
    /// Which data the server had when it was first reached.
    server_id: OnceLock<[u8; 16]>,
}

/// A partition, opened on the core that owns it.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) connection: Connection,
    pub(crate) partition: OpenAnswer,
}

impl Pool {
    pub(crate) fn new(config: ClientConfig) -> Self {
        Pool { config, connections: Mutex::default(), server_id: OnceLock::new() }
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// A pool of connections of its own, to the same server.
    pub(crate) fn another(&self) -> Self {
        let server_id = self.server_id.clone();
        Pool { config: self.config.clone(), connections: Mutex::default(), server_id }
    }

    /// A connection to any core.
    ///
    /// # Errors
    /// When the server can't be reached now, or is another one than before.
    pub(crate) async fn any(&self) -> Result<Connection, ClientError> {
        let mut connections = self.connections.lock().await;
        connections.retain(|_, connection| !connection.is_closed());
        match connections.values().next() {
            Some(connection) => Ok(connection.clone()),
            None => self.connect(&mut connections, ANY_CORE).await,
        }
    }

    /// A connection to `core`; to another one, if the server has fewer cores now.
    ///
    /// # Errors
    /// As for [`Pool::any`].
    pub(crate) async fn core(&self, core: u16) -> Result<Connection, ClientError> {
        let mut connections = self.connections.lock().await;
        match connections.get(&core) {
            Some(connection) if !connection.is_closed() => Ok(connection.clone()),
            _ => self.connect(&mut connections, core).await,
        }
    }

    async fn connect(
        &self,
        connections: &mut HashMap<u16, Connection>,
        core: u16,
    ) -> Result<Connection, ClientError> {
        let connection = Connection::open(&self.config, core).await?;
        let hello = connection.hello();
        if *self.server_id.get_or_init(|| hello.server_id) != hello.server_id {
            return Err(ClientError::OtherServer { server: self.config.server.clone() });
        }
        connections.insert(hello.core, connection.clone());
        Ok(connection)
    }

    /// Opens a partition on the core that owns it, asking `hint` first.
    ///
    /// # Errors
    /// When the server can't be reached now, or what it answers. Tries once.
    pub(crate) async fn open(&self, open: &Open, hint: Option<u16>) -> Result<Opened, ClientError> {
        let mut connection = match hint {
            Some(core) => self.core(core).await?,
            None => self.any().await?,
        };
        for _ in 0..REDIRECTS {
            let error = match connection.call(0, open).await {
                Ok(partition) => return Ok(Opened { connection, partition }),
                Err(ClientError::Server(error)) => error,
                Err(error) => return Err(error),
            };
            match (error.code, error.detail) {
                (ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorDetail::Owner { core }) => {
                    connection = self.core(core).await?;
                }
                _ => return Err(error.into()),
            }
        }
        Err(ClientError::Protocol {
            server: self.config.server.clone(),
            reason: format!("no core owns {}-{}", open.topic, open.partition),
        })
    }
}
