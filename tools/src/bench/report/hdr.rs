//! Histograms as a file: the log of HdrHistogram's tools, version 1.3, times in nanoseconds.
//!
//! Each line is one histogram, compressed, with the name of what it is of as its tag.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::bench::error::{BenchError, Result, Tried};
use crate::bench::times::Times;

/// Nanoseconds in a millisecond: the log's column for people is in milliseconds.
const NS_A_MS: f64 = 1e6;

/// Histograms that will be a log.
#[derive(Debug, Default)]
pub(crate) struct HdrLog(Vec<(String, SystemTime, Times)>);

impl HdrLog {
    /// Adds a histogram.
    pub(crate) fn add(&mut self, tag: &str, times: &Times) {
        self.0.push((tag.replace([',', ' '], "-"), SystemTime::now(), times.clone()));
    }

    /// Writes the log.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let file = File::create(path).tried(|| format!("cannot write {}", path.display()))?;
        let mut out = BufWriter::new(file);
        let unwritten = |error: String| BenchError::System {
            what: format!("cannot write {}", path.display()),
            error: std::io::Error::other(error),
        };
        let mut serializer = V2DeflateSerializer::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(NS_A_MS).add_comment("times in nanoseconds");
        let mut log = builder
            .begin_log_with(&mut out, &mut serializer)
            .map_err(|error| unwritten(error.to_string()))?;
        for (tag, at, times) in &self.0 {
            let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            let written =
                log.write_histogram(times.histogram(), since, Duration::ZERO, Tag::new(tag));
            written.map_err(|error| unwritten(format!("{error:?}")))?;
        }
        out.flush().tried(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_line_for_each_histogram() {
        let mut times = Times::new();
        times.add(Duration::from_millis(3));
        let mut log = HdrLog::default();
        log.add("append1", &times);
        log.add("push, and more", &times);
        let file = tempfile::NamedTempFile::new().unwrap();
        log.write(file.path()).unwrap();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Tag=")).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("Tag=append1,") && lines[0].contains(",HIST"), "{text}");
        assert!(lines[1].starts_with("Tag=push--and-more,"), "{text}");
    }
}
