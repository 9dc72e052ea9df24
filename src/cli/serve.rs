//! `duramen serve`: runs the server until it is asked to stop.

use std::path::PathBuf;

use clap::Args;

use crate::config::server::ServerConfig;
use crate::server;

use super::Failure;

/// The flags. What is not given comes from the file, and else is the default; `duramen config`
/// prints both.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_override_self = true)]
pub struct Serve {
    /// The data directory, made when it is not there [default: ./duramen-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,

    /// Where native clients connect; port 0 takes a free one [default: 127.0.0.1:7070]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,

    /// Where Kafka clients connect; core i listens on PORT+i [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT|none")]
    kafka: Option<String>,

    /// One port a core, or a single one for all, as port mappings need it [default: per-core]
    #[arg(long, value_name = "per-core|single")]
    kafka_ports: Option<String>,

    /// What Kafka clients elsewhere are told to connect to [default: where it listens]
    #[arg(long, value_name = "HOST[:PORT]")]
    advertise: Option<String>,

    /// Threads that own partitions; may differ from the last run's [default: all processors]
    #[arg(long, value_name = "N")]
    cores: Option<String>,

    /// How to reach the disk: auto takes io_uring where the kernel offers it [default: auto]
    #[arg(long, value_name = "auto|uring|blocking")]
    io: Option<String>,

    /// For how long a core with nothing to do polls before it sleeps: lower latency, and a processor
    /// that is busy meanwhile; needs one to spare for the disk's interrupts and the clients
    /// [default: 0]
    #[arg(long, value_name = "US")]
    spin_us: Option<String>,

    /// Acknowledge from memory: for tests and baselines, loses records at a power cut
    #[arg(long)]
    no_sync: bool,

    /// A file of settings; flags go before it
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  duramen serve
  duramen serve --data /var/lib/duramen --listen 0.0.0.0:7070 --cores 4
  duramen serve --kafka 0.0.0.0:9092 --kafka-ports single --advertise log.example
  duramen serve --data /tmp/try --listen 127.0.0.1:0 --no-sync

Prints `listening native HOST:PORT`, `listening kafka HOST:PORT` for each core, and `ready`
on standard output. SIGTERM and SIGINT stop it
cleanly; a second one ends it at once.";

impl Serve {
    /// Serves.
    ///
    /// # Errors
    /// When a setting can't be used, or the server can't start or did not stop cleanly.
    pub fn run(self) -> Result<(), Failure> {
        let config = self.config()?;
        server::run(&config).map_err(|error| Failure::Failed(error.to_string()))
    }

    fn config(self) -> Result<ServerConfig, Failure> {
        let mut config = ServerConfig::default();
        if let Some(path) = &self.config {
            let named = |error: String| Failure::Usage(format!("{}: {error}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
            config.set_all(&text).map_err(|error| named(error.to_string()))?;
        }
        let no_sync = self.no_sync.then(|| "true".to_owned());
        let flags = [
            ("data", self.data),
            ("listen", self.listen),
            ("kafka", self.kafka),
            ("broker.ports", self.kafka_ports),
            ("advertise", self.advertise),
            ("cores", self.cores),
            ("io", self.io),
            ("spin.us", self.spin_us),
            ("no.sync", no_sync),
        ];
        for (name, value) in flags {
            if let Some(value) = value {
                let set = config.set(name, &value);
                set.map_err(|error| Failure::Usage(format!("--{error}")))?;
            }
        }
        Ok(config)
    }
}
