//! DescribeLogDirs, versions 1 to 5: the data directory and what is in it.
//!
//! - Clients ask every broker and add up, so each tells of the partitions of its own core alone;
//!   with one port for all, of everything.
//! - Null asks for all partitions; names that are not there are left out.
//! - 4+: the size of the volume and what is free of it; -1 where the system does not say.

use std::path::Path;

use duramen_protocol::files::journal::PartitionKey;
use duramen_protocol::kafka::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use duramen_protocol::kafka::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use crate::io::volume_bytes;
use crate::shard::request::{Answer, Ask};

use super::Ending;
use super::call::{Call, Reply};
use super::partitions::{Question, Target, TopicRef};

pub async fn handle(call: &Call<'_>, request: DescribeLogDirsRequest<'_>) -> Result<Reply, Ending> {
    let mut questions: Vec<(String, u32, Question)> = Vec::new();
    for (name, target) in wanted(call, &request) {
        let partition = target.key.partition;
        let question = call.ask_target(target, Ask::Status { key: target.key }).await;
        questions.push((name, partition, question));
    }
    let mut found: Vec<(String, Vec<DescribeLogDirsPartition>)> = Vec::new();
    for (name, partition, question) in questions {
        // A partition that was deleted meanwhile is none.
        let Ok(Answer::Status(status)) = question.answer().await else { continue };
        if found.last().is_none_or(|(last, _)| *last != name) {
            found.push((name, Vec::new()));
        }
        let Some((_, partitions)) = found.last_mut() else { continue };
        partitions.push(DescribeLogDirsPartition {
            partition_index: partition as i32,
            partition_size: status.bytes as i64,
            offset_lag: 0,
            is_future_key: false,
        });
    }
    let topics = found.iter_mut().map(|(name, partitions)| DescribeLogDirsTopic {
        name,
        partitions: std::mem::take(partitions),
    });
    let topics = topics.collect();
    let log_dir = call.settings.log_dir.as_str();
    let volume = volume_bytes(Path::new(log_dir)).ok();
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let result = DescribeLogDirsResult {
        log_dir,
        topics,
        total_bytes: volume.map_or(-1, |(total, _)| bytes(total)),
        usable_bytes: volume.map_or(-1, |(_, usable)| bytes(usable)),
        ..Default::default()
    };
    let results = vec![result];
    call.reply(&DescribeLogDirsResponse { results, ..Default::default() })
}

/// The partitions that were asked for and that this broker stands for, topic by topic.
fn wanted(call: &Call<'_>, request: &DescribeLogDirsRequest<'_>) -> Vec<(String, Target)> {
    let catalog = call.local.catalog();
    let mut wanted = Vec::new();
    match &request.topics {
        None => {
            for topic in catalog.topics() {
                for partition in 0..topic.partitions {
                    let key = PartitionKey { topic_id: topic.id, partition };
                    let core = call.owner(topic.id, partition);
                    wanted.push((topic.name.clone(), Target { core, key }));
                }
            }
        }
        Some(topics) => {
            for asked in topics {
                let Ok(topic) = TopicRef::Name(asked.topic).find(&catalog) else { continue };
                let targets = asked.partitions.iter().filter_map(|&n| call.target(topic, n).ok());
                wanted.extend(targets.map(|target| (topic.name.clone(), target)));
            }
        }
    }
    let is_ours = |target: &Target| call.settings.is_single() || target.core == call.local.core;
    wanted.retain(|(_, target)| is_ours(target));
    wanted
}
