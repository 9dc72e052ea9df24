//! The way to a server: its address, and a client that says when it has to wait.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use duramen_protocol::client::{Client, ClientConfig};

use super::Failure;

/// Nothing is said of a server that answers within this.
const PATIENCE: Duration = Duration::from_millis(500);

/// Which server. Every command that talks to one takes this.
#[derive(Clone, Debug, Args)]
pub(super) struct Remote {
    /// The server's native listener.
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:7070")]
    server: String,

    /// How long to try while the server is not there, as in 500ms or 1h30m; 2m without this, 5s for
    /// `topic` and `group`.
    #[arg(long, global = true, value_name = "DURATION", value_parser = super::parse::duration)]
    retry_for: Option<Duration>,
}

impl Remote {
    /// How long to try: as asked for, else `default`.
    pub(super) fn retry_for(&self, default: Duration) -> Duration {
        self.retry_for.unwrap_or(default)
    }

    /// Connects. When that takes long, says that the server is waited for.
    ///
    /// # Errors
    /// When it is not there for that long, or is no server of ours.
    pub(super) async fn connect(&self, default: Duration) -> Result<Client, Failure> {
        let retry_for = self.retry_for(default);
        let config = ClientConfig {
            client_name: concat!("duramen ", env!("CARGO_PKG_VERSION")).to_owned(),
            retry_for,
            ..ClientConfig::new(&self.server)
        };
        let mut connected = pin!(Client::with_config(config));
        tokio::select! {
            client = &mut connected => return Ok(client?),
            () = tokio::time::sleep(PATIENCE) => {}
        }
        let seconds = retry_for.as_secs_f64();
        eprintln!("duramen: {} does not answer yet; trying for up to {seconds} s", self.server);
        Ok(connected.await?)
    }
}

/// Runs a command that talks to a server, to its end.
///
/// # Errors
/// What the command says, or that the system refuses a runtime.
pub(super) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let builder = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        builder.map_err(|error| Failure::Failed(format!("cannot make a runtime: {error}")))?;
    runtime.block_on(command)
}
