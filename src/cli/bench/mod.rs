//! `duramen bench`: what a server does a second, and how long it takes, beside what the machine does.
//!
//! Here are the flags; the instrument is `duramen_tools::bench`.

mod all;
mod connections;
mod consume;
mod fanout;
mod latency;
mod limits;
mod partitions;
mod plot;
mod produce;
mod recovery;
mod rounds;
mod setup;

use std::io::{self, Write};
use std::thread;

use clap::{Args, Subcommand};
use duramen_tools::bench::{self, BenchError};

use super::Failure;
use super::stop::Stop;

/// Measure a server beside what this machine can do.
///
/// Without --server each benchmark starts a server of its own, in a folder of its own that is
/// removed in the end. Server and load run on processors of their own. Every result stands beside
/// its limit, taken in the same run: `ratio` is value / limit, `spread` the largest run less the
/// smallest, as a share of the median.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Bench {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Limits(limits::Limits),
    Produce(produce::Produce),
    Consume(consume::Consume),
    Latency(latency::Latency),
    Fanout(fanout::Fanout),
    Partitions(partitions::Partitions),
    Connections(connections::Connections),
    Recovery(recovery::Recovery),
    All(all::All),
    Plot(plot::Plot),
}

const EXAMPLES: &str = "\
Examples:
  duramen bench limits                                   what disk, loopback and memory can do
  duramen bench produce --producers 4 --partitions 16    as fast as it is answered
  duramen bench produce --rate 50000 --for 60s           an open loop: latency from when each is due
  duramen bench produce --protocol kafka --server HOST:9092    any Kafka broker, by the same load
  duramen bench latency --json latency.json --hdr latency.hlog
  duramen bench all --json results.json                  every row of the table, in twenty minutes
  duramen bench plot latency.hlog partitions.json        as a picture, bench.svg

A run fails when the server dies, or when what was acknowledged and what is there do not add up.";

impl Bench {
    /// Measures.
    ///
    /// # Errors
    /// When there is no figure to be had, or none to be believed.
    pub(super) fn run(self) -> Result<(), Failure> {
        clear_when_interrupted()?;
        let out = &mut io::stdout().lock();
        self.command.run(out).map_err(|error| match error {
            BenchError::Usage(_) | BenchError::InMemory(_) => Failure::Usage(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        })
    }
}

impl Command {
    fn run(self, out: &mut dyn Write) -> Result<(), BenchError> {
        match self {
            Command::Limits(limits) => limits.run(out),
            Command::Produce(produce) => produce.run(out),
            Command::Consume(consume) => consume.run(out),
            Command::Latency(latency) => latency.run(out),
            Command::Fanout(fanout) => fanout.run(out),
            Command::Partitions(partitions) => partitions.run(out),
            Command::Connections(connections) => connections.run(out),
            Command::Recovery(recovery) => recovery.run(out),
            Command::All(all) => all.run(out),
            Command::Plot(plot) => plot.run(),
        }
    }
}

/// Leaves neither server nor folder behind when a signal ends the benchmark.
fn clear_when_interrupted() -> Result<(), Failure> {
    let refused = |error| Failure::Failed(format!("cannot listen for signals: {error}"));
    let mut stop = Stop::listen()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(refused)?;
    let clear = move || {
        runtime.block_on(stop.asked());
        bench::clear();
        eprintln!("duramen: interrupted; there are no figures");
        std::process::exit(1);
    };
    thread::Builder::new().name("interruption".into()).spawn(clear).map_err(refused)?;
    Ok(())
}
