//! `duramen bench limits`.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use duramen_tools::bench::{BenchError, limits};

use super::setup::SetupArgs;
use crate::cli::parse::duration;

/// What this machine can do, bare: direct durable writes, round trips, streams, copies, CRC32C.
#[derive(Debug, Args)]
pub(super) struct Limits {
    #[command(flatten)]
    setup: SetupArgs,

    /// How long each limit is measured.
    #[arg(long = "for", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    lasting: Duration,

    /// How often; medians are shown.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

impl Limits {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let options = limits::Options { lasting: self.lasting, rounds: self.rounds.into() };
        limits::run(&self.setup.setup()?, &options, out)
    }
}
