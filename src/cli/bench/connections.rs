//! `duramen bench connections`.

use std::io::Write;

use clap::Args;
use duramen_tools::bench::{BenchError, connections};

use super::rounds::Rounds;
use super::setup::SetupArgs;

/// Thousands of connections that say nothing, and some that do: what each takes of the server's
/// memory, and what the busy ones notice.
#[derive(Debug, Args)]
pub(super) struct Connections {
    #[command(flatten)]
    setup: SetupArgs,

    #[command(flatten)]
    rounds: Rounds,

    /// Connections that say hello and then nothing.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    idle: usize,

    /// Connections that append one record at a time.
    #[arg(long, value_name = "N", default_value_t = 100)]
    active: usize,

    /// Bytes of a record.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    record_bytes: usize,
}

impl Connections {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let options = connections::Options {
            idle: self.idle,
            active: self.active,
            record_bytes: self.record_bytes,
            warm_up: self.rounds.warm_up,
            lasting: self.rounds.lasting,
            rounds: self.rounds.rounds.into(),
        };
        connections::run(&self.setup.setup()?, &options, out)
    }
}
