//! AlterConfigs, versions 0 to 2: replaces the configurations of topics.
//!
//! - What is not named goes back to its default. All of a topic's changes count, or none.
//! - What has no effect here may be set to its default; other values are INVALID_CONFIG.
//! - Brokers' can't be altered while they run: INVALID_REQUEST, with what to do instead.
//! - `validate_only`: the same checks, and nothing is changed.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse,
};
use duramen_protocol::kafka::messages::{AlterConfigsRequest, AlterConfigsResponse};

use crate::broker::Refusal;
use crate::broker::catalog::ConfigChange;
use crate::network::mailbox::Change;

use super::Ending;
use super::call::{Call, Reply};
use super::configs::effective;
use super::describe_configs::{BROKER, TOPIC};
use super::errors::told;

pub async fn handle(call: &Call<'_>, request: AlterConfigsRequest<'_>) -> Result<Reply, Ending> {
    let mut altered = Vec::with_capacity(request.resources.len());
    for resource in &request.resources {
        altered.push(alter(call, resource, request.validate_only).await);
    }
    let mut responses = Vec::with_capacity(altered.len());
    for (resource, altered) in request.resources.iter().zip(&altered) {
        let (error_code, error_message) = told(altered);
        responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    call.reply(&AlterConfigsResponse { responses, ..Default::default() })
}

async fn alter(
    call: &Call<'_>,
    resource: &AlterConfigsResource<'_>,
    only_check: bool,
) -> Result<(), Refusal> {
    check_type(resource.resource_type)?;
    let catalog = call.local.catalog();
    let topic = catalog.known_topic(resource.resource_name)?;
    let wanted = resource.configs.iter().filter_map(|config| {
        // As in Kafka, a configuration without a value is at its default.
        Some((config.name.to_owned(), config.value?.to_owned()))
    });
    let wanted = effective(wanted)?;
    let unset = topic.configs.keys().filter(|name| !wanted.iter().any(|(other, _)| other == *name));
    let mut changes: Vec<ConfigChange> = unset.map(|name| (name.clone(), None)).collect();
    changes.extend(wanted.into_iter().map(|(name, value)| (name, Some(value))));
    change_topic(call, resource.resource_name, changes, only_check).await
}

/// Whether configurations of such a resource can be altered.
///
/// # Errors
/// INVALID_REQUEST for all but topics.
pub fn check_type(resource_type: i8) -> Result<(), Refusal> {
    let message = match resource_type {
        TOPIC => return Ok(()),
        BROKER => {
            "a broker's configuration counts from its start: alter the server's file or flags"
                .to_owned()
        }
        other => format!("resources of type {other} have no configurations here"),
    };
    Err(Refusal { code: ErrorCode::INVALID_REQUEST, message })
}

/// Makes changes of a topic's configuration, or only checks them.
///
/// # Errors
/// What the catalog refuses.
pub async fn change_topic(
    call: &Call<'_>,
    name: &str,
    configs: Vec<ConfigChange>,
    only_check: bool,
) -> Result<(), Refusal> {
    if only_check {
        let limits = &call.settings.topic_limits;
        return call.local.catalog().alter_topic(name, &configs, limits).map(drop);
    }
    let change = Change::AlterTopic { name: name.to_owned(), configs, partitions: 0 };
    call.local.mailboxes.change(change).await.map(drop)
}
