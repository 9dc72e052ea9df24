//! A bar on standard error while a file or a pipe is produced.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::input::Input;
use super::tally::Tally;

/// Bytes acknowledged of bytes to do; nothing where nobody looks, or where somebody types.
pub(super) struct Progress {
    bar: ProgressBar,
    is_shown: bool,
}

impl Progress {
    /// A bar for an input.
    pub(super) fn new(input: &Input) -> Progress {
        let is_shown = io::stderr().is_terminal() && !input.is_terminal;
        let target = match is_shown {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let template = match input.len {
            Some(_) => {
                "{wide_bar} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left{msg}"
            }
            None => "{spinner} {bytes}, {binary_bytes_per_sec}{msg}",
        };
        let bar = ProgressBar::with_draw_target(input.len, target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if is_shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress { bar, is_shown }
    }

    /// So far has it come.
    pub(super) fn show(&self, tally: &Tally) {
        if self.is_shown {
            self.bar.set_position(tally.bytes);
        }
    }

    /// Takes the bar away, and says what was done.
    pub(super) fn finish(&self, tally: &Tally) {
        self.bar.finish_and_clear();
        if self.is_shown {
            eprintln!("duramen: {} records", tally.delivered);
        }
    }
}
