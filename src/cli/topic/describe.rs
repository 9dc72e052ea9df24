//! What `topic describe` prints.

use std::fmt::Write;

use duramen_protocol::native::messages::{
    DescribeTopicAnswer, DescribedConfig, DescribedPartition, GroupOffset,
};

use crate::cli::group::lag::lag;
use crate::cli::json::{Line, line};
use crate::cli::table;

/// Columns of the partitions' table.
const COLUMNS: [&str; 6] = ["partition", "core", "log start", "durable end", "bytes", "segments"];

/// A group, and its offset in a partition of the topic.
pub(super) type Reader = (String, GroupOffset);

/// For people.
pub(super) fn text(
    name: &str,
    topic: &DescribeTopicAnswer,
    readers: &[Reader],
    no_sync: bool,
) -> String {
    let mut text = format!("topic {name}, id {}\n", topic.topic_id);
    if no_sync {
        text += "not durable: the server runs with --no-sync and acknowledges from memory\n";
    }
    text.push('\n');
    let rows: Vec<[String; 6]> = topic.partitions.iter().enumerate().map(row).collect();
    table::push(&mut text, COLUMNS, &rows);
    push_readers(&mut text, readers);
    text += "\nconfiguration (* differs from the default)\n";
    let width = topic.configs.iter().map(|config| config.name.len()).max().unwrap_or(0);
    for DescribedConfig { name, value, is_default } in &topic.configs {
        let mark = if *is_default { ' ' } else { '*' };
        // Writing to memory can't fail.
        let _ = writeln!(text, "{mark} {name:width$}  {value}");
    }
    text
}

fn row((number, partition): (usize, &DescribedPartition)) -> [String; 6] {
    let DescribedPartition { core, log_start, durable_end, size_bytes, segments } = partition;
    [
        number.to_string(),
        core.to_string(),
        log_start.to_string(),
        durable_end.to_string(),
        size_bytes.to_string(),
        segments.to_string(),
    ]
}

/// The groups that read the topic, and how far behind they are.
fn push_readers(text: &mut String, readers: &[Reader]) {
    if readers.is_empty() {
        return;
    }
    *text += "\nconsumer groups\n";
    let row = |(group, at): &Reader| {
        [group.clone(), at.partition.to_string(), at.offset.to_string(), lag(at).to_string()]
    };
    let rows: Vec<[String; 4]> = readers.iter().map(row).collect();
    table::push(text, ["group", "partition", "offset", "lag"], &rows);
}

/// For programs: one object.
pub(super) fn json(
    name: &str,
    topic: &DescribeTopicAnswer,
    readers: &[Reader],
    no_sync: bool,
) -> String {
    line(|line| {
        line.text("name", name)
            .text("topic_id", &topic.topic_id.to_string())
            .plain("no_sync", no_sync)
            .list("partitions", topic.partitions.iter().enumerate(), |out, (number, partition)| {
                Line::new(out)
                    .plain("partition", number)
                    .plain("core", partition.core)
                    .plain("log_start", partition.log_start)
                    .plain("durable_end", partition.durable_end)
                    .plain("size_bytes", partition.size_bytes)
                    .plain("segments", partition.segments)
                    .close();
            })
            .list("groups", readers, |out, (group, at)| {
                Line::new(out)
                    .text("group", group)
                    .plain("partition", at.partition)
                    .plain("offset", at.offset)
                    .plain("lag", lag(at))
                    .close();
            })
            .list("configs", &topic.configs, |out, config| {
                Line::new(out)
                    .text("name", &config.name)
                    .text("value", &config.value)
                    .plain("is_default", config.is_default)
                    .close();
            });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> DescribeTopicAnswer {
        let partition = |durable_end| DescribedPartition {
            durable_end,
            size_bytes: 4096,
            segments: 1,
            ..DescribedPartition::default()
        };
        let config = |name: &str, is_default| DescribedConfig {
            name: name.into(),
            value: "5".into(),
            is_default,
        };
        DescribeTopicAnswer {
            partitions: vec![partition(7), partition(1_000_000_000_000)],
            configs: vec![config("segment.ms", true), config("x", false)],
            ..DescribeTopicAnswer::default()
        }
    }

    #[test]
    fn people_get_columns() {
        let text = text("events", &topic(), &[], true);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("topic events, id "), "{text}");
        assert!(lines[1].starts_with("not durable: "), "{text}");
        let ends: Vec<usize> = lines[3..6].iter().map(|line| line.len()).collect();
        assert_eq!(ends, [ends[0]; 3], "{text}");
        assert_eq!(lines[5].split_whitespace().nth(3), Some("1000000000000"));
        assert!(text.ends_with("  segment.ms  5\n* x           5\n"), "{text}");
    }

    #[test]
    fn groups_that_read_it_are_shown() {
        let at = GroupOffset { offset: 3, durable_end: 7, ..GroupOffset::default() };
        let text = text("events", &topic(), &[("readers".into(), at)], false);
        assert!(text.contains("\nconsumer groups\n"), "{text}");
        assert!(text.contains("readers          0       3    4\n"), "{text}");
    }

    #[test]
    fn programs_get_an_object() {
        let at = GroupOffset { offset: 3, durable_end: 7, ..GroupOffset::default() };
        let reader = ("readers".to_owned(), at);
        let json: serde_json::Value =
            serde_json::from_str(&json("e", &topic(), &[reader], false)).unwrap();
        assert_eq!(json["partitions"][0]["durable_end"], 7);
        assert_eq!(json["configs"][1]["is_default"], false);
        assert_eq!(json["no_sync"], false);
        assert_eq!(json["groups"][0]["lag"], 4);
    }
}
