//! Reading: asking for bytes, or having them pushed.
//!
//! Both give the log's own bytes, batch after batch, from the batch on that holds the wanted offset;
//! it may begin before it. An answer to a read ends anywhere, also inside a batch, as long as the
//! first one is whole. The pushes of a subscription are one stream, cut anywhere: a batch may span
//! pushes, so that the server can send ranges of files without looking into them.

use super::Empty;
use crate::native::field::{calls, empty_messages, message};

message! {
    /// Reads from the header's handle.
    pub struct Read {
        /// The first offset wanted.
        pub offset: i64,
        /// Wait until there are as many bytes.
        pub min_bytes: u32,
        /// At most as many bytes, except that the first batch comes whole.
        pub max_bytes: u32,
        /// Wait for `min_bytes` no longer than this, in ms.
        pub max_wait_ms: u32,
    }

    /// What stands before the log's bytes, which are the rest of the answer.
    pub struct ReadHead {
        /// The first offset there is.
        pub log_start: i64,
        /// The offset after the last durable one.
        pub durable_end: i64,
    }

    /// Asks for pushes from the header's handle.
    pub struct Subscribe {
        /// The first offset wanted, at most the durable end.
        pub offset: i64,
        /// How many bytes of the log the server may push before [`Credit`] renews it.
        pub credit_bytes: u32,
    }

    /// The subscription stands; pushes follow.
    pub struct SubscribeAnswer {
        /// Names it on this connection; never 0.
        pub subscription: u32,
        /// The first offset there is.
        pub log_start: i64,
        /// The offset after the last durable one.
        pub durable_end: i64,
    }

    /// Lets the server push more bytes to the header's subscription. Has no answer.
    pub struct Credit {
        /// How many more. The sum open never exceeds `u32::MAX`.
        pub bytes: u32,
    }

    /// What stands before the log's bytes, which are the rest of the push.
    pub struct PushHead {
        /// The base offset of the first batch that begins in this push; -1 if none does, or if the
        /// server did not look.
        pub offset: i64,
        /// The offset after the last durable one.
        pub durable_end: i64,
    }
}

empty_messages! {
    /// Ends the header's subscription. No push follows the answer.
    Unsubscribe;
}

calls! {
    Read => ReadHead;
    Subscribe => SubscribeAnswer;
    Credit => Empty;
    Unsubscribe => Empty;
}

impl ReadHead {
    /// Bytes of the head.
    pub const LEN: usize = 16;
}

impl PushHead {
    /// Bytes of the head.
    pub const LEN: usize = 16;
}
