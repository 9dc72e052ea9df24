//! The names of partitions' folders, `<topic>-<partition>`, and what a topic may be called.

/// The longest name of a topic, in bytes: with partition and suffixes a folder's name stays within
/// the 255 bytes of a file system.
pub const MAX_TOPIC_NAME_BYTES: usize = 249;

/// Why a text can't be a topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTopicName {
    /// Nothing at all.
    #[error("a topic's name can't be empty")]
    Empty,
    /// Over [`MAX_TOPIC_NAME_BYTES`].
    #[error("a topic's name has at most {MAX_TOPIC_NAME_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// `.` or `..`, which mean something else in a path.
    #[error("a topic can't be called \".\" or \"..\"")]
    Dots,
    /// A character outside of `a-z A-Z 0-9 . _ -`.
    #[error("a topic's name consists of a-z, A-Z, 0-9, '.', '_' and '-', this one has {0:?}")]
    Character(char),
}

/// Checks what Kafka allows as a topic's name; it is part of a path.
///
/// # Errors
/// With what is wrong.
pub fn check_topic_name(name: &str) -> Result<(), InvalidTopicName> {
    match name {
        "" => return Err(InvalidTopicName::Empty),
        "." | ".." => return Err(InvalidTopicName::Dots),
        _ if name.len() > MAX_TOPIC_NAME_BYTES => {
            return Err(InvalidTopicName::TooLong(name.len()));
        }
        _ => {}
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.chars().find(|&c| !allowed(c)).map_or(Ok(()), |c| Err(InvalidTopicName::Character(c)))
}

/// The name of a partition's folder.
pub fn folder_name(topic: &str, partition: u32) -> String {
    format!("{topic}-{partition}")
}

/// The topic and partition that a folder's name stands for. `None` for everything else, folders
/// that Kafka marked `-delete`, `-future` or `-stray` included.
pub fn parse_folder_name(name: &str) -> Option<(&str, u32)> {
    let (topic, digits) = name.rsplit_once('-')?;
    let partition: u32 = digits.parse().ok()?;
    // One spelling only, no "+1" or "01"; and Kafka's partitions are positive i32.
    let canonical = i32::try_from(partition).is_ok() && partition.to_string() == digits;
    (canonical && check_topic_name(topic).is_ok()).then_some((topic, partition))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_round_trip() {
        for (topic, partition) in
            [("t", 0), ("with-dash-3", 12), ("__consumer_offsets", i32::MAX as u32)]
        {
            assert_eq!(parse_folder_name(&folder_name(topic, partition)), Some((topic, partition)));
        }
    }

    #[test]
    fn other_folders_are_no_partitions() {
        for name in [
            "",
            "t",
            "-0",
            "t-",
            "t-x",
            "t-01",
            "t-+1",
            "t-2147483648",
            "..-0",
            ".duramen",
            "a b-0",
            "t-0.abc-delete",
        ] {
            assert_eq!(parse_folder_name(name), None, "{name}");
        }
    }

    #[test]
    fn topic_names() {
        assert_eq!(check_topic_name("Logs_1.x-y"), Ok(()));
        assert_eq!(check_topic_name(&"a".repeat(249)), Ok(()));
        assert_eq!(check_topic_name(&"a".repeat(250)), Err(InvalidTopicName::TooLong(250)));
        assert_eq!(check_topic_name(""), Err(InvalidTopicName::Empty));
        assert_eq!(check_topic_name(".."), Err(InvalidTopicName::Dots));
        assert_eq!(check_topic_name("a/b"), Err(InvalidTopicName::Character('/')));
    }
}
