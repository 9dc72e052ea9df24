//! ListGroups, versions 0 to 5: the groups that this broker coordinates.
//!
//! - Clients ask every broker, so each answers with its own, or, with one port for all, with all.
//! - 4+: with states, of which only some may be wanted. 5+: with types; all groups are `classic`.
//!   Filters do not go by upper and lower case.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::list_groups::ListedGroup;
use duramen_protocol::kafka::messages::{ListGroupsRequest, ListGroupsResponse};

use crate::network::coordinators;

use super::Ending;
use super::call::{Call, Reply};

/// The protocol by which groups work here.
const TYPE: &str = "classic";

pub async fn handle(call: &Call<'_>, request: ListGroupsRequest<'_>) -> Result<Reply, Ending> {
    let ListGroupsRequest { states_filter, types_filter } = request;
    let is_ours = |core| call.settings.is_single() || core == call.local.core;
    let Ok(groups) = coordinators::list(call.local, is_ours).await else {
        let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        return call.reply(&ListGroupsResponse { error_code, ..Default::default() });
    };
    let wanted = groups.iter().filter(|group| {
        is_wanted(&states_filter, group.state.name()) && is_wanted(&types_filter, TYPE)
    });
    let listed = wanted.map(|group| ListedGroup {
        group_id: &group.group,
        protocol_type: &group.protocol_type,
        group_state: group.state.name(),
        group_type: TYPE,
    });
    call.reply(&ListGroupsResponse { groups: listed.collect(), ..Default::default() })
}

fn is_wanted(filter: &[&str], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
}
