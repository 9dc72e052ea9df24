//! The command line: what is asked, and who does it.
//!
//! Exit codes: 0 done, 1 it failed and said why on standard error, 2 wrong usage. What scripts read
//! goes to standard output alone.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A durable event log for one Linux machine.
#[derive(Debug, Parser)]
#[command(name = "duramen", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server.
    Serve(serve::Serve),
}

/// It can't be done, and why.
#[derive(Debug)]
pub enum Failure {
    /// What was asked makes no sense: exit code 2.
    Usage(String),
    /// It was tried: exit code 1.
    Failed(String),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(reason)) => {
            eprintln!("duramen: {reason}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(reason)) => {
            eprintln!("duramen: {reason}");
            ExitCode::from(2)
        }
    }
}
