//! What a frame asks for.
//!
//! ```text
//! bit   15      14     13 ........ 0
//!     +-------+-------+-------------+
//!     | answer| error | the request |
//!     +-------+-------+-------------+
//! ```
//! A request has both top bits clear, its answer has bit 15 set, its error answer both.
//! [`Opcode::Push`] and [`Opcode::PushEnd`] come from the server unasked and have both clear.

/// Set in every answer's opcode.
pub const ANSWER: u16 = 0x8000;

/// Set, beside [`ANSWER`], in an error answer's opcode.
pub const ERROR: u16 = 0x4000;

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        /// A request, or one of the two frames that the server sends unasked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Opcode { $($(#[$doc])* $name = $value,)* }

        impl Opcode {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name,)*];

            /// The opcode with this number, the answer bits ignored.
            pub fn from_wire(value: u16) -> Option<Opcode> {
                match value & !(ANSWER | ERROR) {
                    $($value => Some(Opcode::$name),)*
                    _ => None,
                }
            }
        }
    };
}

opcodes! {
    /// Opens the connection.
    Hello = 0x0001,
    /// Is somebody there?
    Ping = 0x0002,
    /// Counters and facts of the server.
    Stats = 0x0003,
    /// Makes a topic.
    CreateTopic = 0x0010,
    /// Removes a topic and its records.
    DeleteTopic = 0x0011,
    /// Names all topics.
    ListTopics = 0x0012,
    /// One topic's partitions and configuration.
    DescribeTopic = 0x0013,
    /// Changes a topic's configuration or adds partitions.
    AlterTopic = 0x0014,
    /// Opens a partition and answers with its handle.
    Open = 0x0020,
    /// Gives a handle back.
    CloseHandle = 0x0021,
    /// Asks for a producer id.
    AllocateProducerId = 0x0022,
    /// Appends one batch.
    Append = 0x0023,
    /// Reads from an offset, waiting a little if need be.
    Read = 0x0030,
    /// Asks for pushes from an offset on.
    Subscribe = 0x0031,
    /// Lets the server push more bytes. Has no answer.
    Credit = 0x0032,
    /// Ends a subscription.
    Unsubscribe = 0x0033,
    /// Server to client: bytes of a subscription.
    Push = 0x0034,
    /// Server to client: a subscription is over.
    PushEnd = 0x0035,
    /// Finds an offset: the first, the next, by timestamp.
    FindOffset = 0x0036,
    /// Removes the records below an offset.
    DeleteRecords = 0x0037,
    /// Stores a named consumer's positions.
    CommitOffsets = 0x0040,
    /// Asks for a named consumer's positions.
    FetchOffsets = 0x0041,
    /// Names all groups of consumers.
    ListGroups = 0x0042,
    /// One group's members and offsets.
    DescribeGroup = 0x0043,
    /// Removes a group without members, and its offsets.
    DeleteGroup = 0x0044,
}

impl Opcode {
    /// As it stands in a request's header.
    pub const fn request(self) -> u16 {
        self as u16
    }

    /// As it stands in an answer's header.
    pub const fn answer(self) -> u16 {
        self as u16 | ANSWER
    }

    /// As it stands in an error answer's header.
    pub const fn error(self) -> u16 {
        self as u16 | ANSWER | ERROR
    }
}
