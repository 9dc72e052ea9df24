//! `duramen bench consume`.

use std::io::Write;

use clap::Args;
use duramen_tools::bench::{BenchError, consume};

use super::setup::SetupArgs;

/// How fast a consumer catches up: from the page cache, and from the disk.
///
/// Beside a bare `sendfile` of the very same files to the very same receiver, which copies what
/// comes and looks at every batch's header. A server that runs elsewhere is read from its page cache
/// alone, and beside nothing.
#[derive(Debug, Args)]
pub(super) struct Consume {
    #[command(flatten)]
    setup: SetupArgs,

    /// Size of the log, in MB.
    #[arg(long, value_name = "MB", default_value_t = 768)]
    log_mb: u64,

    /// Bytes of a record.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    record_bytes: usize,

    /// Records of a batch.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    batch_records: usize,

    /// How often; medians are shown.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

impl Consume {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let options = consume::Options {
            log_bytes: self.log_mb * 1_000_000,
            record_bytes: self.record_bytes,
            batch_records: self.batch_records,
            rounds: self.rounds.into(),
        };
        consume::run(&self.setup.setup()?, &options, out)
    }
}
