//! What makes a message of a definition.
//!
//! A definition reads like Kafka's own, one line a field:
//!
//! ```text
//! message! {
//!     /// Asks for the records of partitions.
//!     pub struct FetchRequest<'a> {
//!         12+   cluster_id: Option<&'a str> [tag 0, ignorable];
//!         0-14  replica_id: i32 = -1;
//!         0+    max_wait_ms: i32;
//!         ...
//!     }
//! }
//! ```
//!
//! - `0+`, `0-14`: the versions that have the field. In others it reads as its default.
//! - `Option<..>`: it may be null; `[nullable 7+]` if in later versions only.
//! - `[tag 0]`: it is a tagged field, left out when it has its default. Tags stand in rising order.
//! - `[ignorable]`: a value that the version has no place for is dropped. Without it, that is an
//!   error unless the value is the default.
//! - `= -1`: the default; otherwise the type's own, which is none for an `Option`.
//!
//! The struct that comes of it holds every version's fields. Reading and writing asks for the
//! version at each field, so that there is one piece of code a message and not one a version.

use super::api::ApiKey;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::CodecError;
use super::field::Struct;
use super::records::Hole;
use super::spec::{Form, Spec};
use crate::wire::Reader;

/// The body of a request or of a response.
pub trait Message<'a>: Struct<'a> {
    /// The API it belongs to, which says what versions there are.
    const API: ApiKey;

    /// Reads the message in `version`; what follows it is left to the reader.
    ///
    /// # Errors
    /// An unknown version, or bytes that are no such message.
    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, CodecError> {
        Self::decode_counting(from, version).map(|(message, _)| message)
    }

    /// As [`Message::decode`], and tells how many bytes of memory its arrays take.
    ///
    /// # Errors
    /// As [`Message::decode`].
    fn decode_counting(from: &mut Reader<'a>, version: i16) -> Result<(Self, usize), CodecError> {
        let form = form::<Self>(from.at(), version)?;
        let mut decoder = Decoder::new(*from, Self::NAME, form);
        let message = decoder.structure()?;
        let array_bytes = decoder.array_bytes();
        *from = decoder.rest();
        Ok((message, array_bytes))
    }

    /// Appends the message in `version` to `out`, and the places of records from elsewhere to
    /// `holes`.
    ///
    /// # Errors
    /// An unknown version, or a value that the version can't say. What was written until then stays
    /// in `out` and `holes`.
    fn encode(
        &self,
        version: i16,
        out: &mut Vec<u8>,
        holes: &mut Vec<Hole>,
    ) -> Result<(), CodecError> {
        let form = form::<Self>(out.len(), version)?;
        Encoder::new(out, holes, Self::NAME, form).structure(self)
    }
}

/// The body of a request.
pub trait Request<'a>: Message<'a> {
    /// What answers it.
    type Response<'r>: Message<'r>;
}

/// The form of a message in `version`.
fn form<'a, M: Message<'a>>(at: usize, version: i16) -> Result<Form, CodecError> {
    static VERSION: Spec = Spec::new("message", "version", 0);
    if !M::API.versions().contains(&version) {
        let what = "the version is not supported";
        return Err(CodecError { message: M::NAME, version, field: &VERSION, at, what });
    }
    Ok(Form { version, flexible: M::API.is_flexible(version) })
}

/// Defines the structs of a message, as the [module](self) says.
macro_rules! message {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident $(<$life:lifetime>)? {$(
            $(#[$field_doc:meta])*
            $since:literal $(+)? $(- $until:literal)? $field:ident: $type:ty
            $([$($flag:ident $($number:literal $(+)?)?),*])?
            $(= $default:expr)?;
        )*}
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $(<$life>)? Default for $name $(<$life>)? {
            fn default() -> Self {
                $name { $($field: $crate::kafka::message::default_of!($($default)?),)* }
            }
        }

        impl $(<$life>)? $name $(<$life>)? {
            const FIELDS: [$crate::kafka::spec::Spec; [$(stringify!($field)),*].len()] = [$(
                $crate::kafka::spec::Spec::new(stringify!($name), stringify!($field), $since)
                    $(.until($until))? $($(.$flag($($number)?))*)?
            ),*];
        }

        impl<'a> $crate::kafka::field::Struct<'a> for $name $(<$life>)? {
            const NAME: &'static str = stringify!($name);

            fn fields_min_len(form: $crate::kafka::spec::Form) -> usize {
                let [$($field),*] = &Self::FIELDS;
                0 $(+ $field.min_len::<$type>(form))*
            }

            fn take_fields(
                &mut self,
                from: &mut $crate::kafka::decoder::Decoder<'a>,
                part: $crate::kafka::spec::Part,
            ) -> Result<bool, $crate::kafka::error::CodecError> {
                let [$($field),*] = &Self::FIELDS;
                let mut any = false;
                $(any |= from.field(part, $field, &mut self.$field)?;)*
                Ok(any)
            }

            fn put_fields(
                &self,
                to: &mut $crate::kafka::encoder::Encoder<'_>,
                part: $crate::kafka::spec::Part,
            ) -> Result<u8, $crate::kafka::error::CodecError> {
                let [$($field),*] = &Self::FIELDS;
                let default = Self::default();
                let mut tags = 0;
                $(tags += to.field(part, $field, &self.$field, &default.$field)?;)*
                Ok(tags)
            }
        }
    )*};
}

/// Says which messages an API has.
macro_rules! api {
    ($api:ident: $request:ident $(<$q:lifetime>)? => $response:ident $(<$r:lifetime>)?;) => {
        impl<'a> $crate::kafka::message::Message<'a> for $request $(<$q>)? {
            const API: $crate::kafka::api::ApiKey = $crate::kafka::api::ApiKey::$api;
        }

        impl<'a> $crate::kafka::message::Request<'a> for $request $(<$q>)? {
            type Response<'r> = $response $(<$r>)?;
        }

        impl<'r> $crate::kafka::message::Message<'r> for $response $(<$r>)? {
            const API: $crate::kafka::api::ApiKey = $crate::kafka::api::ApiKey::$api;
        }
    };
}

/// The default that a definition gives, or the type's own.
macro_rules! default_of {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

pub(crate) use {api, default_of, message};
