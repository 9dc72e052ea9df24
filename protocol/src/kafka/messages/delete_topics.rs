//! DeleteTopics: removes topics.
//!
//! - 4: flexible. 5: an error message. 6: by name or by id.

use crate::TopicId;
use crate::codes::ErrorCode;
use crate::kafka::message::{api, message};

api! {
    DeleteTopics: DeleteTopicsRequest<'a> => DeleteTopicsResponse<'r>;
}

message! {
    /// Removes topics: up to version 5 by name, then by name or id.
    pub struct DeleteTopicsRequest<'a> {
        6+   topics: Vec<DeleteTopicState<'a>>;
        0-5  topic_names: Vec<&'a str> [ignorable];
        /// How long to wait for the topics to go.
        0+   timeout_ms: i32;
    }

    /// A topic, by name or by id.
    pub struct DeleteTopicState<'a> {
        /// None where the id says which.
        6+  name: Option<&'a str>;
        6+  topic_id: TopicId;
    }

    /// What was removed.
    pub struct DeleteTopicsResponse<'a> {
        1+  throttle_time_ms: i32 [ignorable];
        0+  responses: Vec<DeletableTopicResult<'a>>;
    }

    /// A topic.
    pub struct DeletableTopicResult<'a> {
        /// None for an id that is not known.
        0+  name: Option<&'a str> [nullable 6+];
        6+  topic_id: TopicId [ignorable];
        0+  error_code: ErrorCode;
        5+  error_message: Option<&'a str> [ignorable];
    }
}
