//! `duramen recover`: give up what a damaged journal has lost.

use clap::Args;

use super::{Failure, stdout};
use crate::config::server::ServerConfig;
use crate::server;

/// Give up records that a damaged journal has lost, so that a server starts again.
///
/// A server does not start over damage in the middle of a journal: acknowledged records are missing
/// then, and it is for you to decide. Restore the directory from a backup if you can. Otherwise this
/// cuts each partition concerned at its first lost record, prints what is lost on standard output, a
/// line each, and leaves a directory that a server starts from. The offsets are given to other
/// records then. The server must be down.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Recover {
    /// Yes, give them up. There is no way back: copy the directory before.
    #[arg(long, required = true)]
    accept_loss: bool,

    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "./duramen-data")]
    data: String,
}

const EXAMPLES: &str = "\
Examples:
  duramen verify duramen-data                   what is damaged?
  cp -a duramen-data duramen-data.copy
  duramen recover --accept-loss                 prints `lost: TOPIC-P offsets A-B`, a line each";

impl Recover {
    /// Recovers.
    ///
    /// # Errors
    /// When the directory can't be recovered even so, is in use, or is none of ours.
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut config = ServerConfig::default();
        config.set("data", &self.data).map_err(|error| Failure::Usage(format!("--{error}")))?;
        let recovered = server::accept_loss(&config);
        let losses = recovered.map_err(|error| Failure::Failed(error.to_string()))?;
        if losses.is_empty() {
            eprintln!("duramen: nothing was lost");
        }
        stdout::print(&losses.iter().map(|loss| format!("{loss}\n")).collect::<String>())
    }
}
