//! `--group`: the positions that a named consumer goes on with.

use std::collections::BTreeMap;
use std::time::Duration;

use duramen_protocol::client::{Client, ClientError};
use duramen_protocol::native::messages::CommittedOffset;
use tokio::time::Instant;

/// How often positions are committed, at most.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// A named consumer of one topic.
pub(super) struct Group {
    client: Client,
    name: String,
    topic: String,
    /// The offsets to go on with, by partition.
    positions: BTreeMap<u32, i64>,
    /// Whether they have changed since they were committed.
    is_dirty: bool,
    /// The next commit's time.
    due: Instant,
}

impl Group {
    /// The group, with the positions that it had committed in this topic.
    ///
    /// # Errors
    /// When the server can't be asked, or the name is invalid.
    pub(super) async fn fetch(
        client: &Client,
        name: &str,
        topic: &str,
    ) -> Result<Group, ClientError> {
        let committed = client.fetch_offsets(name, None).await?;
        let positions = committed
            .into_iter()
            .filter(|committed| committed.topic == topic)
            .map(|committed| (committed.partition, committed.offset))
            .collect();
        Ok(Group {
            client: client.clone(),
            name: name.to_owned(),
            topic: topic.to_owned(),
            positions,
            is_dirty: false,
            due: Instant::now() + COMMIT_INTERVAL,
        })
    }

    /// The offsets to go on with, by partition.
    pub(super) fn positions(&self) -> &BTreeMap<u32, i64> {
        &self.positions
    }

    /// Goes on with `next` in a partition.
    pub(super) fn advance(&mut self, partition: u32, next: i64) {
        self.is_dirty |= self.positions.insert(partition, next) != Some(next);
    }

    /// Whether there is something to commit, and it is time.
    pub(super) fn is_due(&self) -> bool {
        self.is_dirty && Instant::now() >= self.due
    }

    /// Waits until there is something to commit and it is time; for ever where nothing changes.
    pub(super) async fn due(&self) {
        match self.is_dirty {
            true => tokio::time::sleep_until(self.due).await,
            false => std::future::pending().await,
        }
    }

    /// Commits the positions, if they have changed. They are durable then.
    ///
    /// # Errors
    /// When the server can't be asked, or refuses.
    pub(super) async fn commit(&mut self) -> Result<(), ClientError> {
        self.due = Instant::now() + COMMIT_INTERVAL;
        if !self.is_dirty {
            return Ok(());
        }
        let offset = |(&partition, &offset): (&u32, &i64)| CommittedOffset {
            topic: self.topic.clone(),
            partition,
            offset,
            metadata: String::new(),
        };
        let offsets = self.positions.iter().map(offset).collect();
        self.client.commit_offsets(&self.name, offsets).await?;
        self.is_dirty = false;
        Ok(())
    }
}
