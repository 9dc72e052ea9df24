//! ApiVersions, versions 0 to 5: what is served, and in which versions.
//!
//! - Only what is in the table of [`super::dispatch`] is advertised.
//! - A version that is not known gets an answer of version 0 with UNSUPPORTED_VERSION and one row,
//!   from the connection itself: its body can't be read.
//! - 3+: no features are advertised, as none of those that Kafka counts changes anything here yet.
//!   A client's name that is empty or has odd characters is INVALID_REQUEST, as in Kafka.
//! - 5+: a client that expects another cluster or node is told to begin anew.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::{ApiVersionsRequest, ApiVersionsResponse};
use duramen_protocol::kafka::{ApiKey, api_versions_answer};

use super::Ending;
use super::call::{Call, Reply};
use super::dispatch::SERVED;

pub async fn handle(call: &Call<'_>, request: ApiVersionsRequest<'_>) -> Result<Reply, Ending> {
    let error_code = error(call, &request);
    if error_code != ErrorCode::NONE {
        return call.reply(&ApiVersionsResponse { error_code, ..Default::default() });
    }
    table(call)
}

/// The answer to a request whose body is not looked at.
pub fn table(call: &Call<'_>) -> Result<Reply, Ending> {
    let (version, mut answer) = api_versions_answer(call.version());
    let is_served = |number| ApiKey::from_number(number).is_some_and(|api| SERVED.contains(&api));
    answer.api_keys.retain(|row| is_served(row.api_key));
    call.reply_in_version(version, &answer)
}

fn error(call: &Call<'_>, request: &ApiVersionsRequest<'_>) -> ErrorCode {
    let names = [request.client_software_name, request.client_software_version];
    if call.version() >= 3 && !names.into_iter().all(is_name) {
        return ErrorCode::INVALID_REQUEST;
    }
    let is_other_cluster = request.cluster_id.is_some_and(|id| id != call.cluster_id());
    let is_other_node = request.node_id >= 0 && {
        // With a port a core, whoever expects another node has its address wrong.
        request.node_id != call.settings.node_of_core(call.local.core.into())
    };
    if is_other_cluster || is_other_node {
        return ErrorCode::REBOOTSTRAP_REQUIRED;
    }
    ErrorCode::NONE
}

/// Kafka's rule: letters and digits, and `.` and `-` between them.
fn is_name(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let ends_well = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric());
    ends_well && name.chars().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_clients_are_checked_as_kafka_does() {
        for good in ["librdkafka", "apache-kafka-java", "2.15.0", "a"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
