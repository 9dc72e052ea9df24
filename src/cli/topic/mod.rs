//! `duramen topic`: make, list, describe, alter and delete topics.

mod describe;

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use duramen_protocol::client::Client;
use duramen_protocol::native::messages::{
    AlterTopic, Config, ConfigChange, CreateTopic, ListedTopic,
};

use super::group::lag;
use super::json::line;
use super::remote::{Remote, block_on};
use super::{Failure, parse, stdout};

/// A server that has just been started may take a moment.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// Make, list, describe, alter and delete topics.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Topic {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    remote: Remote,

    /// Print JSON, one object a line.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a topic.
    Create(Create),
    /// List the topics, by name.
    List,
    /// Show a topic's partitions, the groups that read it, and its configuration.
    Describe {
        /// The topic.
        name: String,
    },
    /// Change a topic's configuration, or add partitions: all that is asked for, or nothing.
    Alter(Alter),
    /// Delete a topic and its records, for good.
    Delete {
        /// The topic.
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
struct Create {
    /// 1 to 249 letters, digits, `.`, `_` and `-`.
    name: String,

    /// How many partitions; what the server's num.partitions says without this.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    partitions: Option<u32>,

    /// A setting that differs from the default; `duramen config` lists them. May be repeated.
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = parse::pair)]
    configs: Vec<(String, String)>,

    /// A topic of that name is fine as it is.
    #[arg(long)]
    if_not_exists: bool,
}

#[derive(Debug, Args)]
#[command(after_help = ALTER_EXAMPLES)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
struct Alter {
    /// The topic.
    name: String,

    /// A setting to change; `duramen config` lists them. May be repeated.
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = parse::pair, group = "change")]
    configs: Vec<(String, String)>,

    /// A setting to put back to its default. May be repeated.
    #[arg(long, value_name = "NAME", group = "change")]
    unset: Vec<String>,

    /// How many partitions there shall be. Only more; keys then go to other partitions than before.
    #[arg(long, value_name = "N", group = "change", value_parser = clap::value_parser!(u32).range(1..))]
    partitions: Option<u32>,
}

const EXAMPLES: &str = "\
Examples:
  duramen topic create events --partitions 4
  duramen topic list
  duramen topic describe events
  duramen topic alter events --config retention.ms=86400000
  duramen topic delete events";

const CREATE_EXAMPLES: &str = "\
Examples:
  duramen topic create events
  duramen topic create events --partitions 4 --if-not-exists
  duramen topic create audit --config retention.ms=-1 --config segment.bytes=268435456";

const ALTER_EXAMPLES: &str = "\
Examples:
  duramen topic alter events --config retention.ms=86400000 --config retention.bytes=-1
  duramen topic alter events --unset retention.ms
  duramen topic alter events --partitions 8";

impl Topic {
    /// Does it.
    ///
    /// # Errors
    /// When the server can't be asked, or refuses.
    pub(super) fn run(self) -> Result<(), Failure> {
        let text = block_on(async {
            let client = self.remote.connect(RETRY_FOR).await?;
            self.command.ask(&client, self.json).await
        })?;
        stdout::print(&text)
    }
}

impl Command {
    /// What the server answers, in words or as JSON.
    async fn ask(self, client: &Client, json: bool) -> Result<String, Failure> {
        match self {
            Command::Create(create) => create.ask(client, json).await,
            Command::List => Ok(list(&client.list_topics().await?, json)),
            Command::Describe { name } => {
                let topic = client.describe_topic(&name).await?;
                let no_sync = client.stats().await?.no_sync;
                let readers = lag::of_topic(client, &name).await?;
                Ok(match json {
                    true => describe::json(&name, &topic, &readers, no_sync),
                    false => describe::text(&name, &topic, &readers, no_sync),
                })
            }
            Command::Alter(alter) => alter.ask(client, json).await,
            Command::Delete { name } => {
                client.delete_topic(&name).await?;
                Ok(match json {
                    true => line(|line| {
                        line.text("name", &name).plain("deleted", true);
                    }),
                    false => format!("deleted topic {name}\n"),
                })
            }
        }
    }
}

impl Create {
    async fn ask(self, client: &Client, json: bool) -> Result<String, Failure> {
        let config = |(name, value)| Config { name, value };
        let topic = CreateTopic {
            name: self.name.clone(),
            partitions: self.partitions.unwrap_or(0),
            if_not_exists: self.if_not_exists,
            configs: self.configs.into_iter().map(config).collect(),
        };
        let answer = client.create_topic(topic).await?;
        let (name, partitions) = (self.name, answer.partitions);
        Ok(match (json, answer.created) {
            (true, created) => line(|line| {
                line.text("name", &name)
                    .text("topic_id", &answer.topic_id.to_string())
                    .plain("partitions", partitions)
                    .plain("created", created);
            }),
            (false, true) => format!("created topic {name}, {}\n", counted(partitions)),
            (false, false) => {
                format!("topic {name} was there before, {}\n", counted(partitions))
            }
        })
    }
}

impl Alter {
    async fn ask(self, client: &Client, json: bool) -> Result<String, Failure> {
        let set = |(name, value)| ConfigChange { name, value: Some(value) };
        let unset = |name| ConfigChange { name, value: None };
        let change = AlterTopic {
            name: self.name.clone(),
            set: self
                .configs
                .into_iter()
                .map(set)
                .chain(self.unset.into_iter().map(unset))
                .collect(),
            partitions: self.partitions.unwrap_or(0),
        };
        client.alter_topic(change).await?;
        Ok(match json {
            true => line(|line| {
                line.text("name", &self.name).plain("altered", true);
            }),
            false => format!("altered topic {}\n", self.name),
        })
    }
}

/// All topics; a name and its partitions a line.
fn list(topics: &[ListedTopic], json: bool) -> String {
    let width = topics.iter().map(|topic| topic.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for topic in topics {
        let ListedTopic { name, partitions, internal, .. } = topic;
        text += &match (json, internal) {
            (true, _) => line(|line| {
                line.text("name", name)
                    .text("topic_id", &topic.topic_id.to_string())
                    .plain("partitions", partitions)
                    .plain("internal", internal);
            }),
            (false, true) => format!("{name:width$}  {}, internal\n", counted(*partitions)),
            (false, false) => format!("{name:width$}  {}\n", counted(*partitions)),
        };
    }
    text
}

fn counted(partitions: u32) -> String {
    match partitions {
        1 => "1 partition".to_owned(),
        _ => format!("{partitions} partitions"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_for_people_and_for_programs() {
        let topic = |name: &str, partitions, internal| ListedTopic {
            name: name.into(),
            partitions,
            internal,
            ..ListedTopic::default()
        };
        let topics = [topic("a", 1, false), topic("events", 12, true)];
        assert_eq!(list(&topics, false), "a       1 partition\nevents  12 partitions, internal\n");
        let json = list(&topics, true);
        let lines: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[1]["name"], &lines[1]["partitions"]), (&"events".into(), &12.into()));
        assert_eq!(list(&[], false), "");
    }
}
