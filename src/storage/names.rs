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
use duramen_protocol::files::partition_folder;

pub use crate::config::topic_name::{TOPIC_NAME_MAX, check_topic_name};

/// The folder of what is Duramen's alone.
pub const OWN_FOLDER: &str = ".duramen";

/// Behind the name of a file that is to replace another, as Kafka has it.
pub const BESIDE_SUFFIX: &str = ".tmp";

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
        self.data.join(partition_folder::folder_name(topic, partition))
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

/// Where a file is written before it takes its place.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(BESIDE_SUFFIX);
    name.into()
}

/// The number of a journal file, by its name.
pub fn journal_number(name: &str) -> Option<u64> {
    name.strip_prefix("journal-")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_partitions_and_journals() {
        let layout = Layout::new("/data");
        assert_eq!(layout.partition("a-b-1", 7), Path::new("/data/a-b-1-7"));
        assert_eq!(journal_number("journal-12"), Some(12));
    }
}
