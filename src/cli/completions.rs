//! `duramen completions`: scripts that complete commands and flags.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure, stdout};

/// Print a script that completes commands and flags in a shell.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(duramen completions bash)                  in this shell
  duramen completions bash > ~/.local/share/bash-completion/completions/duramen
  duramen completions zsh > ~/.zfunc/_duramen         with ~/.zfunc in your fpath
  duramen completions fish > ~/.config/fish/completions/duramen.fish";

impl Completions {
    /// Prints the script.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "duramen", &mut script);
        stdout::print(&String::from_utf8_lossy(&script))
    }
}
