//! `duramen verify`: whether files are whole.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use duramen_tools::{Outcome, verify};

use super::Failure;

/// Check whether files are whole: segments with every record, indexes, snapshots, journals.
///
/// Reads only, with the server up or down; a data directory, a partition's folder or single files,
/// of Duramen or of Apache Kafka. Each damage is a line, `FILE: position N, offset N: reason`. What
/// an unclean stop leaves behind is a note, not damage.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    /// Data directories, partitions' folders or files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  duramen verify duramen-data
  duramen verify duramen-data/events-0 duramen-data/events-1
  duramen verify /var/lib/kafka/events-0/00000000000000000000.log

Exit codes: 0 whole, 1 damaged, 2 something could not be looked at and the rest is whole.";

impl Verify {
    /// Verifies.
    ///
    /// # Errors
    /// When something is damaged or can't be looked at.
    pub(super) fn run(self) -> Result<(), Failure> {
        let options = verify::Options { progress: io::stderr().is_terminal() };
        let (mut out, mut err) = (io::stdout().lock(), io::stderr());
        let outcome = verify::run(&self.paths, &options, &mut out, &mut err);
        of_outcome(outcome)
    }
}

/// A run of a tool that has said everything itself.
///
/// # Errors
/// Unless everything is whole.
pub(super) fn of_outcome(outcome: io::Result<Outcome>) -> Result<(), Failure> {
    match outcome.map_err(Failure::of_output)?.exit_code() {
        0 => Ok(()),
        code => Err(Failure::Told(code)),
    }
}
