//! IncrementalAlterConfigs, versions 0 to 1: changes configurations of topics one by one.
//!
//! - Set, back to the default; and, for lists (`cleanup.policy`), append and subtract. All of a
//!   topic's changes count, or none. A name that stands there twice is INVALID_REQUEST.
//! - Otherwise as [`super::alter_configs`].

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig,
};
use duramen_protocol::kafka::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};

use crate::broker::Refusal;
use crate::broker::catalog::{ConfigChange, Topic};
use crate::config::topic::knob;

use super::Ending;
use super::alter_configs::{change_topic, check_type};
use super::call::{Call, Reply};
use super::configs::is_without_effect;
use super::errors::told;

/// The one configuration of a topic that is a list.
const LIST: &str = "cleanup.policy";

pub async fn handle(
    call: &Call<'_>,
    request: IncrementalAlterConfigsRequest<'_>,
) -> Result<Reply, Ending> {
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
    call.reply(&IncrementalAlterConfigsResponse { responses, ..Default::default() })
}

async fn alter(
    call: &Call<'_>,
    resource: &AlterConfigsResource<'_>,
    only_check: bool,
) -> Result<(), Refusal> {
    check_type(resource.resource_type)?;
    let catalog = call.local.catalog();
    let topic = catalog.known_topic(resource.resource_name)?;
    let mut changes: Vec<ConfigChange> = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        if resource.configs.iter().filter(|other| other.name == config.name).count() > 1 {
            let message = format!("{} stands in the request twice", config.name);
            return Err(Refusal { code: ErrorCode::INVALID_REQUEST, message });
        }
        changes.extend(change(topic, config)?);
    }
    change_topic(call, resource.resource_name, changes, only_check).await
}

/// The change that is asked for, unless it has no effect.
fn change(topic: &Topic, config: &AlterableConfig<'_>) -> Result<Option<ConfigChange>, Refusal> {
    let invalid = |message: &str| Refusal {
        code: ErrorCode::INVALID_CONFIG,
        message: format!("{}: {message}", config.name),
    };
    let name = config.name.to_owned();
    let value = || config.value.ok_or_else(|| invalid("a value is wanted"));
    match config.config_operation {
        0 if is_without_effect(config.name, value()?)? => Ok(None),
        0 => Ok(Some((name, Some(value()?.to_owned())))),
        1 => Ok(Some((name, None))),
        2 | 3 if config.name == LIST => {
            let now = topic.configs.get(LIST).map(String::as_str);
            let now = now.or(knob(LIST).map(|knob| knob.default)).unwrap_or_default();
            let changed = with_list(now, value()?, config.config_operation == 2);
            Ok(Some((name, Some(changed))))
        }
        2 | 3 => Err(invalid("it is no list: it can be set, and not appended to")),
        _ => Err(invalid("set, delete, append and subtract are known")),
    }
}

/// A list with more entries, or without some.
fn with_list(now: &str, entries: &str, append: bool) -> String {
    let parts = |list: &'_ str| -> Vec<String> {
        let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let (mut now, entries) = (parts(now), parts(entries));
    now.retain(|entry| !entries.contains(entry));
    if append {
        now.extend(entries);
    }
    now.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_grow_and_shrink() {
        assert_eq!(with_list("delete", "compact", true), "delete,compact");
        assert_eq!(with_list("delete", "delete", true), "delete");
        assert_eq!(with_list("compact, delete", "compact", false), "delete");
        assert_eq!(with_list("delete", "delete", false), "");
    }
}
