//! How far behind a group is: the durable records that it has not read.

use duramen_protocol::client::{Client, ClientError};
use duramen_protocol::codes::ErrorCode;
use duramen_protocol::native::messages::GroupOffset;

/// The durable records behind an offset. Those that retention has removed can't be read, but they
/// were not.
pub(in crate::cli) fn lag(offset: &GroupOffset) -> i64 {
    (offset.durable_end - offset.offset).max(0)
}

/// Each group's offsets in a topic, by group and partition.
///
/// # Errors
/// When the server can't be asked.
pub(in crate::cli) async fn of_topic(
    client: &Client,
    topic: &str,
) -> Result<Vec<(String, GroupOffset)>, ClientError> {
    let mut found = Vec::new();
    for group in client.list_groups().await? {
        let offsets = match client.describe_group(&group.group).await {
            Ok(described) => described.offsets,
            // It was deleted since it was listed.
            Err(ClientError::Server(answer)) if answer.code == ErrorCode::GROUP_ID_NOT_FOUND => {
                continue;
            }
            Err(error) => return Err(error),
        };
        let here = offsets.into_iter().filter(|offset| offset.topic == topic);
        found.extend(here.map(|offset| (group.group.clone(), offset)));
    }
    Ok(found)
}
