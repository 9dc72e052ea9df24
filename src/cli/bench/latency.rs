//! `duramen bench latency`.

use std::io::Write;

use clap::Args;
use duramen_tools::bench::{BenchError, latency};

use super::rounds::Rounds;
use super::setup::SetupArgs;

/// One record at a time: until it is acknowledged, and until a consumer at the log's end has it.
///
/// Natively it is pushed to a subscriber; over Kafka's protocol a fetch waits for it.
#[derive(Debug, Args)]
pub(super) struct Latency {
    #[command(flatten)]
    setup: SetupArgs,

    #[command(flatten)]
    rounds: Rounds,

    /// Bytes of a record.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    record_bytes: usize,
}

impl Latency {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let options = latency::Options {
            record_bytes: self.record_bytes,
            warm_up: self.rounds.warm_up,
            lasting: self.rounds.lasting,
            rounds: self.rounds.rounds.into(),
        };
        latency::run(&self.setup.setup()?, &options, out)
    }
}
