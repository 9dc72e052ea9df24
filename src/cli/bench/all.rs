//! `duramen bench all`.

use std::io::Write;

use clap::Args;
use duramen_tools::bench::{BenchError, all};

use super::setup::SetupArgs;

/// Every row of the table, in one run of less than twenty minutes.
///
/// Medians of five rounds; the long run at an even rate and the restart with the large log are done
/// once. The folder has to have room for 12 GB.
#[derive(Debug, Args)]
pub(super) struct All {
    #[command(flatten)]
    setup: SetupArgs,

    /// In three minutes: fewer and shorter rounds, and a tenth of the log to recover.
    #[arg(long)]
    quick: bool,

    /// Only these rows, and those that are measured with them.
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    rows: Vec<String>,
}

impl All {
    /// Measures.
    ///
    /// # Errors
    /// When a row could not be measured.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        all::run(&self.setup.setup()?, all::Options { quick: self.quick, rows: self.rows }, out)
    }
}
