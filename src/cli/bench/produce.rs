//! `duramen bench produce`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use duramen_protocol::batch::Codec;
use duramen_tools::bench::{Acks, BenchError, Content, produce};

use super::rounds::Rounds;
use super::setup::SetupArgs;
use crate::cli::produce::codec;

/// What a server takes: records and bytes a second, latencies, and what they cost it.
///
/// Without --rate a closed loop: each producer sends its next batch as soon as there is room among
/// its unanswered ones. With --rate an open loop: records are due evenly, and the latency of each
/// counts from when it was due, so a stall is counted for every record that it delays.
#[derive(Debug, Args)]
pub(super) struct Produce {
    #[command(flatten)]
    setup: SetupArgs,

    #[command(flatten)]
    rounds: Rounds,

    /// Bytes of a record.
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    record_bytes: usize,

    /// Take the lines of a file as records, again and again.
    #[arg(long, value_name = "PATH", conflicts_with = "record_bytes")]
    file: Option<PathBuf>,

    /// Records of a batch at most.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    batch_records: usize,

    /// Bytes of records of a batch at most.
    #[arg(long, value_name = "BYTES", default_value_t = 1_000_000)]
    batch_bytes: usize,

    /// With --rate: for how long a producer collects records for a batch at most.
    #[arg(long, value_name = "MS", default_value_t = 1.0, allow_negative_numbers = true)]
    linger_ms: f64,

    /// Producers, a connection each.
    #[arg(long, value_name = "N", default_value_t = 1)]
    producers: usize,

    /// Unanswered batches of each.
    #[arg(long, value_name = "N", default_value_t = 12)]
    in_flight: usize,

    /// Partitions of the topic.
    #[arg(long, value_name = "N", default_value_t = 1)]
    partitions: u32,

    /// all and 1: a batch counts once it is durable. 0: nobody answers.
    #[arg(long, value_name = "all|1|0", default_value = "all", value_parser = ["all", "1", "0"])]
    acks: String,

    /// How batches are compressed; only once, before they are sent.
    #[arg(long, value_name = "CODEC", default_value = "none", value_parser = codec())]
    compression: Codec,

    /// Records a second, all producers together: an open loop.
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
}

impl Produce {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        let linger = Duration::try_from_secs_f64(self.linger_ms / 1e3);
        let linger = linger.map_err(|error| BenchError::Usage(format!("--linger-ms: {error}")))?;
        let options = produce::Options {
            content: self.file.map_or(Content::Fixed(self.record_bytes), Content::Lines),
            batch_records: self.batch_records,
            batch_bytes: self.batch_bytes,
            linger,
            producers: self.producers,
            in_flight: self.in_flight,
            partitions: self.partitions,
            acks: match self.acks.as_str() {
                "all" => Acks::All,
                "1" => Acks::Leader,
                _ => Acks::None,
            },
            codec: self.compression,
            rate: self.rate,
            warm_up: self.rounds.warm_up,
            lasting: self.rounds.lasting,
            rounds: self.rounds.rounds.into(),
        };
        produce::run(&self.setup.setup()?, &options, out)
    }
}
