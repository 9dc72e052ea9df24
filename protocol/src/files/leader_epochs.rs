//! `leader-epoch-checkpoint`: at which offset each leader epoch of the partition starts.
//!
//! ```text
//! 0              version
//! 2              count
//! 0 0            epoch, start offset
//! 3 1250
//! ```

use std::fmt::Write;

use super::FormatError;

/// The file's name, in a partition's folder.
pub const FILE_NAME: &str = "leader-epoch-checkpoint";
const VERSION: i64 = 0;

/// A leader epoch and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: i32,
    /// The offset of the first batch that carries it.
    pub start_offset: i64,
}

/// The text of a file with these epochs.
pub fn encode(epochs: &[EpochStart]) -> String {
    let mut text = format!("{VERSION}\n{}\n", epochs.len());
    for EpochStart { epoch, start_offset } in epochs {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{epoch} {start_offset}");
    }
    text
}

/// Reads a whole file.
///
/// # Errors
/// If a line is no such line, there are more or fewer than counted, or epochs do not rise.
pub fn decode(text: &str) -> Result<Vec<EpochStart>, FormatError> {
    let mut lines = text.lines();
    let found: i64 = number(lines.next(), 1, "a version was expected")?;
    if found != VERSION {
        return Err(FormatError::Version { found, known: VERSION });
    }
    let count: usize = number(lines.next(), 2, "a count was expected")?;
    let mut epochs: Vec<EpochStart> = Vec::new();
    for (line, text) in (3..).zip(lines) {
        let wrong = |what| FormatError::Line { line, what };
        let entry =
            parse(text).ok_or_else(|| wrong("an epoch and its start offset were expected"))?;
        if let Some(last) = epochs.last()
            && (entry.epoch <= last.epoch || entry.start_offset < last.start_offset)
        {
            return Err(wrong("epochs and their start offsets must rise"));
        }
        epochs.push(entry);
    }
    if epochs.len() != count {
        return Err(FormatError::Line { line: 2, what: "a count that is not that of the lines" });
    }
    Ok(epochs)
}

fn parse(line: &str) -> Option<EpochStart> {
    let (epoch, start_offset) = line.split_once(' ')?;
    Some(EpochStart { epoch: epoch.parse().ok()?, start_offset: start_offset.parse().ok()? })
}

fn number<T: std::str::FromStr>(
    text: Option<&str>,
    line: usize,
    what: &'static str,
) -> Result<T, FormatError> {
    text.and_then(|text| text.parse().ok()).ok_or(FormatError::Line { line, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip() {
        let epochs =
            [(0, 0), (3, 1250)].map(|(epoch, start_offset)| EpochStart { epoch, start_offset });
        assert_eq!(encode(&epochs), "0\n2\n0 0\n3 1250\n");
        assert_eq!(decode(&encode(&epochs)), Ok(epochs.to_vec()));
        assert_eq!(decode(&encode(&[])), Ok(vec![]));
    }

    #[test]
    fn other_text_is_an_error_with_its_line() {
        let line = |text| match decode(text) {
            Err(FormatError::Line { line, .. }) => line,
            other => panic!("{text:?}: {other:?}"),
        };
        assert_eq!(line(""), 1);
        assert_eq!(line("0\n"), 2);
        assert_eq!(line("0\n2\n0 0\n"), 2);
        assert_eq!(line("0\n1\n0\n"), 3);
        assert_eq!(line("0\n2\n1 5\n1 6\n"), 4);
        assert_eq!(line("0\n2\n1 5\n2 4\n"), 4);
        assert_eq!(decode("7\n0\n"), Err(FormatError::Version { found: 7, known: 0 }));
    }
}
