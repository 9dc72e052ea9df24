//! From a request to its handler: a line an API.

use duramen_protocol::kafka::ApiKey;
use duramen_protocol::wire::Reader;

use super::Ending;
use super::call::{Call, Reply};

/// Says which APIs are served, and by what. A handler takes the call and the request, and gives the
/// answer; it may wait as long as it likes.
macro_rules! served {
    ($($api:ident => $handler:path;)*) => {
        /// The APIs that are served, and therefore advertised. Produce has a way of its own, since
        /// its requests may overtake the answers of earlier ones.
        pub const SERVED: &[ApiKey] = &[ApiKey::Produce, $(ApiKey::$api),*];

        /// Hands a request to its handler.
        ///
        /// # Errors
        /// What ends the connection: bytes that are no such request.
        pub async fn handle(
            api: ApiKey,
            call: &Call<'_>,
            body: Reader<'_>,
        ) -> Result<Reply, Ending> {
            match api {
                $(ApiKey::$api => $handler(call, call.read(body)?).await,)*
                _ => Err(Ending::Refused(format!("a request of {}, not served", api.name()))),
            }
        }
    };
}

served! {
    Fetch => super::fetch::handle;
    ListOffsets => super::list_offsets::handle;
    Metadata => super::metadata::handle;
    ApiVersions => super::api_versions::handle;
    CreateTopics => super::create_topics::handle;
    DeleteTopics => super::delete_topics::handle;
    DeleteRecords => super::delete_records::handle;
    InitProducerId => super::init_producer_id::handle;
    OffsetForLeaderEpoch => super::offset_for_leader_epoch::handle;
    DescribeConfigs => super::describe_configs::handle;
    AlterConfigs => super::alter_configs::handle;
    DescribeLogDirs => super::describe_log_dirs::handle;
    CreatePartitions => super::create_partitions::handle;
    IncrementalAlterConfigs => super::incremental_alter_configs::handle;
    DescribeCluster => super::describe_cluster::handle;
    ListConfigResources => super::list_config_resources::handle;
    DescribeTopicPartitions => super::describe_topic_partitions::handle;
    FindCoordinator => super::find_coordinator::handle;
    JoinGroup => super::join_group::handle;
    SyncGroup => super::sync_group::handle;
    Heartbeat => super::heartbeat::handle;
    LeaveGroup => super::leave_group::handle;
    OffsetCommit => super::offset_commit::handle;
    OffsetFetch => super::offset_fetch::handle;
    DescribeGroups => super::describe_groups::handle;
    ListGroups => super::list_groups::handle;
    DeleteGroups => super::delete_groups::handle;
    OffsetDelete => super::offset_delete::handle;
}
