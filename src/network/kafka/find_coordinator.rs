//! FindCoordinator, versions 0 to 6: which broker keeps a group.
//!
//! - A group's coordinator is the core that owns its partition of `__consumer_offsets`, which is
//!   made here if it is not there.
//! - 4+: several keys, each answered on its own.
//! - Transactions and share groups are not kept: `UNSUPPORTED_VERSION`, which clients do not repeat.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::find_coordinator::Coordinator;
use duramen_protocol::kafka::messages::{FindCoordinatorRequest, FindCoordinatorResponse};

use crate::broker::offsets::check_group;
use crate::network::coordinators::{core_of, key, offsets_topic};

use super::Ending;
use super::call::{Call, Reply};
use super::groups::Fault;
use super::settings::Broker;

/// The key is a group's id.
const GROUP: i8 = 0;

pub async fn handle(call: &Call<'_>, request: FindCoordinatorRequest<'_>) -> Result<Reply, Ending> {
    let is_many = call.version() >= 4;
    let keys = if is_many { request.coordinator_keys } else { vec![request.key] };
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        found.push((key, find(call, request.key_type, key).await));
    }
    let coordinators = found.iter().map(|(key, found)| match found {
        Ok(Broker { node_id, host, port }) => {
            let (node_id, port) = (*node_id, i32::from(*port));
            Coordinator { key, node_id, host, port, ..Default::default() }
        }
        Err((error_code, message)) => Coordinator {
            key,
            node_id: -1,
            port: -1,
            error_code: *error_code,
            error_message: Some(message),
            ..Default::default()
        },
    });
    let coordinators: Vec<Coordinator<'_>> = coordinators.collect();
    if is_many {
        return call.reply(&FindCoordinatorResponse { coordinators, ..Default::default() });
    }
    let Coordinator { node_id, host, port, error_code, error_message, .. } =
        coordinators.into_iter().next().unwrap_or_default();
    call.reply(&FindCoordinatorResponse {
        error_code,
        error_message,
        node_id,
        host,
        port,
        ..Default::default()
    })
}

async fn find(call: &Call<'_>, key_type: i8, group: &str) -> Result<Broker, Fault> {
    if key_type != GROUP {
        let message = "there are no transactions or share groups on this server".to_owned();
        return Err((ErrorCode::UNSUPPORTED_VERSION, message));
    }
    check_group(group).map_err(|refusal| (refusal.code, refusal.message))?;
    let topic = offsets_topic(call.local).await;
    let topic = topic.map_err(|refusal| (refusal.code.for_kafka(), refusal.message))?;
    let core = core_of(call.local, key(&topic, group));
    let node_id = call.settings.node_of_core(u32::from(core));
    let broker = call.brokers().into_iter().find(|broker| broker.node_id == node_id);
    broker.ok_or_else(|| (ErrorCode::COORDINATOR_NOT_AVAILABLE, format!("no node {node_id}")))
}
