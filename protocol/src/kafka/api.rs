//! The version table: which APIs and versions there are, and the headers they have.

use std::ops::RangeInclusive;

use super::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::codes::ErrorCode;

/// For an API none of whose versions is flexible.
const NEVER: i16 = i16::MAX;

macro_rules! apis {
    ($($number:literal $name:ident $min:literal - $max:literal, flexible $flexible:tt $(+)?;)*) => {
        /// A kind of request, by Kafka's number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKey {$(
            #[doc = concat!("Versions ", $min, " to ", $max, ".")]
            $name = $number,
        )*}

        impl ApiKey {
            /// All that are known, in the order of their numbers.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$name),*];

            /// The API of that number, if it is known.
            pub const fn from_number(number: i16) -> Option<ApiKey> {
                match number {
                    $($number => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Kafka's name.
            pub const fn name(self) -> &'static str {
                match self { $(ApiKey::$name => stringify!($name),)* }
            }

            /// The versions that can be read and written: those that are advertised.
            pub const fn versions(self) -> RangeInclusive<i16> {
                match self { $(ApiKey::$name => $min..=$max,)* }
            }

            const fn flexible_since(self) -> i16 {
                match self { $(ApiKey::$name => $flexible,)* }
            }
        }
    };
}

// The low ends are what clients look for. librdkafka before 2.12 compresses only where Produce v0
// is advertised, and has groups only with JoinGroup v0, OffsetFetch v1 and OffsetCommit v1 or v2.
apis! {
    0  Produce                 0-13, flexible 9+;
    1  Fetch                   4-18, flexible 12+;
    2  ListOffsets             1-11, flexible 6+;
    3  Metadata                0-13, flexible 9+;
    8  OffsetCommit            2-10, flexible 8+;
    9  OffsetFetch             1-10, flexible 6+;
    10 FindCoordinator         0-6,  flexible 3+;
    11 JoinGroup               0-9,  flexible 6+;
    12 Heartbeat               0-4,  flexible 4+;
    13 LeaveGroup              0-5,  flexible 4+;
    14 SyncGroup               0-5,  flexible 4+;
    15 DescribeGroups          0-6,  flexible 5+;
    16 ListGroups              0-5,  flexible 3+;
    18 ApiVersions             0-5,  flexible 3+;
    19 CreateTopics            2-7,  flexible 5+;
    20 DeleteTopics            1-6,  flexible 4+;
    21 DeleteRecords           0-2,  flexible 2+;
    22 InitProducerId          0-5,  flexible 2+;
    23 OffsetForLeaderEpoch    2-4,  flexible 4+;
    32 DescribeConfigs         1-4,  flexible 4+;
    33 AlterConfigs            0-2,  flexible 2+;
    35 DescribeLogDirs         1-5,  flexible 2+;
    37 CreatePartitions        0-3,  flexible 2+;
    42 DeleteGroups            0-3,  flexible 2+;
    44 IncrementalAlterConfigs 0-1,  flexible 1+;
    47 OffsetDelete            0-0,  flexible NEVER;
    60 DescribeCluster         0-2,  flexible 0+;
    74 ListConfigResources     0-1,  flexible 0+;
    75 DescribeTopicPartitions 0-0,  flexible 0+;
}

impl ApiKey {
    /// Kafka's number.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Whether `version` is a flexible one, as every later one is.
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.flexible_since()
    }

    /// Whether a request's header ends with tagged fields (header v2, otherwise v1). Also for
    /// versions that are not supported, so that they can be answered.
    pub const fn has_tagged_request_header(self, version: i16) -> bool {
        self.is_flexible(version)
    }

    /// Whether a response's header ends with tagged fields (header v1, otherwise v0). Never for
    /// ApiVersions, since a client that asks it does not know yet what the server speaks.
    pub const fn has_tagged_response_header(self, version: i16) -> bool {
        self.is_flexible(version) && !matches!(self, ApiKey::ApiVersions)
    }
}

/// What answers an ApiVersions request of `version`, and the version to write the answer in.
///
/// A version that is not supported is answered by v0 with UNSUPPORTED_VERSION and the one row that
/// tells what ApiVersions versions there are: clients rely on that. Such a request's body must not
/// be read.
pub fn api_versions_answer(version: i16) -> (i16, ApiVersionsResponse<'static>) {
    let row = |api: ApiKey| ApiVersion {
        api_key: api.number(),
        min_version: *api.versions().start(),
        max_version: *api.versions().end(),
    };
    if !ApiKey::ApiVersions.versions().contains(&version) {
        let refusal = ApiVersionsResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            api_keys: vec![row(ApiKey::ApiVersions)],
            ..Default::default()
        };
        return (0, refusal);
    }
    let api_keys = ApiKey::ALL.iter().copied().map(row).collect();
    (version, ApiVersionsResponse { api_keys, ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_keys_correspond() {
        assert!(ApiKey::ALL.is_sorted());
        for &api in ApiKey::ALL {
            assert_eq!(ApiKey::from_number(api.number()), Some(api));
        }
        assert_eq!(ApiKey::from_number(-1), None);
        assert_eq!(ApiKey::from_number(4), None, "LeaderAndIsr is between brokers");
    }

    #[test]
    fn an_unknown_api_versions_is_answered_by_one_row() {
        for version in [6, 99, -1] {
            let (answer_version, answer) = api_versions_answer(version);
            assert_eq!(answer_version, 0);
            assert_eq!(answer.error_code, ErrorCode::UNSUPPORTED_VERSION);
            let rows = [ApiVersion { api_key: 18, min_version: 0, max_version: 5 }];
            assert_eq!(answer.api_keys, rows);
        }
    }

    #[test]
    fn a_known_api_versions_is_answered_by_the_table() {
        for version in 0..=5 {
            let (answer_version, answer) = api_versions_answer(version);
            assert_eq!(answer_version, version);
            assert_eq!(answer.error_code, ErrorCode::NONE);
            assert_eq!(answer.api_keys.len(), ApiKey::ALL.len());
        }
    }
}
