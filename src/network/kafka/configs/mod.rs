//! The configurations that clients are shown: all that Kafka's own tools ask for, under its names.
//!
//! Two tables have them with Kafka's defaults, a line each:
//!
//! ```text
//! topic.txt     name type broker's-name default      broker.txt    name type default
//!               cleanup.policy list log.cleanup.policy delete      num.partitions int 1
//! ```
//! `-` is no name, `""` an empty default, and without a default there is none. Of a topic's, those in
//! [`crate::config::topic::KNOBS`] count and can be altered. The others are shown as read-only at
//! their defaults, which say what holds here too: nothing is tiered, replicated or compacted. Setting
//! one to its default is accepted, to anything else refused. A broker's are read-only, all of them,
//! and those that differ here ([`Settings::broker_configs`]) are shown as they are.

use duramen_protocol::codes::ErrorCode;

use crate::broker::Refusal;
use crate::broker::catalog::Topic;
use crate::config::topic::knob;

use super::settings::{Broker, Settings};

const TOPIC: &str = include_str!("topic.txt");
const BROKER: &str = include_str!("broker.txt");

/// Where a value comes from: it was set on the topic.
pub const FROM_TOPIC: i8 = 1;
/// It was set when the server was started, or is how this server is.
pub const FROM_FILE: i8 = 4;
/// Nobody set it.
pub const FROM_DEFAULT: i8 = 5;

/// One configuration of a topic or a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Kafka's name.
    pub name: &'static str,
    /// What holds; nothing for secrets and what was never set.
    pub value: Option<String>,
    /// Whether it can't be altered.
    pub read_only: bool,
    /// One of the constants above.
    pub source: i8,
    /// Whether it is a secret.
    pub is_sensitive: bool,
    /// Kafka's number of its type.
    pub config_type: i8,
    /// What it means, where it means something here.
    pub help: Option<&'static str>,
    /// The default behind it: the name that it has there, and its value.
    pub default: Option<(&'static str, String)>,
}

/// The rows of a table: name, type, and what follows.
fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, i8, &'static str)> {
    table.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let (kind, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        Some((name, type_number(kind), rest))
    })
}

fn type_number(kind: &str) -> i8 {
    let kinds =
        ["boolean", "string", "int", "short", "long", "double", "list", "class", "password"];
    kinds.iter().position(|other| *other == kind).map_or(0, |index| index as i8 + 1)
}

/// The rows of a topic's table: name, type, the broker's name for it, and the default.
fn topic_rows() -> impl Iterator<Item = (&'static str, i8, &'static str, &'static str)> {
    rows(TOPIC).map(|(name, kind, rest)| {
        let (synonym, default) = rest.split_once(' ').unwrap_or((rest, ""));
        (name, kind, synonym, default)
    })
}

/// Every configuration of a topic, by name.
pub fn of_topic(topic: &Topic) -> Vec<Row> {
    let row =
        |(name, config_type, synonym, kafkas_default): (&'static str, i8, &'static str, _)| {
            let knob = knob(name);
            let set = topic.configs.get(name);
            let default = knob.map_or(kafkas_default, |knob| knob.default);
            Row {
                name,
                value: Some(set.map_or(default, String::as_str).to_owned()),
                read_only: knob.is_none(),
                source: if set.is_some() { FROM_TOPIC } else { FROM_DEFAULT },
                is_sensitive: false,
                config_type,
                help: knob.map(|knob| knob.help),
                default: (synonym != "-").then(|| (synonym, default.to_owned())),
            }
        };
    topic_rows().map(row).collect()
}

/// Every configuration of a broker, by name.
pub fn of_broker(settings: &Settings, broker: &Broker) -> Vec<Row> {
    let listener = format!("PLAINTEXT://{}:{}", broker.host, broker.port);
    let node_id = broker.node_id.to_string();
    let own = [
        ("advertised.listeners", &listener),
        ("broker.id", &node_id),
        ("listeners", &listener),
        ("log.dir", &settings.log_dir),
        ("log.dirs", &settings.log_dir),
        ("node.id", &node_id),
    ];
    let row = |(name, config_type, default): (&'static str, i8, &'static str)| {
        let of_server = settings.broker_configs.iter().map(|(name, value)| (*name, value));
        let set = own.into_iter().chain(of_server).find(|(other, _)| *other == name);
        let set = set.map(|(_, value)| value.clone());
        let default = match default {
            "" => None,
            "\"\"" => Some(String::new()),
            default => Some(default.to_owned()),
        };
        let is_default = set.is_none() || set == default;
        Row {
            name,
            value: set.or_else(|| default.clone()),
            read_only: true,
            source: if is_default { FROM_DEFAULT } else { FROM_FILE },
            is_sensitive: config_type == type_number("password"),
            config_type,
            help: None,
            default: default.map(|default| (name, default)),
        }
    };
    rows(BROKER).map(row).collect()
}

/// Of configurations that a client wants to set on a topic, those that have an effect.
///
/// # Errors
/// INVALID_CONFIG for one that is not supported, unless the value is its default.
pub fn effective(
    wanted: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut effective = Vec::new();
    for (name, value) in wanted {
        if !is_without_effect(&name, &value)? {
            effective.push((name, value));
        }
    }
    Ok(effective)
}

/// Whether setting `name` to `value` changes nothing, since it is known, not supported, and at its
/// default.
///
/// # Errors
/// INVALID_CONFIG for another value of such a one.
pub fn is_without_effect(name: &str, value: &str) -> Result<bool, Refusal> {
    let row = topic_rows().find(|(other, ..)| *other == name);
    match row {
        // What nobody knows is refused by the catalog, in its own words.
        None => Ok(false),
        Some(_) if knob(name).is_some() => Ok(false),
        Some((.., default)) if value.trim() == default => Ok(true),
        Some((.., default)) => Err(Refusal {
            code: ErrorCode::INVALID_CONFIG,
            message: format!("{name} is not supported and stays at its default, {default:?}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::topic::KNOBS;

    #[test]
    fn the_tables_are_whole_and_sorted() {
        for (table, count) in [(TOPIC, 37), (BROKER, 351)] {
            assert_eq!(rows(table).count(), count);
            assert!(table.lines().map(|line| line.split(' ').next()).is_sorted());
            for (name, kind, _) in rows(table) {
                assert!(kind > 0, "{name}");
            }
        }
        for knob in KNOBS {
            let row = topic_rows().find(|(name, ..)| *name == knob.name);
            assert_eq!(row.map(|(.., default)| default), Some(knob.default), "{}", knob.name);
        }
    }

    #[test]
    fn what_has_no_effect_may_stay_and_not_change() {
        let effective = |name: &str, value: &str| effective([(name.to_owned(), value.to_owned())]);
        assert_eq!(effective("min.insync.replicas", "1"), Ok(Vec::new()));
        assert_eq!(effective("retention.ms", "5").unwrap().len(), 1);
        assert_eq!(effective("no.such", "5").unwrap().len(), 1, "left to the catalog");
        let refusal = effective("min.insync.replicas", "2").unwrap_err();
        assert_eq!(refusal.code, ErrorCode::INVALID_CONFIG);
        assert!(refusal.message.contains("stays at its default, \"1\""), "{refusal}");
    }
}
