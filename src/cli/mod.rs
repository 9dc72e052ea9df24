//! The command line: what is asked, and who does it.
//!
//! Exit codes: 0 done, 1 it failed and said why on standard error, 2 wrong usage; `dump` and
//! `verify` have their own. What scripts read goes to standard output alone.
//!
//! Each command is a file, or a folder where it has parts, with its flags as a structure that
//! `run`s. What they share: [`Failure`] is why a command ends early, `remote` is the way to a
//! server, `stdout` writes without panicking at a closed pipe, `stop` hears signals, and `parse`
//! reads values that several commands take.

mod bench;
mod completions;
mod config;
mod consume;
mod dump;
mod failure;
mod group;
mod json;
mod parse;
mod produce;
mod recover;
mod remote;
mod serve;
mod stdout;
mod stop;
mod table;
mod topic;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::Failure;

/// A durable event log for one Linux machine.
#[derive(Debug, Parser)]
#[command(name = "duramen", version, about, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// What a command does says its structure.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    Topic(topic::Topic),
    Group(group::Group),
    Produce(produce::Produce),
    Consume(consume::Consume),
    Dump(dump::Dump),
    Verify(verify::Verify),
    Bench(bench::Bench),
    Config(config::Config),
    Recover(recover::Recover),
    Completions(completions::Completions),
}

const EXAMPLES: &str = "\
Examples:
  duramen serve                                   run a server, its data in ./duramen-data
  duramen topic create events --partitions 4      make a topic on it
  echo hello | duramen produce events             append a record; it is durable when this returns
  duramen consume events --from beginning         read it, and wait for more
  duramen verify duramen-data                     check every byte on disk, server or no server
  duramen bench produce                           measure it, beside what this machine can do

Each command has its own --help, with examples. Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// Does what the command line says.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Topic(topic) => topic.run(),
        Command::Group(group) => group.run(),
        Command::Produce(produce) => produce.run(),
        Command::Consume(consume) => consume.run(),
        Command::Dump(dump) => dump.run(),
        Command::Verify(verify) => verify.run(),
        Command::Bench(bench) => bench.run(),
        Command::Config(config) => config.run(),
        Command::Recover(recover) => recover.run(),
        Command::Completions(completions) => completions.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
