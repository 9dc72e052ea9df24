//! Messages of any API, so that a check is compiled once and not once a message.

use std::fmt::Debug;

use duramen_protocol::kafka::messages::*;
use duramen_protocol::kafka::{ApiKey, CodecError, Message};
use duramen_protocol::wire::Reader;

/// A message whose type is not known.
pub trait AnyMessage {
    /// Its bytes in a version.
    fn encode(&self, version: i16) -> Result<Vec<u8>, CodecError>;
    /// What `{:?}` prints.
    fn text(&self) -> String;
}

impl<'a, M: Message<'a> + Debug> AnyMessage for M {
    fn encode(&self, version: i16) -> Result<Vec<u8>, CodecError> {
        let (mut bytes, mut holes) = (Vec::new(), Vec::new());
        Message::encode(self, version, &mut bytes, &mut holes)?;
        assert_eq!(holes, []);
        Ok(bytes)
    }

    fn text(&self) -> String {
        format!("{self:?}")
    }
}

/// What was read, and how many bytes of memory its arrays take.
pub type Decoded<'a> = (Box<dyn AnyMessage + 'a>, usize);

fn decode_as<'a, M: Message<'a> + Debug + 'a>(
    from: &mut Reader<'a>,
    version: i16,
) -> Result<Decoded<'a>, CodecError> {
    let (message, array_bytes) = M::decode_counting(from, version)?;
    Ok((Box::new(message), array_bytes))
}

/// Gives a macro the names of all APIs, each with its request and its response.
macro_rules! with_all_messages {
    ($macro:ident) => {
        $macro! {
            Produce ProduceRequest ProduceResponse,
            Fetch FetchRequest FetchResponse,
            ListOffsets ListOffsetsRequest ListOffsetsResponse,
            Metadata MetadataRequest MetadataResponse,
            OffsetCommit OffsetCommitRequest OffsetCommitResponse,
            OffsetFetch OffsetFetchRequest OffsetFetchResponse,
            FindCoordinator FindCoordinatorRequest FindCoordinatorResponse,
            JoinGroup JoinGroupRequest JoinGroupResponse,
            Heartbeat HeartbeatRequest HeartbeatResponse,
            LeaveGroup LeaveGroupRequest LeaveGroupResponse,
            SyncGroup SyncGroupRequest SyncGroupResponse,
            DescribeGroups DescribeGroupsRequest DescribeGroupsResponse,
            ListGroups ListGroupsRequest ListGroupsResponse,
            ApiVersions ApiVersionsRequest ApiVersionsResponse,
            CreateTopics CreateTopicsRequest CreateTopicsResponse,
            DeleteTopics DeleteTopicsRequest DeleteTopicsResponse,
            DeleteRecords DeleteRecordsRequest DeleteRecordsResponse,
            InitProducerId InitProducerIdRequest InitProducerIdResponse,
            OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse,
            DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse,
            AlterConfigs AlterConfigsRequest AlterConfigsResponse,
            DescribeLogDirs DescribeLogDirsRequest DescribeLogDirsResponse,
            CreatePartitions CreatePartitionsRequest CreatePartitionsResponse,
            DeleteGroups DeleteGroupsRequest DeleteGroupsResponse,
            IncrementalAlterConfigs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse,
            OffsetDelete OffsetDeleteRequest OffsetDeleteResponse,
            DescribeCluster DescribeClusterRequest DescribeClusterResponse,
            ListConfigResources ListConfigResourcesRequest ListConfigResourcesResponse,
            DescribeTopicPartitions DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse,
        }
    };
}

macro_rules! define_decode {
    ($($api:ident $request:ident $response:ident,)*) => {
        /// Reads the request or the response of an API.
        pub fn decode<'a>(
            api: ApiKey,
            is_request: bool,
            from: &mut Reader<'a>,
            version: i16,
        ) -> Result<Decoded<'a>, CodecError> {
            match (api, is_request) {$(
                (ApiKey::$api, true) => decode_as::<$request>(from, version),
                (ApiKey::$api, false) => decode_as::<$response>(from, version),
            )*}
        }
    };
}

with_all_messages!(define_decode);

pub(crate) use with_all_messages;
