//! `group reset-offsets`: moves a group's offsets, while nobody is in it.

use clap::{ArgGroup, Args};
use duramen_protocol::client::Client;
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::native::messages::{
    CommittedOffset, DescribeGroupAnswer, GroupOffset, OffsetQuery,
};

use crate::cli::json::line;
use crate::cli::{Failure, table};

/// Move a group's offsets. Refused while the group has members.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[command(group = ArgGroup::new("to").required(true))]
pub(super) struct ResetOffsets {
    /// The group; one that is not there yet is made, with --topic.
    name: String,

    /// In this topic alone, and in all its partitions; without this, wherever the group has offsets.
    #[arg(long)]
    topic: Option<String>,

    /// In this partition of the topic alone.
    #[arg(long, value_name = "P", requires = "topic")]
    partition: Option<u32>,

    /// To the first record there is.
    #[arg(long, group = "to")]
    to_earliest: bool,

    /// To the durable end.
    #[arg(long, group = "to")]
    to_latest: bool,

    /// To this offset, or as near as there are records.
    #[arg(long, value_name = "OFFSET", group = "to")]
    to_offset: Option<i64>,

    /// To the first record of this time or later, in ms since 1970; to the end if there is none.
    #[arg(long, value_name = "UNIX_MS", group = "to", allow_negative_numbers = true)]
    to_timestamp: Option<i64>,

    /// By so many records, forward or, with a minus, back; no further than there are records.
    #[arg(long, value_name = "N", group = "to", allow_negative_numbers = true)]
    by_shift: Option<i64>,

    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

const EXAMPLES: &str = "\
Examples:
  duramen group reset-offsets readers --to-earliest --dry-run
  duramen group reset-offsets readers --topic events --to-timestamp 1700000000000
  duramen group reset-offsets readers --topic events --partition 2 --by-shift -100";

/// One partition's offset, before and after.
#[derive(Clone, Debug)]
struct Move {
    /// None where the group had no offset.
    before: Option<i64>,
    at: GroupOffset,
    after: i64,
}

impl ResetOffsets {
    /// Does it, and says what it did.
    pub(super) async fn ask(self, client: &Client, json: bool) -> Result<String, Failure> {
        let group = self.describe(client).await?;
        if !group.members.is_empty() || !matches!(group.state.as_str(), "Empty" | "") {
            let (name, state) = (&self.name, &group.state);
            return Err(Failure::Failed(format!(
                "the group {name} has members ({state}): stop them first, their offsets would be \
                 moved under them"
            )));
        }
        let mut moves = Vec::new();
        for (before, at) in self.places(client, group.offsets).await? {
            let after = self.target(client, before, &at).await?;
            moves.push(Move { before, at, after });
        }
        if moves.is_empty() {
            let name = &self.name;
            let message = format!("the group {name} has no offsets: name a topic with --topic");
            return Err(Failure::Failed(message));
        }
        if !self.dry_run {
            // Members that have come meanwhile make the server refuse.
            client.commit_offsets(&self.name, moves.iter().map(committed).collect()).await?;
        }
        Ok(if json { self.json(&moves) } else { self.text(&moves) })
    }

    /// The group; an empty one if it is not there and a topic is named.
    async fn describe(&self, client: &Client) -> Result<DescribeGroupAnswer, Failure> {
        use duramen_protocol::client::ClientError::Server;
        match client.describe_group(&self.name).await {
            Err(Server(answer))
                if answer.code == ErrorCode::GROUP_ID_NOT_FOUND && self.topic.is_some() =>
            {
                Ok(DescribeGroupAnswer::default())
            }
            answer => Ok(answer?),
        }
    }

    /// Which partitions are meant, each with the group's offset there.
    async fn places(
        &self,
        client: &Client,
        offsets: Vec<GroupOffset>,
    ) -> Result<Vec<(Option<i64>, GroupOffset)>, Failure> {
        let Some(topic) = &self.topic else {
            return Ok(offsets.into_iter().map(|at| (Some(at.offset), at)).collect());
        };
        let described = client.describe_topic(topic).await?;
        let count = described.partitions.len();
        if let Some(partition) = self.partition.filter(|&partition| partition as usize >= count) {
            let message = format!("the topic {topic} has {count} partitions, not {partition}");
            return Err(Failure::Failed(message));
        }
        let mut places = Vec::new();
        for (partition, known) in (0..).zip(described.partitions) {
            if self.partition.is_some_and(|wanted| wanted != partition) {
                continue;
            }
            let before = offsets.iter().find(|o| &o.topic == topic && o.partition == partition);
            let at = GroupOffset {
                topic: topic.clone(),
                partition,
                log_start: known.log_start,
                durable_end: known.durable_end,
                ..before.cloned().unwrap_or_default()
            };
            places.push((before.map(|offset| offset.offset), at));
        }
        Ok(places)
    }

    /// The offset to move to, within what can be read.
    async fn target(
        &self,
        client: &Client,
        before: Option<i64>,
        at: &GroupOffset,
    ) -> Result<i64, Failure> {
        let wanted = if let Some(timestamp_ms) = self.to_timestamp {
            let query = OffsetQuery::Timestamp(timestamp_ms);
            let found = client.find_offset(&at.topic, at.partition, query).await?.offset;
            if found < 0 { at.durable_end } else { found }
        } else if let Some(shift) = self.by_shift {
            let from = before.ok_or_else(|| {
                let (topic, partition) = (&at.topic, at.partition);
                let reason = "the group has no offset to shift: use --to-earliest or another";
                Failure::Failed(format!("{topic}-{partition}: {reason}"))
            })?;
            from.saturating_add(shift)
        } else if self.to_latest {
            at.durable_end
        } else {
            self.to_offset.unwrap_or(at.log_start)
        };
        Ok(wanted.clamp(at.log_start, at.durable_end))
    }

    fn text(&self, moves: &[Move]) -> String {
        let mut text = match self.dry_run {
            true => "nothing was changed: this is what would be\n".to_owned(),
            false => format!("moved the offsets of group {}\n", self.name),
        };
        let row = |change: &Move| {
            let before = change.before.map_or("-".to_owned(), |offset| offset.to_string());
            let GroupOffset { topic, partition, .. } = &change.at;
            [topic.clone(), partition.to_string(), before, change.after.to_string()]
        };
        let rows: Vec<[String; 4]> = moves.iter().map(row).collect();
        table::push(&mut text, ["topic", "partition", "before", "after"], &rows);
        text
    }

    fn json(&self, moves: &[Move]) -> String {
        let one = |change: &Move| {
            line(|line| {
                line.text("group", &self.name)
                    .text("topic", &change.at.topic)
                    .plain("partition", change.at.partition);
                match change.before {
                    Some(before) => line.plain("before", before),
                    None => line.bytes("before", None),
                };
                line.plain("after", change.after).plain("dry_run", self.dry_run);
            })
        };
        moves.iter().map(one).collect()
    }
}

fn committed(change: &Move) -> CommittedOffset {
    CommittedOffset {
        topic: change.at.topic.clone(),
        partition: change.at.partition,
        offset: change.after,
        metadata: change.at.metadata.clone(),
    }
}
