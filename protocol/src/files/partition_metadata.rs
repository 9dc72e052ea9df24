//! `partition.metadata`: whose partition a folder holds.
//!
//! ```text
//! version: 0
//! topic_id: zDLUTx7HTx65N9b2bX2nCA
//! ```
//!
//! Kafka ends neither the file nor its last line with a line feed.

use super::FormatError;
use super::topic_id::TopicId;

/// The file's name, in a partition's folder.
pub const FILE_NAME: &str = "partition.metadata";
const VERSION: i64 = 0;

/// The text of the file of a topic's partition.
pub fn encode(topic_id: TopicId) -> String {
    format!("version: {VERSION}\ntopic_id: {topic_id}")
}

/// Reads a whole file.
///
/// # Errors
/// If a line is missing or no such line.
pub fn decode(text: &str) -> Result<TopicId, FormatError> {
    let mut lines = text.lines();
    let mut value = |line, key: &str, what| {
        let text = lines.next().and_then(|text| text.strip_prefix(key));
        text.map(str::trim).ok_or(FormatError::Line { line, what })
    };
    let version = value(1, "version:", "\"version:\" was expected")?;
    let topic_id = value(2, "topic_id:", "\"topic_id:\" was expected")?;
    let found = version
        .parse()
        .map_err(|_| FormatError::Line { line: 1, what: "a version was expected" })?;
    if found != VERSION {
        return Err(FormatError::Version { found, known: VERSION });
    }
    topic_id.parse().map_err(|_| FormatError::Line { line: 2, what: "a topic id was expected" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_round_trip() {
        let id = TopicId(*b"0123456789abcdef");
        assert_eq!(encode(id), "version: 0\ntopic_id: MDEyMzQ1Njc4OWFiY2RlZg");
        assert_eq!(decode(&encode(id)), Ok(id));
        assert_eq!(decode(&(encode(id) + "\n")), Ok(id));
    }

    #[test]
    fn other_text_is_an_error() {
        assert!(matches!(decode(""), Err(FormatError::Line { line: 1, .. })));
        assert!(matches!(decode("version: 0\n"), Err(FormatError::Line { line: 2, .. })));
        assert!(matches!(
            decode("version: 0\ntopic_id: x"),
            Err(FormatError::Line { line: 2, .. })
        ));
        let newer = "version: 1\ntopic_id: MDEyMzQ1Njc4OWFiY2RlZg";
        assert_eq!(decode(newer), Err(FormatError::Version { found: 1, known: 0 }));
    }
}
