//! Kafka's checkpoint files: an offset for each partition, as text.
//!
//! ```text
//! 0                  version
//! 2                  count
//! s-compacted 0 978  topic, partition, offset
//! s-txn 0 284
//! ```

use duramen_protocol::files::FormatError;

/// The offsets up to which logs have been synced.
pub(crate) const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";

/// A line of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionOffset<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: u32,
    pub(crate) offset: i64,
}

/// Reads a whole file.
///
/// # Errors
/// If the version is another, a line is no such line, or there are more or fewer than counted.
pub(crate) fn decode(text: &str) -> Result<Vec<PartitionOffset<'_>>, FormatError> {
    let mut lines = text.lines();
    let mut number = |line, what| {
        let parsed: Option<i64> = lines.next().and_then(|text| text.parse().ok());
        parsed.ok_or(FormatError::Line { line, what })
    };
    let found = number(1, "a version was expected")?;
    if found != 0 {
        return Err(FormatError::Version { found, known: 0 });
    }
    let count = number(2, "a count was expected")?;
    let what = "a topic, a partition and an offset were expected";
    let offsets = (3..)
        .zip(lines)
        .map(|(line, text)| parse(text).ok_or(FormatError::Line { line, what }))
        .collect::<Result<Vec<_>, _>>()?;
    if i64::try_from(offsets.len()) != Ok(count) {
        return Err(FormatError::Line { line: 2, what: "a count that is not that of the lines" });
    }
    Ok(offsets)
}

fn parse(line: &str) -> Option<PartitionOffset<'_>> {
    let mut words = line.split(' ');
    let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
    let line =
        PartitionOffset { topic, partition: partition.parse().ok()?, offset: offset.parse().ok()? };
    words.next().is_none().then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_kafka_writes_and_nothing_else() {
        let expected = PartitionOffset { topic: "s-txn", partition: 3, offset: 284 };
        assert_eq!(decode("0\n1\ns-txn 3 284\n"), Ok(vec![expected]));
        assert_eq!(decode("0\n0\n"), Ok(vec![]));
        for bad in [
            "",
            "1\n0\n",
            "0\n",
            "0\n1\n",
            "0\n0\ns-txn 3 284\n",
            "0\n1\ns-txn 3\n",
            "0\n1\na 1 2 3\n",
        ] {
            assert!(decode(bad).is_err(), "{bad:?}");
        }
    }
}
