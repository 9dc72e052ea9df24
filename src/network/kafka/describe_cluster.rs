//! DescribeCluster, versions 0 to 2: the brokers.
//!
//! - A broker a core, or one for all, as in Metadata; none is ever fenced.
//! - 1+: there are no controllers of their own to ask for: MISMATCHED_ENDPOINT_TYPE, or
//!   UNSUPPORTED_ENDPOINT_TYPE for what nobody knows.

use duramen_protocol::codes::ErrorCode;
use duramen_protocol::kafka::messages::describe_cluster::DescribeClusterBroker;
use duramen_protocol::kafka::messages::{DescribeClusterRequest, DescribeClusterResponse};

use super::Ending;
use super::call::{Call, Reply};
use super::metadata::{CLUSTER_OPERATIONS, CONTROLLER};
use super::settings::Broker;

/// `endpoint_type`: brokers.
const BROKERS: i8 = 1;
/// `endpoint_type`: controllers.
const CONTROLLERS: i8 = 2;

pub async fn handle(call: &Call<'_>, request: DescribeClusterRequest) -> Result<Reply, Ending> {
    let (error_code, message) = match request.endpoint_type {
        BROKERS => (ErrorCode::NONE, None),
        CONTROLLERS => (
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            Some("this is a broker; the controller has no endpoint of its own"),
        ),
        _ => (ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, Some("there are no endpoints of that type")),
    };
    let cluster_id = call.cluster_id();
    let brokers = if message.is_none() { call.brokers() } else { Vec::new() };
    let operations = match request.include_cluster_authorized_operations {
        true => CLUSTER_OPERATIONS,
        false => i32::MIN,
    };
    let mut described = Vec::with_capacity(brokers.len());
    for Broker { node_id, host, port } in &brokers {
        described.push(DescribeClusterBroker {
            broker_id: *node_id,
            host,
            port: i32::from(*port),
            rack: None,
            is_fenced: false,
        });
    }
    call.reply(&DescribeClusterResponse {
        error_code,
        error_message: message,
        endpoint_type: if call.version() == 0 { BROKERS } else { request.endpoint_type },
        cluster_id: &cluster_id,
        controller_id: CONTROLLER,
        brokers: described,
        cluster_authorized_operations: operations,
        ..Default::default()
    })
}
