//! What stands before the body of a request and of a response.
//!
//! ```text
//! request    i16 api key | i16 version | i32 correlation id | client id | tagged fields
//!            client id: i16 length and bytes, -1 for null    └ v2 only
//! response   i32 correlation id | tagged fields
//!                               └ v1 only
//! ```
//!
//! Which header it is follows from API and version: see [`ApiKey::has_tagged_request_header`]. The
//! client id has the old form of a string even before a flexible body.

use super::api::ApiKey;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::error::CodecError;
use super::field::Struct;
use super::message::message;
use super::spec::Form;
use crate::wire::{BufMut, Reader};

/// Both headers' fields have the old form; where tagged ones follow, this reads and writes those.
const PLAIN: Form = Form { version: 0, flexible: false };

message! {
    /// What stands before the body of a request.
    pub struct RequestHeader<'a> {
        /// The API's number, perhaps of one that is not known.
        0+  api_key: i16;
        /// The version of the body, perhaps one that is not supported.
        0+  api_version: i16;
        /// What the response will carry too.
        0+  correlation_id: i32;
        /// How the client calls itself.
        0+  client_id: Option<&'a str>;
    }

    /// What stands before the body of a response.
    pub struct ResponseHeader {
        /// That of the request.
        0+  correlation_id: i32;
    }
}

impl<'a> RequestHeader<'a> {
    /// Reads a header; the reader is left at the body.
    ///
    /// # Errors
    /// Bytes that are no header.
    pub fn decode(from: &mut Reader<'a>) -> Result<Self, CodecError> {
        let mut decoder = Decoder::new(*from, Self::NAME, PLAIN);
        let header: Self = decoder.structure()?;
        if header.is_tagged() {
            decoder.skip_tags()?;
        }
        *from = decoder.rest();
        Ok(header)
    }

    /// Appends the header to `out`.
    ///
    /// # Errors
    /// A client id that is too long.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Encoder::new(out, &mut Vec::new(), Self::NAME, PLAIN).structure(self)?;
        if self.is_tagged() {
            out.put_u8(0);
        }
        Ok(())
    }

    /// The API, if it is known and the version is supported.
    pub fn supported_api(&self) -> Option<ApiKey> {
        ApiKey::from_number(self.api_key).filter(|api| api.versions().contains(&self.api_version))
    }

    fn is_tagged(&self) -> bool {
        ApiKey::from_number(self.api_key)
            .is_some_and(|api| api.has_tagged_request_header(self.api_version))
    }
}

impl ResponseHeader {
    /// Reads the header of a response to `api` in `version`; the reader is left at the body.
    ///
    /// # Errors
    /// Bytes that are no header.
    pub fn decode(
        from: &mut Reader<'_>,
        api: ApiKey,
        version: i16,
    ) -> Result<ResponseHeader, CodecError> {
        let mut decoder = Decoder::new(*from, Self::NAME, PLAIN);
        let header = decoder.structure()?;
        if api.has_tagged_response_header(version) {
            decoder.skip_tags()?;
        }
        *from = decoder.rest();
        Ok(header)
    }

    /// Appends the header of a response to `api` in `version` to `out`.
    pub fn encode(&self, api: ApiKey, version: i16, out: &mut Vec<u8>) {
        out.put_i32(self.correlation_id);
        if api.has_tagged_response_header(version) {
            out.put_u8(0);
        }
    }
}
