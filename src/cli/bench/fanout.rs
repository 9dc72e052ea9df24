//! `duramen bench fanout`.

use std::io::Write;

use clap::Args;
use duramen_tools::bench::{BenchError, fanout};

use super::rounds::Rounds;
use super::setup::SetupArgs;

/// One producer and many subscribers at the log's end, each of whom gets everything.
#[derive(Debug, Args)]
pub(super) struct Fanout {
    #[command(flatten)]
    setup: SetupArgs,

    #[command(flatten)]
    rounds: Rounds,

    /// How many subscribers, one after the other.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 5, 20])]
    subscribers: Vec<usize>,

    /// Bytes of a record.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    record_bytes: usize,

    /// Records of a batch.
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch_records: usize,
}

impl Fanout {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let options = fanout::Options {
            subscribers: self.subscribers,
            record_bytes: self.record_bytes,
            batch_records: self.batch_records,
            warm_up: self.rounds.warm_up,
            lasting: self.rounds.lasting,
            rounds: self.rounds.rounds.into(),
        };
        fanout::run(&self.setup.setup()?, &options, out)
    }
}
