//! `duramen bench recovery`.

use std::io::Write;

use clap::Args;
use duramen_tools::bench::{BenchError, recovery};

use super::setup::SetupArgs;

/// How long a killed server takes to be ready again, by the size of its log.
#[derive(Debug, Args)]
pub(super) struct Recovery {
    #[command(flatten)]
    setup: SetupArgs,

    /// Sizes of the log in MB, one after the other; the folder has to have room for the largest.
    #[arg(long, value_name = "MB,...", value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    log_mb: Vec<u64>,

    /// Partitions that it is spread over.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    partitions: u32,

    /// Bytes of a record.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    record_bytes: usize,

    /// Records of a batch.
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch_records: usize,

    /// How often; medians are shown.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

impl Recovery {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let options = recovery::Options {
            log_bytes: self.log_mb.iter().map(|mb| mb * 1_000_000).collect(),
            partitions: self.partitions,
            record_bytes: self.record_bytes,
            batch_records: self.batch_records,
            rounds: self.rounds.into(),
        };
        recovery::run(&self.setup.setup()?, &options, out)
    }
}
