//! What every benchmark takes: server, processors, folder, and where its results go.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use duramen_tools::bench::{BenchError, Cpus, Protocol, Setup};

/// As much as a native subscriber lets the server push.
const FETCH_BYTES: u32 = 8 << 20;
const FETCH_BYTES_MAX: i64 = 1 << 30;

/// Where to measure, and what to write.
#[derive(Clone, Debug, Args)]
pub(super) struct SetupArgs {
    /// A server that runs already, instead of one that is started for this.
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,

    /// What the load speaks; kafka reaches any broker, from Kafka 2.0 on.
    #[arg(long, value_name = "native|kafka", default_value = "native", value_parser = ["native", "kafka"])]
    protocol: String,

    /// With --protocol kafka: bytes of records that a fetch asks for at most, in all and of a
    /// partition.
    #[arg(long, value_name = "BYTES", default_value_t = FETCH_BYTES, value_parser = clap::value_parser!(u32).range(1..=FETCH_BYTES_MAX))]
    fetch_bytes: u32,

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
            protocol: match self.protocol.as_str() {
                "kafka" => Protocol::Kafka { fetch_bytes: self.fetch_bytes },
                _ => Protocol::Native,
            },
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
