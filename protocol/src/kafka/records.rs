//! Record batches inside a message: borrowed when read, and when written either copied or left out.
//!
//! A fetch's records need not pass through the encoder: [`Records::Elsewhere`] writes their length
//! alone and notes a [`Hole`]. Whoever sends the frame fills the holes, in their order, by
//! `sendfile` or from other memory. The frame's length counts them.
//!
//! ```text
//! bytes   [ length | header | ... | len ][ ... | len ][ tags ]
//!                                        ^            ^
//! holes                      at, len ────┘            └──── at, len
//! sent    [ length | header | ... | len ] batches [ ... | len ] batches [ tags ]
//! ```

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::CodecError;
use super::field::Field;
use super::spec::{Form, Spec};
use crate::wire::BufMut;

/// Record batches as they go over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Records<'a> {
    /// No records, said as null. A fetch's answer says [`Records::EMPTY`] instead: null breaks
    /// librdkafka.
    #[default]
    Null,
    /// The bytes of the batches.
    Bytes(&'a [u8]),
    /// So many bytes, which are not in the message but put in by whoever sends the frame.
    Elsewhere(usize),
}

/// A place in an encoder's output where bytes from elsewhere belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Position in the output before which they are sent.
    pub at: usize,
    /// How many bytes; never 0.
    pub len: usize,
}

impl<'a> Records<'a> {
    /// No records, said as zero bytes.
    pub const EMPTY: Records<'static> = Records::Bytes(&[]);

    /// The bytes, where they are at hand.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Records::Bytes(bytes) => Some(bytes),
            Records::Null | Records::Elsewhere(_) => None,
        }
    }

    /// How many bytes they are.
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::Bytes(bytes) => bytes.len(),
            Records::Elsewhere(len) => *len,
        }
    }

    /// Whether they are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Field<'a> for Records<'a> {
    fn min_len(form: Form) -> usize {
        <&[u8]>::min_len(form)
    }

    fn take(from: &mut Decoder<'a>, field: &'static Spec) -> Result<Self, CodecError> {
        match from.long_len(field)? {
            None => Ok(Records::Null),
            Some(len) => from.bytes(field, len).map(Records::Bytes),
        }
    }

    fn put(&self, to: &mut Encoder<'_>, field: &'static Spec) -> Result<(), CodecError> {
        match self {
            Records::Null => to.long_len(field, None)?,
            Records::Bytes(bytes) => {
                to.long_len(field, Some(bytes.len()))?;
                to.out().put_slice(bytes);
            }
            Records::Elsewhere(len) => {
                to.long_len(field, Some(*len))?;
                if *len > 0 {
                    to.hole(*len);
                }
            }
        }
        Ok(())
    }
}
