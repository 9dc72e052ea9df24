//! What a line becomes: the record's key, value and partition.

use bytes::{Buf, Bytes};
use duramen_protocol::client::OutRecord;

use crate::cli::parse::escape;

/// How lines become records.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) partition: Option<u32>,
    /// Every record's.
    pub(super) key: Option<Bytes>,
    /// What stands between each line's key and value.
    pub(super) separator: Option<Bytes>,
}

impl Shape {
    /// The record of a line.
    ///
    /// # Errors
    /// When there should be a key and is none.
    pub(super) fn record(&self, mut line: Bytes) -> Result<OutRecord, String> {
        let mut key = self.key.clone();
        if let Some(separator) = &self.separator {
            let Some(at) = line.windows(separator.len()).position(|part| part == separator) else {
                return Err("the separator of key and value is not in it".to_owned());
            };
            key = Some(line.split_to(at));
            line.advance(separator.len());
        }
        Ok(OutRecord { key, value: Some(line), partition: self.partition, ..OutRecord::default() })
    }
}

/// A separator: text, with `\t` and the like.
///
/// # Errors
/// When it is empty, or a `\` stands for nothing.
pub(super) fn separator(text: &str) -> Result<Bytes, String> {
    let mut chars = text.chars();
    let mut out = String::new();
    while let Some(char) = chars.next() {
        out.push(if char == '\\' { escape(chars.next())? } else { char });
    }
    match out.is_empty() {
        true => Err("an empty separator is in every line, everywhere".into()),
        false => Ok(out.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_the_first_separator() {
        let separator = Some(separator("\\t:").unwrap());
        let shape = Shape { separator, ..Shape::default() };
        let record = |line: &'static str| shape.record(line.into());
        assert_eq!(record("k\t:v\t:w"), Ok(OutRecord::new("v\t:w").with_key("k")));
        assert_eq!(record("\t:"), Ok(OutRecord::new("").with_key("")));
        assert!(record("k:v").is_err() && record("").is_err());
    }

    #[test]
    fn one_key_and_partition_for_all() {
        let shape = Shape { key: Some("k".into()), partition: Some(3), ..Shape::default() };
        let expected = OutRecord::new("a:b").with_key("k").with_partition(3);
        assert_eq!(shape.record("a:b".into()), Ok(expected));
    }

    #[test]
    fn separators() {
        assert_eq!(separator("::"), Ok("::".into()));
        assert_eq!(separator("\\\\"), Ok("\\".into()));
        assert!(separator("").is_err() && separator("\\").is_err() && separator("\\x").is_err());
    }
}
