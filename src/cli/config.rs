//! `duramen config`: the tables of knobs, a server's and a topic's.

use clap::Args;

use super::json::Line;
use super::{Failure, stdout};
use crate::config::{server, topic};

/// Print what can be set, for servers and for topics.
///
/// Each setting with its default, what it means, and which values it takes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Config {
    /// One JSON object a line: scope, name, default, help, wanted.
    #[arg(long, conflicts_with = "toml")]
    json: bool,

    /// A file for `duramen serve --config`, with every setting commented out.
    #[arg(long)]
    toml: bool,
}

const EXAMPLES: &str = "\
Examples:
  duramen config
  duramen config --toml > duramen.toml && duramen serve --config duramen.toml
  duramen topic alter events --config retention.ms=86400000";

/// A knob, whosoever it is.
struct Row {
    scope: &'static str,
    name: &'static str,
    default: &'static str,
    help: &'static str,
    wanted: String,
}

impl Config {
    /// Prints the tables.
    ///
    /// # Errors
    /// When they can't be written.
    pub(super) fn run(self) -> Result<(), Failure> {
        stdout::print(&match (self.json, self.toml) {
            (true, _) => json(),
            (_, true) => toml(),
            _ => text(),
        })
    }
}

fn server_rows() -> impl Iterator<Item = Row> {
    server::KNOBS.iter().map(|knob| Row {
        scope: "server",
        name: knob.name,
        default: knob.default,
        help: knob.help,
        wanted: knob.wanted(),
    })
}

fn topic_rows() -> impl Iterator<Item = Row> {
    topic::KNOBS.iter().map(|knob| Row {
        scope: "topic",
        name: knob.name,
        default: knob.default,
        help: knob.help,
        wanted: knob.wanted(),
    })
}

fn text() -> String {
    let mut text =
        "Of a server: flags of `duramen serve`, or lines of its --config FILE.toml\n".to_owned();
    let push = |text: &mut String, row: Row| {
        let Row { name, default, help, wanted, .. } = row;
        *text += &format!("\n  {name} = {default}\n      {help}\n      {wanted}\n");
    };
    server_rows().for_each(|row| push(&mut text, row));
    text += "\nOf a topic: `duramen topic create NAME --config NAME=VALUE`, or alter\n";
    topic_rows().for_each(|row| push(&mut text, row));
    text
}

fn json() -> String {
    let mut out = Vec::new();
    for row in server_rows().chain(topic_rows()) {
        Line::new(&mut out)
            .text("scope", row.scope)
            .text("name", row.name)
            .text("default", row.default)
            .text("help", row.help)
            .text("wanted", &row.wanted)
            .end();
    }
    // The fields are text, so there is nothing to lose.
    String::from_utf8_lossy(&out).into_owned()
}

fn toml() -> String {
    let mut text =
        "# Settings of a Duramen server: `duramen serve --config` and this file. Flags of `serve`\n\
         # go before it. What is commented out has its default, which is what stands there.\n"
            .to_owned();
    for Row { name, default, help, wanted, .. } in server_rows() {
        let value = match default.parse::<i64>().is_ok() || default.parse::<bool>().is_ok() {
            true => default.to_owned(),
            false => format!("{default:?}"),
        };
        text += &format!("\n# {help}\n# ({wanted})\n#{name} = {value}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use server::ServerConfig;

    #[test]
    fn the_template_says_nothing_and_then_the_defaults() {
        let mut config = ServerConfig { cores: Some(7), ..ServerConfig::default() };
        config.set_all(&toml()).unwrap();
        assert_eq!(config.cores, Some(7));
        let said = |line: &str| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).map(str::to_owned)
        };
        let uncommented: String =
            toml().lines().map(|line| said(line).unwrap_or(line.to_owned()) + "\n").collect();
        config.set_all(&uncommented).unwrap();
        assert_eq!(config, ServerConfig::default());
        assert_eq!(
            uncommented.lines().filter(|line| line.contains(" = ")).count(),
            server::KNOBS.len()
        );
    }

    #[test]
    fn every_knob_is_in_every_form() {
        let (text, json) = (text(), json());
        for row in server_rows().chain(topic_rows()) {
            assert!(
                text.contains(&format!("\n  {} = {}\n", row.name, row.default)),
                "{}",
                row.name
            );
        }
        let names = json.lines().map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            object["name"].as_str().unwrap().to_owned()
        });
        let expected = server_rows().chain(topic_rows()).map(|row| row.name.to_owned());
        assert!(names.eq(expected));
    }
}
