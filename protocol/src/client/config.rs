//! How a client connects.

use std::time::Duration;

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `HOST:PORT` of the server's native listener.
    pub server: String,
    /// How the client calls itself in the server's logs.
    pub client_name: String,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
    /// How long to wait for an answer before the connection counts as broken.
    pub request_timeout: Duration,
    /// How long to go on trying while the server can't be reached or can't do it now.
    pub retry_for: Duration,
}

impl ClientConfig {
    /// The defaults: 10 s for a connection, 30 s for an answer, 120 s of trying.
    pub fn new(server: impl Into<String>) -> Self {
        ClientConfig {
            server: server.into(),
            client_name: "duramen-client".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retry_for: Duration::from_secs(120),
        }
    }
}
