//! ListConfigResources, versions 0 to 1: what has configurations of its own.
//!
//! - 0: client metrics alone, of which there are none. 1: topics and brokers; groups and metrics
//!   have none. A type that nobody knows is UNSUPPORTED_VERSION, as in Kafka.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::list_config_resources::ConfigResource;
use duramen_protocol::kafka::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};

use super::Ending;
use super::call::{Call, Reply};
use super::describe_configs::{BROKER, TOPIC};

/// All types that Kafka lists: topics, brokers, loggers, client metrics, groups.
const TYPES: [i8; 5] = [TOPIC, BROKER, 8, 16, 32];

pub async fn handle(call: &Call<'_>, request: ListConfigResourcesRequest) -> Result<Reply, Ending> {
    let asked = &request.resource_types;
    if !asked.iter().all(|asked| TYPES.contains(asked)) {
        let error_code = ErrorCode::UNSUPPORTED_VERSION;
        return call.reply(&ListConfigResourcesResponse { error_code, ..Default::default() });
    }
    let wants = |kind| call.version() >= 1 && (asked.is_empty() || asked.contains(&kind));
    let mut names: Vec<(i8, String)> = Vec::new();
    if wants(TOPIC) {
        let catalog = call.local.catalog();
        names.extend(catalog.topics().map(|topic| (TOPIC, topic.name.clone())));
    }
    if wants(BROKER) {
        let brokers = call.brokers();
        names.extend(brokers.iter().map(|broker| (BROKER, broker.node_id.to_string())));
    }
    let mut config_resources = Vec::with_capacity(names.len());
    for (resource_type, name) in &names {
        config_resources
            .push(ConfigResource { resource_name: name, resource_type: *resource_type });
    }
    call.reply(&ListConfigResourcesResponse { config_resources, ..Default::default() })
}
