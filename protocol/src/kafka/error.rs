//! What is wrong with a message, and where.

use std::fmt;

use super::spec::Spec;

/// Bytes that are no message of that version, or a message that the version can't say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecError {
    /// The message, such as `FetchRequest`.
    pub message: &'static str,
    /// Its version.
    pub version: i16,
    /// The field, and the struct inside the message that it is in.
    pub field: &'static Spec,
    /// Position from the start of the reader's bytes; when writing, from the start of the output.
    pub at: usize,
    /// What was expected, or what was found instead.
    pub what: &'static str,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CodecError { message, version, field, at, what } = self;
        write!(f, "{message} v{version}, {}.{} at byte {at}: {what}", field.owner, field.name)
    }
}

impl std::error::Error for CodecError {}
