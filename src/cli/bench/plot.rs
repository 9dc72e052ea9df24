//! `duramen bench plot`.

use std::path::PathBuf;

use clap::Args;
use duramen_tools::bench::{BenchError, plot};

/// Draw results: latency percentiles, and throughput over partitions.
///
/// Takes what other benchmarks have written with --json and with --hdr; of the latter the curves are
/// whole.
#[derive(Debug, Args)]
pub(super) struct Plot {
    /// Results to draw.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Where the picture goes.
    #[arg(long, value_name = "FILE.svg", default_value = "bench.svg")]
    out: PathBuf,
}

impl Plot {
    /// Draws.
    ///
    /// # Errors
    /// When a file can't be read, or there is nothing to draw.
    pub(super) fn run(self) -> Result<(), BenchError> {
        plot::run(&plot::Options { files: self.files, out: self.out })
    }
}
