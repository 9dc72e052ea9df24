//! What every benchmark takes: server, processors, folder, and where its results go.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use duramen_tools::bench::{BenchError, Cpus, Protocol, Setup};

/// Where to measure, and what to write.
#[derive(Clone, Debug, Args)]
pub(super) struct SetupArgs {
    /// A server that runs already, instead of one that is started for this.
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,

    /// The started server's processors, as in 0, 0,2 or 0-3; it has a core on each [default: the first]
    #[arg(long, value_name = "LIST")]
    server_cores: Option<String>,

    /// The load's processors [default: the second]
    #[arg(long, value_name = "LIST")]
    load_cores: Option<String>,

    /// A folder on the disk to measure; tmpfs is refused.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// An argument for the started `duramen serve`, as in --serve=--no-sync; may be repeated.
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    serve: Vec<String>,

    /// Write the rows to a file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the histograms to a file, as HdrHistogram's log.
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,
}

impl SetupArgs {
    /// As the instrument takes it.
    ///
    /// # Errors
    /// When a list names no processors.
    pub(super) fn setup(self) -> Result<Setup, BenchError> {
        let cpus = |list: Option<String>, default: fn() -> Cpus| match list {
            Some(list) => list.parse(),
            None => Ok(default()),
        };
        Ok(Setup {
            protocol: Protocol::Native,
            server: self.server,
            server_cpus: cpus(self.server_cores, Cpus::server_default)?,
            load_cpus: cpus(self.load_cores, Cpus::load_default)?,
            folder: self.dir,
            serve_arguments: self.serve,
            json: self.json,
            hdr: self.hdr,
            progress: io::stderr().is_terminal(),
        })
    }
}
