//! `duramen dump`: what is in files.

use std::io::{self, IsTerminal};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Args;
use duramen_tools::dump;

use super::Failure;
use super::verify::of_outcome;

/// Show what is in files: segments, indexes, snapshots, journals, checkpoints, the catalog.
///
/// Reads only, with the server up or down; a data directory, a partition's folder or single files,
/// of Duramen or of Apache Kafka. Damage is shown in its place, and the dump goes on behind it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Dump {
    /// Data directories, partitions' folders or files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// One JSON object a line, with every record; bytes that are not UTF-8 as {"base64": "..."}.
    #[arg(long)]
    json: bool,

    /// Each record as well as each batch.
    #[arg(long)]
    records: bool,

    /// Only batches and index entries that touch these offsets: A-B, A-, -B or A.
    #[arg(long, value_name = "A-B", value_parser = offsets, allow_hyphen_values = true)]
    offsets: Option<RangeInclusive<i64>>,
}

const EXAMPLES: &str = "\
Examples:
  duramen dump duramen-data/events-0                    batches, index entries, snapshots
  duramen dump --records --offsets 1000-1010 duramen-data/events-0
  duramen dump --json duramen-data/events-0/00000000000000000000.log | jq .value
  duramen dump duramen-data/.duramen                    journals, checkpoints, the catalog

Exit codes: 0 shown, 1 shown and something is damaged, 2 something could not be looked at.";

impl Dump {
    /// Dumps.
    ///
    /// # Errors
    /// When something is damaged or can't be looked at.
    pub(super) fn run(self) -> Result<(), Failure> {
        let options = dump::Options {
            json: self.json,
            records: self.records,
            offsets: self.offsets.unwrap_or(i64::MIN..=i64::MAX),
            // On one terminal a bar and the lines would be in each other's way.
            progress: io::stderr().is_terminal() && !io::stdout().is_terminal(),
        };
        let (mut out, mut err) = (io::stdout().lock(), io::stderr());
        of_outcome(dump::run(&self.paths, &options, &mut out, &mut err))
    }
}

/// `A-B`, both included; without one of them, from the first or to the last.
fn offsets(text: &str) -> Result<RangeInclusive<i64>, String> {
    let wanted = || "a range of offsets is wanted: A-B, A-, -B or A".to_owned();
    let offset = |text: &str, absent| match text {
        "" => Ok(absent),
        _ => text.parse::<i64>().map_err(|_| wanted()),
    };
    let (first, last) = match text.split_once('-') {
        Some(("", "")) | None if text.trim_matches('-').is_empty() => return Err(wanted()),
        Some((first, last)) => (offset(first, i64::MIN)?, offset(last, i64::MAX)?),
        None => (offset(text, 0)?, offset(text, 0)?),
    };
    if first > last {
        return Err(format!("{first} comes after {last}"));
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_offsets() {
        for (text, expected) in
            [("3-5", 3..=5), ("7", 7..=7), ("7-", 7..=i64::MAX), ("-7", i64::MIN..=7)]
        {
            assert_eq!(offsets(text), Ok(expected), "{text}");
        }
        for bad in ["", "-", "5-3", "a", "1-b", "1--2", "1-2-3"] {
            assert!(offsets(bad).is_err(), "{bad}");
        }
    }
}
