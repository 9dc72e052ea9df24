//! How long and how often.

use std::time::Duration;

use clap::Args;

use crate::cli::parse::duration;

/// How long a benchmark runs, and how often.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Rounds {
    /// How long a round is measured.
    #[arg(long = "for", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(super) lasting: Duration,

    /// How long before that it runs without being measured.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub(super) warm_up: Duration,

    /// How many rounds; medians are shown.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) rounds: u16,
}
