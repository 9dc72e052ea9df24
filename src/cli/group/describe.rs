//! What `group describe` prints.

use duramen_protocol::native::messages::{DescribeGroupAnswer, DescribedMember, GroupOffset};
use duramen_protocol::wire::{Reader, WireError};

use super::lag::lag;
use crate::cli::json::{Line, line};
use crate::cli::table;

/// For people.
pub(super) fn text(name: &str, group: &DescribeGroupAnswer) -> String {
    let mut text = format!("group {name}, {}", group.state);
    if !group.protocol.is_empty() {
        text += &format!(", {} by {}", group.protocol_type, group.protocol);
    }
    text.push('\n');
    if !group.members.is_empty() {
        text.push('\n');
        let rows: Vec<[String; 5]> = group.members.iter().map(member).collect();
        table::push(&mut text, ["member", "static name", "client", "host", "assigned"], &rows);
    }
    if !group.offsets.is_empty() {
        text.push('\n');
        let rows: Vec<[String; 6]> = group.offsets.iter().map(offset).collect();
        let heads = ["topic", "partition", "offset", "durable end", "lag", "metadata"];
        table::push(&mut text, heads, &rows);
    }
    text
}

fn member(member: &DescribedMember) -> [String; 5] {
    let assigned = |(topic, partitions): (String, Vec<i32>)| {
        let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
        format!("{topic}: {}", numbers.join(" "))
    };
    // Other programs than consumers assign other things.
    let assigned = assigned_partitions(&member.assignment)
        .map(|all| all.into_iter().map(assigned).collect::<Vec<_>>().join(", "))
        .unwrap_or_else(|_| format!("{} bytes", member.assignment.len()));
    [
        member.member_id.clone(),
        member.instance_id.clone().unwrap_or_default(),
        member.client_id.clone(),
        member.client_host.trim_start_matches('/').to_owned(),
        assigned,
    ]
}

fn offset(offset: &GroupOffset) -> [String; 6] {
    [
        offset.topic.clone(),
        offset.partition.to_string(),
        offset.offset.to_string(),
        offset.durable_end.to_string(),
        lag(offset).to_string(),
        offset.metadata.clone(),
    ]
}

/// What a consumer is assigned, in the bytes of Kafka's own assignors:
///
/// ```text
/// 0:2 version · 4 count, then each: 2 length, topic · 4 count, then each: 4 partition · the rest
/// ```
fn assigned_partitions(bytes: &[u8]) -> Result<Vec<(String, Vec<i32>)>, WireError> {
    let mut from = Reader::new(bytes);
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let _version = from.i16()?;
    let mut topics = Vec::new();
    for _ in 0..from.i32()?.max(0) {
        let len = from.i16()?.max(0) as usize;
        let topic = String::from_utf8_lossy(from.bytes(len)?).into_owned();
        let mut partitions = Vec::new();
        for _ in 0..from.i32()?.max(0) {
            partitions.push(from.i32()?);
        }
        topics.push((topic, partitions));
    }
    Ok(topics)
}

/// For programs: one object.
pub(super) fn json(name: &str, group: &DescribeGroupAnswer) -> String {
    line(|line| {
        line.text("group", name)
            .text("state", &group.state)
            .text("protocol_type", &group.protocol_type)
            .text("protocol", &group.protocol)
            .list("members", &group.members, |out, member| {
                Line::new(out)
                    .text("member_id", &member.member_id)
                    .bytes("instance_id", member.instance_id.as_deref().map(str::as_bytes))
                    .text("client_id", &member.client_id)
                    .text("client_host", &member.client_host)
                    .list("assigned", assigned(member), |out, (topic, partition)| {
                        let mut line = Line::new(out);
                        line.text("topic", &topic).plain("partition", partition).close();
                    })
                    .close();
            })
            .list("offsets", &group.offsets, |out, offset| {
                Line::new(out)
                    .text("topic", &offset.topic)
                    .plain("partition", offset.partition)
                    .plain("offset", offset.offset)
                    .plain("log_start", offset.log_start)
                    .plain("durable_end", offset.durable_end)
                    .plain("lag", lag(offset))
                    .text("metadata", &offset.metadata)
                    .close();
            });
    })
}

/// Topic and partition, one after the other; none where the bytes are not a consumer's.
fn assigned(member: &DescribedMember) -> Vec<(String, i32)> {
    let topics = assigned_partitions(&member.assignment).unwrap_or_default().into_iter();
    let each = |(topic, partitions): (String, Vec<i32>)| {
        partitions.into_iter().map(move |partition| (topic.clone(), partition))
    };
    topics.flat_map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> DescribeGroupAnswer {
        let assignment = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x03\xff\xff\xff\xff";
        let member = DescribedMember {
            member_id: "app-1".into(),
            client_id: "app".into(),
            client_host: "/10.0.0.7".into(),
            assignment: assignment.to_vec(),
            ..DescribedMember::default()
        };
        let offset = |offset, durable_end| GroupOffset {
            topic: "t".into(),
            offset,
            durable_end,
            ..GroupOffset::default()
        };
        DescribeGroupAnswer {
            state: "Stable".into(),
            protocol_type: "consumer".into(),
            protocol: "range".into(),
            members: vec![member],
            offsets: vec![offset(5, 12), offset(9, 8)],
        }
    }

    #[test]
    fn people_get_tables() {
        let text = text("readers", &group());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "group readers, Stable, consumer by range");
        assert!(lines[3].ends_with("10.0.0.7  t: 0 3"), "{text}");
        assert!(lines[6].ends_with(" 12    7"), "{text}");
        assert!(lines[7].ends_with("  8    0"), "{text}");
        let nothing = super::text("idle", &DescribeGroupAnswer::default());
        assert_eq!(nothing.lines().count(), 1);
    }

    #[test]
    fn programs_get_an_object() {
        let json: serde_json::Value = serde_json::from_str(&json("g", &group())).unwrap();
        assert_eq!(json["members"][0]["assigned"][1]["partition"], 3);
        assert_eq!(json["members"][0]["instance_id"], serde_json::Value::Null);
        assert_eq!(json["offsets"][0]["lag"], 7);
    }

    #[test]
    fn other_bytes_are_counted() {
        let mut group = group();
        for bytes in [&b"\0\0\xff"[..], b"\0\0\x7f\xff\xff\xff\0"] {
            group.members[0].assignment = bytes.to_vec();
            let text = text("g", &group);
            assert!(text.contains(&format!("{} bytes", bytes.len())), "{text}");
        }
    }
}
