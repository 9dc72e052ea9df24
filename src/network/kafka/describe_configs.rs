//! DescribeConfigs, versions 1 to 4: the configurations of topics and brokers.
//!
//! - Topics: every name that Kafka has, with the value that holds and where it comes from. What has
//!   no effect here is shown as read-only, at the default.
//! - Brokers: by node id, or with an empty name this one. Any node answers for every node.
//!   Everything is read-only: the server's configuration counts from its start.
//! - Loggers, client metrics and groups have none: INVALID_REQUEST.
//! - Synonyms, where asked for: the value set, then the default under the broker's name for it.
//! - 3+: types, and a line of documentation for what counts.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult,
    DescribeConfigsSynonym,
};
use duramen_protocol::kafka::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use crate::broker::Refusal;

use super::Ending;
use super::call::{Call, Reply};
use super::configs::{self, FROM_DEFAULT, Row};
use super::errors::told;

/// `resource_type`: a topic.
pub const TOPIC: i8 = 2;
/// `resource_type`: a broker.
pub const BROKER: i8 = 4;

pub async fn handle(call: &Call<'_>, request: DescribeConfigsRequest<'_>) -> Result<Reply, Ending> {
    let found: Vec<_> = request.resources.iter().map(|asked| find(call, asked)).collect();
    let mut results = Vec::with_capacity(found.len());
    for (asked, found) in request.resources.iter().zip(&found) {
        let rows = found.as_deref().unwrap_or_default();
        let (error_code, error_message) = told(found);
        results.push(DescribeConfigsResult {
            error_code,
            error_message,
            resource_type: asked.resource_type,
            resource_name: asked.resource_name,
            configs: rows.iter().map(|row| describe(row, &request)).collect(),
        });
    }
    call.reply(&DescribeConfigsResponse { results, ..Default::default() })
}

fn find(call: &Call<'_>, asked: &DescribeConfigsResource<'_>) -> Result<Vec<Row>, Refusal> {
    let mut rows = match asked.resource_type {
        TOPIC => configs::of_topic(call.local.catalog().known_topic(asked.resource_name)?),
        BROKER => of_broker(call, asked.resource_name)?,
        other => {
            let message = format!("resources of type {other} have no configurations here");
            return Err(Refusal { code: ErrorCode::INVALID_REQUEST, message });
        }
    };
    if let Some(keys) = &asked.configuration_keys {
        rows.retain(|row| keys.contains(&row.name));
    }
    Ok(rows)
}

fn of_broker(call: &Call<'_>, name: &str) -> Result<Vec<Row>, Refusal> {
    let brokers = call.brokers();
    let this = call.settings.node_of_core(call.local.core.into());
    let id = if name.is_empty() { Some(this) } else { name.parse().ok() };
    let broker = brokers.iter().find(|broker| Some(broker.node_id) == id);
    let broker = broker.ok_or_else(|| Refusal {
        code: ErrorCode::INVALID_REQUEST,
        message: format!("there is no broker {name:?}: they are 0 to {}", brokers.len() - 1),
    })?;
    Ok(configs::of_broker(call.settings, broker))
}

fn describe<'r>(
    row: &'r Row,
    request: &DescribeConfigsRequest<'_>,
) -> DescribeConfigsResourceResult<'r> {
    let mut synonyms = Vec::new();
    if request.include_synonyms {
        if row.source != FROM_DEFAULT {
            let (name, value) = (row.name, row.value.as_deref());
            synonyms.push(DescribeConfigsSynonym { name, value, source: row.source });
        }
        if let Some((name, value)) = &row.default {
            let source = FROM_DEFAULT;
            synonyms.push(DescribeConfigsSynonym { name, value: Some(value), source });
        }
    }
    DescribeConfigsResourceResult {
        name: row.name,
        value: row.value.as_deref(),
        read_only: row.read_only,
        config_source: row.source,
        is_sensitive: row.is_sensitive,
        synonyms,
        config_type: row.config_type,
        documentation: row.help.filter(|_| request.include_documentation),
    }
}
