//! `duramen group`: list, describe and delete consumer groups, and move their offsets.
//!
//! A group is a name with offsets, whoever committed them: members by Kafka's protocol, or
//! `duramen consume --group`.

mod describe;
pub(super) mod lag;
mod reset;

use std::time::Duration;

use clap::{Args, Subcommand};
use duramen_protocol::client::Client;
use duramen_protocol::native::messages::ListedGroup;

use super::json::line;
use super::remote::{Remote, block_on};
use super::{Failure, stdout, table};

/// A server that has just been started may take a moment.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// List, describe and delete consumer groups, and move their offsets.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Group {
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
    /// List the groups, by name.
    List,
    /// Show a group's members and offsets, and how far behind they are.
    Describe {
        /// The group.
        name: String,
    },
    /// Delete a group without members, and its offsets.
    Delete {
        /// The group.
        name: String,
    },
    ResetOffsets(reset::ResetOffsets),
}

const EXAMPLES: &str = "\
Examples:
  duramen group list
  duramen group describe readers
  duramen group reset-offsets readers --to-earliest --dry-run
  duramen group delete readers";

impl Group {
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
            Command::List => Ok(list(&client.list_groups().await?, json)),
            Command::Describe { name } => {
                let group = client.describe_group(&name).await?;
                Ok(match json {
                    true => describe::json(&name, &group),
                    false => describe::text(&name, &group),
                })
            }
            Command::Delete { name } => {
                client.delete_group(&name).await?;
                Ok(match json {
                    true => line(|line| {
                        line.text("group", &name).plain("deleted", true);
                    }),
                    false => format!("deleted group {name}\n"),
                })
            }
            Command::ResetOffsets(reset) => reset.ask(client, json).await,
        }
    }
}

fn list(groups: &[ListedGroup], json: bool) -> String {
    if json {
        let row = |group: &ListedGroup| {
            line(|line| {
                line.text("group", &group.group)
                    .text("state", &group.state)
                    .text("protocol_type", &group.protocol_type);
            })
        };
        return groups.iter().map(row).collect();
    }
    let row = |group: &ListedGroup| [group.group.clone(), group.state.clone()];
    let rows: Vec<[String; 2]> = groups.iter().map(row).collect();
    let mut text = String::new();
    if !rows.is_empty() {
        table::push(&mut text, ["group", "state"], &rows);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_for_people_and_for_programs() {
        let group = |group: &str, state: &str| ListedGroup {
            group: group.into(),
            state: state.into(),
            protocol_type: "consumer".into(),
        };
        let groups = [group("a", "Empty"), group("readers", "Stable")];
        assert_eq!(list(&groups, false), "group    state\na        Empty\nreaders  Stable\n");
        let lines = list(&groups, true);
        let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!((&last["group"], &last["state"]), (&"readers".into(), &"Stable".into()));
        assert_eq!(list(&[], false), "");
    }
}
