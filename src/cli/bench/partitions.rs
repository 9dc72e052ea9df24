//! `duramen bench partitions`.

use std::io::Write;

use clap::Args;
use duramen_tools::bench::{BenchError, partitions};

use super::rounds::Rounds;
use super::setup::SetupArgs;

/// The same load over one partition and over many: 64 producers, one record at a time each.
#[derive(Debug, Args)]
pub(super) struct Partitions {
    #[command(flatten)]
    setup: SetupArgs,

    #[command(flatten)]
    rounds: Rounds,

    /// How many partitions, one after the other; the first is what the others stand beside.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 10, 100, 1000, 4000])]
    partitions: Vec<u32>,

    /// Producers, a connection each.
    #[arg(long, value_name = "N", default_value_t = 64)]
    producers: usize,

    /// Bytes of a record.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    record_bytes: usize,
}

impl Partitions {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let options = partitions::Options {
            partitions: self.partitions,
            producers: self.producers,
            record_bytes: self.record_bytes,
            warm_up: self.rounds.warm_up,
            lasting: self.rounds.lasting,
            rounds: self.rounds.rounds.into(),
        };
        partitions::run(&self.setup.setup()?, &options, out)
    }
}
