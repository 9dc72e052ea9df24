//! Where everything lies in a data directory.
//!
//! ```text
//! DATA/
//!   <topic>-<partition>/            a partition, in Kafka's layout
//!   .duramen/
//!     lock                          held while a server runs
//!     catalog                       topics, and the session that counts
//!     session-<start epoch>/
//!       core-<n>/
//!         checkpoint-0 checkpoint-1
//!         journal-<number>
//!     aside/                        folders that were not ours to adopt
//!     trash/                        on its way out
//! ```

use std::path::{Path, PathBuf};

use duramen_protocol::TopicId;

/// The folder of what is Duramen's alone.
pub const OWN_FOLDER: &str = ".duramen";
/// Longest topic name, as in Kafka: the folder's name still fits with the partition behind it.
pub const TOPIC_NAME_MAX: usize = 249;

/// The paths of a data directory.
#[derive(Clone, Debug)]
pub struct Layout {
    data: PathBuf,
}

impl Layout {
    /// The layout of the data directory `data`.
    pub fn new(data: impl Into<PathBuf>) -> Layout {
        Layout { data: data.into() }
    }

    /// The data directory itself.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// `.duramen`.
    pub fn own(&self) -> PathBuf {
        self.data.join(OWN_FOLDER)
    }

    pub fn lock(&self) -> PathBuf {
        self.own().join("lock")
    }

    pub fn catalog(&self) -> PathBuf {
        self.own().join("catalog")
    }

    /// Where the next catalog is written before it takes the name.
    pub fn catalog_next(&self) -> PathBuf {
        self.own().join("catalog.next")
    }

    pub fn aside(&self) -> PathBuf {
        self.own().join("aside")
    }

    pub fn trash(&self) -> PathBuf {
        self.own().join("trash")
    }

    pub fn session(&self, start_epoch: u32) -> PathBuf {
        self.own().join(format!("session-{start_epoch}"))
    }

    pub fn core(&self, start_epoch: u32, core: u32) -> PathBuf {
        self.session(start_epoch).join(format!("core-{core}"))
    }

    pub fn partition(&self, topic: &str, partition: u32) -> PathBuf {
        self.data.join(format!("{topic}-{partition}"))
    }

    /// Where a deleted partition's folder goes until it is gone.
    pub fn trashed_partition(&self, topic_id: TopicId, partition: u32) -> PathBuf {
        self.trash().join(format!("{topic_id}-{partition}"))
    }
}

/// One of a core's two checkpoint files.
pub fn checkpoint(core_folder: &Path, slot: u64) -> PathBuf {
    core_folder.join(format!("checkpoint-{}", slot % 2))
}

/// A core's journal file.
pub fn journal(core_folder: &Path, number: u64) -> PathBuf {
    core_folder.join(format!("journal-{number}"))
}

/// The number of a journal file, by its name.
pub fn journal_number(name: &str) -> Option<u64> {
    name.strip_prefix("journal-")?.parse().ok()
}

/// Checks a topic's name by Kafka's rules: 1 to 249 of `a-z A-Z 0-9 . _ -`, not `.` or `..`.
///
/// # Errors
/// With what is wrong.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        return Err("a topic's name can't be empty".into());
    }
    if name == "." || name == ".." {
        return Err(format!("a topic can't be named {name:?}"));
    }
    if name.len() > TOPIC_NAME_MAX {
        return Err(format!(
            "the topic's name has {} characters, {TOPIC_NAME_MAX} are allowed",
            name.len()
        ));
    }
    match name.chars().find(|c| !legal(*c)) {
        Some(c) => Err(format!(
            "the topic's name has {c:?} in it; letters, digits, `.`, `_` and `-` are allowed"
        )),
        None => Ok(()),
    }
}

/// Splits a partition folder's name into topic and partition.
pub fn parse_partition(folder: &str) -> Option<(&str, u32)> {
    let (topic, partition) = folder.rsplit_once('-')?;
    let number: u32 = partition.parse().ok()?;
    let canonical = number.to_string() == partition;
    (canonical && check_topic_name(topic).is_ok()).then_some((topic, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_kafkas_rules() {
        for good in ["a", "A.b_c-9", &"x".repeat(249), "...", "__consumer_offsets"] {
            assert_eq!(check_topic_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
            assert!(check_topic_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn partition_folders_round_trip() {
        let layout = Layout::new("/data");
        assert_eq!(layout.partition("a-b-1", 7), Path::new("/data/a-b-1-7"));
        assert_eq!(parse_partition("a-b-1-7"), Some(("a-b-1", 7)));
        for other in [".duramen", "a", "a-", "a-x", "a-01", "-1", "a-99999999999"] {
            assert_eq!(parse_partition(other), None, "{other}");
        }
        assert_eq!(journal_number("journal-12"), Some(12));
    }
}
