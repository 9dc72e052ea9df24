//! Standard output, for what scripts read.

use std::io::{self, Write};

use super::Failure;

/// Prints, and makes sure that it is out.
///
/// # Errors
/// When it can't be written; a closed pipe is not an error of the command.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::of_output)
}
