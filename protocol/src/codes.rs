//! Error codes: Kafka's numbers, and a few of our own above them.
//!
//! A code says what happened; its [`Class`] says what a client may do about it, which is the one
//! question that matters after a failed append:
//!
//! - *retriable*: nothing was applied, and the same request may succeed later;
//! - *perhaps applied*: the append may or may not be durable; only an idempotent producer may
//!   repeat it blindly;
//! - *fatal*: nothing was applied, and the same request will fail again.
//!
//! The class is judged for our own client, not by what Kafka's do: Kafka's repeat a request to a topic
//! that is not there, since their brokers learn late; ours knows at once.
//!
//! Kafka's numbers stay below [`OWN_CODES_START`]. Kafka clients never see ours:
//! [`ErrorCode::for_kafka`] gives the nearest that they know.

use std::fmt;

/// The first number that is ours and not Kafka's.
pub const OWN_CODES_START: i16 = 10_000;

/// What a client may do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Nothing was applied; trying again may help.
    Retriable = 1,
    /// The request may have been applied: repeat it only where that is harmless.
    PerhapsApplied = 2,
    /// Nothing was applied; trying again is of no use.
    Fatal = 3,
}

/// The number that an answer carries; 0 is success. Numbers unknown here are kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i16);

macro_rules! codes {
    ($($name:ident = $code:literal, $class:ident, $text:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("`", stringify!($code), "`: ", $text, ".")]
                pub const $name: ErrorCode = ErrorCode($code);
            )*

            /// All codes that have a name here, in the order of their numbers.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            fn row(self) -> Option<(&'static str, Class, &'static str)> {
                match self.0 {
                    $($code => Some((stringify!($name), Class::$class, $text)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    UNKNOWN_SERVER_ERROR = -1, PerhapsApplied, "the server failed in an unexpected way";
    NONE = 0, Fatal, "success";
    OFFSET_OUT_OF_RANGE = 1, Fatal, "the offset is below the log's start or above its end";
    CORRUPT_MESSAGE = 2, Fatal, "a batch does not match its checksum";
    UNKNOWN_TOPIC_OR_PARTITION = 3, Fatal, "there is no such topic or partition";
    INVALID_FETCH_SIZE = 4, Fatal, "the fetch size is invalid";
    LEADER_NOT_AVAILABLE = 5, Retriable, "the partition has no leader at present";
    NOT_LEADER_OR_FOLLOWER = 6, Retriable, "another node owns the partition";
    REQUEST_TIMED_OUT = 7, PerhapsApplied, "no answer in time";
    BROKER_NOT_AVAILABLE = 8, Retriable, "the server is not available";
    MESSAGE_TOO_LARGE = 10, Fatal, "a batch is over the topic's max.message.bytes";
    OFFSET_METADATA_TOO_LARGE = 12, Fatal, "the metadata of a committed offset is too long";
    NETWORK_EXCEPTION = 13, PerhapsApplied, "the connection was lost before the answer came";
    COORDINATOR_LOAD_IN_PROGRESS = 14, Retriable, "the coordinator is still loading";
    COORDINATOR_NOT_AVAILABLE = 15, Retriable, "there is no coordinator at present";
    NOT_COORDINATOR = 16, Retriable, "another node is the coordinator";
    INVALID_TOPIC_EXCEPTION = 17, Fatal, "the topic's name is invalid";
    RECORD_LIST_TOO_LARGE = 18, Fatal, "the batch is larger than a segment";
    NOT_ENOUGH_REPLICAS = 19, Retriable, "too few replicas to append";
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, PerhapsApplied, "appended, but on too few replicas";
    INVALID_REQUIRED_ACKS = 21, Fatal, "acks is none of -1, 0 and 1";
    ILLEGAL_GENERATION = 22, Fatal, "the group has another generation";
    INCONSISTENT_GROUP_PROTOCOL = 23, Fatal, "the group's members share no protocol";
    INVALID_GROUP_ID = 24, Fatal, "the group id is invalid";
    UNKNOWN_MEMBER_ID = 25, Fatal, "the group has no such member";
    INVALID_SESSION_TIMEOUT = 26, Fatal, "the session timeout is out of range";
    REBALANCE_IN_PROGRESS = 27, Fatal, "the group is rebalancing";
    INVALID_COMMIT_OFFSET_SIZE = 28, Fatal, "the commit is too large";
    TOPIC_AUTHORIZATION_FAILED = 29, Fatal, "no permission for the topic";
    GROUP_AUTHORIZATION_FAILED = 30, Fatal, "no permission for the group";
    CLUSTER_AUTHORIZATION_FAILED = 31, Fatal, "no permission for the server";
    INVALID_TIMESTAMP = 32, Fatal, "a timestamp is out of the topic's bounds";
    UNSUPPORTED_SASL_MECHANISM = 33, Fatal, "the authentication mechanism is not supported";
    ILLEGAL_SASL_STATE = 34, Fatal, "the request is out of place in the authentication";
    UNSUPPORTED_VERSION = 35, Fatal, "the version of the request is not supported";
    TOPIC_ALREADY_EXISTS = 36, Fatal, "there is a topic of that name";
    INVALID_PARTITIONS = 37, Fatal, "the number of partitions is out of range";
    INVALID_REPLICATION_FACTOR = 38, Fatal, "the replication factor is not 1";
    INVALID_REPLICA_ASSIGNMENT = 39, Fatal, "the replica assignment is invalid";
    INVALID_CONFIG = 40, Fatal, "a configuration is unknown or its value invalid";
    NOT_CONTROLLER = 41, Retriable, "another node is the controller";
    INVALID_REQUEST = 42, Fatal, "the request makes no sense";
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43, Fatal, "the message format does not support the request";
    POLICY_VIOLATION = 44, Fatal, "the request violates a policy";
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45, Fatal, "the producer's sequence number is not the next one";
    DUPLICATE_SEQUENCE_NUMBER = 46, Fatal, "the producer's sequence number was used before";
    INVALID_PRODUCER_EPOCH = 47, Fatal, "a newer instance of the producer has taken over";
    INVALID_TXN_STATE = 48, Fatal, "the transaction is in another state";
    INVALID_PRODUCER_ID_MAPPING = 49, Fatal, "the producer id is not the transactional id's";
    INVALID_TRANSACTION_TIMEOUT = 50, Fatal, "the transaction timeout is out of range";
    CONCURRENT_TRANSACTIONS = 51, Retriable, "the last transaction has not ended yet";
    TRANSACTION_COORDINATOR_FENCED = 52, Fatal, "another node coordinates the transaction";
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53, Fatal, "no permission for the transactional id";
    SECURITY_DISABLED = 54, Fatal, "there are no permissions to administer";
    OPERATION_NOT_ATTEMPTED = 55, Fatal, "given up since another part of the request failed";
    KAFKA_STORAGE_ERROR = 56, Retriable, "the server's disk can't take or give the data";
    LOG_DIR_NOT_FOUND = 57, Fatal, "there is no such data directory";
    SASL_AUTHENTICATION_FAILED = 58, Fatal, "authentication failed";
    UNKNOWN_PRODUCER_ID = 59, Fatal, "the producer id is not known";
    REASSIGNMENT_IN_PROGRESS = 60, Retriable, "the partition is being moved";
    DELEGATION_TOKEN_AUTH_DISABLED = 61, Fatal, "delegation tokens are not supported";
    NON_EMPTY_GROUP = 68, Fatal, "the group has members";
    GROUP_ID_NOT_FOUND = 69, Fatal, "there is no such group";
    FETCH_SESSION_ID_NOT_FOUND = 70, Retriable, "there is no such fetch session";
    INVALID_FETCH_SESSION_EPOCH = 71, Retriable, "the fetch session's epoch is not the next one";
    LISTENER_NOT_FOUND = 72, Retriable, "the leader has no listener such as this one";
    TOPIC_DELETION_DISABLED = 73, Fatal, "topics may not be deleted";
    FENCED_LEADER_EPOCH = 74, Retriable, "the leader epoch is older than the partition's";
    UNKNOWN_LEADER_EPOCH = 75, Retriable, "the leader epoch is newer than the partition's";
    UNSUPPORTED_COMPRESSION_TYPE = 76, Fatal, "the codec is not supported";
    STALE_BROKER_EPOCH = 77, Fatal, "the broker epoch has changed";
    OFFSET_NOT_AVAILABLE = 78, Retriable, "the offset is not yet known";
    MEMBER_ID_REQUIRED = 79, Fatal, "join again with the member id given";
    GROUP_MAX_SIZE_REACHED = 81, Fatal, "the group is full";
    FENCED_INSTANCE_ID = 82, Fatal, "another member has taken the instance id";
    GROUP_SUBSCRIBED_TO_TOPIC = 86, Fatal, "the group still reads the topic";
    INVALID_RECORD = 87, Fatal, "a batch or record is malformed or not allowed";
    UNSTABLE_OFFSET_COMMIT = 88, Retriable, "offsets of an open transaction";
    THROTTLING_QUOTA_EXCEEDED = 89, Retriable, "the server takes no more at present";
    PRODUCER_FENCED = 90, Fatal, "a newer instance of the producer has taken over";
    RESOURCE_NOT_FOUND = 91, Fatal, "there is no such resource";
    DUPLICATE_RESOURCE = 92, Fatal, "there is such a resource already";
    UNKNOWN_TOPIC_ID = 100, Retriable, "there is no topic of that id";
    BROKER_ID_NOT_REGISTERED = 102, Fatal, "there is no such broker";
    INCONSISTENT_TOPIC_ID = 103, Retriable, "the topic has another id";
    INCONSISTENT_CLUSTER_ID = 104, Fatal, "the cluster has another id";
    TRANSACTIONAL_ID_NOT_FOUND = 105, Fatal, "there is no such transactional id";
    FETCH_SESSION_TOPIC_ID_ERROR = 106, Retriable, "a fetch session mixes topic names and ids";
    OFFSET_MOVED_TO_TIERED_STORAGE = 109, Fatal, "the offset is in remote storage";
    FENCED_MEMBER_EPOCH = 110, Fatal, "the member epoch is not the one that the group has";
    UNRELEASED_INSTANCE_ID = 111, Fatal, "another member has the instance id and has not left";
    UNSUPPORTED_ASSIGNOR = 112, Fatal, "the assignor is not supported";
    STALE_MEMBER_EPOCH = 113, Fatal, "the member epoch is old; ask for the new one";
    MISMATCHED_ENDPOINT_TYPE = 114, Fatal, "the request is for another kind of endpoint";
    UNSUPPORTED_ENDPOINT_TYPE = 115, Fatal, "there are no endpoints of that kind";
    UNKNOWN_CONTROLLER_ID = 116, Fatal, "there is no such controller";
    UNKNOWN_SUBSCRIPTION_ID = 117, Fatal, "there is no such subscription";
    INVALID_REGISTRATION = 119, Fatal, "the registration is invalid";
    TRANSACTION_ABORTABLE = 120, Fatal, "the transaction must be aborted";
    INVALID_REGULAR_EXPRESSION = 128, Fatal, "the regular expression is invalid";
    REBOOTSTRAP_REQUIRED = 129, Retriable, "the client reached another cluster or node than it expects";
    PERHAPS_PERSISTED = 10_000, PerhapsApplied, "the disk failed while the append was under way";
    STORAGE_FULL = 10_001, Retriable, "the disk is full; nothing was appended";
    OVERLOADED = 10_002, Retriable, "a bound of the server is reached; nothing was applied";
    SHUTTING_DOWN = 10_003, Retriable, "the server is stopping; nothing was applied";
    STALE_HANDLE = 10_004, Retriable, "the handle's topic was deleted or moved; open it again";
    UNKNOWN_HANDLE = 10_005, Fatal, "the connection has no such handle";
    NOT_SUPPORTED = 10_006, Fatal, "the server does not know the request";
    PROTOCOL_ERROR = 10_007, Fatal, "the bytes are no frame of the protocol";
    CREDIT_EXCEEDED = 10_008, Fatal, "the client sent more than its credit";
    FRAME_TOO_LARGE = 10_009, Fatal, "the frame is larger than the connection's limit";
    UNKNOWN_SUBSCRIPTION = 10_010, Fatal, "the connection has no such subscription";
    STORAGE_FAILED = 10_011, Retriable, "the disk has failed; nothing was appended";
    CORRUPT_LOG = 10_012, Fatal, "the log is damaged at that offset";
}

impl ErrorCode {
    /// Whether the code means success.
    pub fn is_ok(self) -> bool {
        self == ErrorCode::NONE
    }

    /// The name, as Kafka has it, if the code is known.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|(name, ..)| name)
    }

    /// What a client may do. A code unknown here is fatal.
    pub fn class(self) -> Class {
        self.row().map_or(Class::Fatal, |(_, class, _)| class)
    }

    /// What happened, in a few words.
    pub fn text(self) -> &'static str {
        self.row().map_or("an unknown error", |(.., text)| text)
    }

    /// The nearest code that Kafka's clients know.
    pub fn for_kafka(self) -> ErrorCode {
        match self {
            ErrorCode::PERHAPS_PERSISTED => ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode::STORAGE_FULL | ErrorCode::STORAGE_FAILED => ErrorCode::KAFKA_STORAGE_ERROR,
            ErrorCode::CORRUPT_LOG => ErrorCode::CORRUPT_MESSAGE,
            ErrorCode::OVERLOADED => ErrorCode::THROTTLING_QUOTA_EXCEEDED,
            ErrorCode::SHUTTING_DOWN => ErrorCode::BROKER_NOT_AVAILABLE,
            ErrorCode::STALE_HANDLE => ErrorCode::UNKNOWN_TOPIC_ID,
            code if code.0 < OWN_CODES_START => code,
            _ => ErrorCode::INVALID_REQUEST,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "error {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_kafka_knows_what_it_is_given() {
        assert!(ErrorCode::ALL.is_sorted());
        for &code in ErrorCode::ALL {
            assert!(code.for_kafka().0 < OWN_CODES_START, "{code}");
            assert_eq!(code.for_kafka() == code, code.0 < OWN_CODES_START, "{code}");
            // A client that may not repeat must not be told that it may.
            if code.class() == Class::PerhapsApplied {
                assert_eq!(code.for_kafka().class(), Class::PerhapsApplied, "{code}");
            }
        }
    }

    #[test]
    fn unknown_numbers_are_kept() {
        assert_eq!(ErrorCode(12_345).to_string(), "error 12345");
        assert_eq!(ErrorCode(12_345).class(), Class::Fatal);
        assert_eq!(ErrorCode::MESSAGE_TOO_LARGE.to_string(), "MESSAGE_TOO_LARGE (10)");
    }
}
