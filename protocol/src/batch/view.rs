//! Whole batches, borrowed where they lie and checked.

use std::borrow::Cow;

use super::compression::{self, Codec};
use super::error::BatchError;
use super::header::BatchHeader;
use super::layout;
use super::records::{MAX_DECOMPRESSED_BYTES, Records};

/// One whole batch whose header makes sense.
#[derive(Clone, Copy, Debug)]
pub struct BatchView<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The batch that `bytes` start with: magic, length, counts and CRC are right. More bytes may
    /// follow it: see [`BatchView::rest`].
    ///
    /// # Errors
    /// [`BatchError::Truncated`] if the batch goes on beyond `bytes`, otherwise what is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let view = BatchView::parse_unhashed(bytes)?;
        view.check_crc()?;
        Ok(view)
    }

    /// Hashes the batch and compares with what its header says.
    ///
    /// # Errors
    /// [`BatchError::Crc`].
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) =
            (self.header.crc, crc32c::crc32c(&self.bytes[layout::ATTRIBUTES..]));
        if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
    }

    /// Like [`BatchView::parse`] but for the CRC, for bytes that have been checked before.
    ///
    /// # Errors
    /// As for [`BatchView::parse`], except [`BatchError::Crc`].
    pub fn parse_unhashed(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let (needed, have) = (header.size_in_bytes(), bytes.len());
        let bytes = bytes.get(..needed).ok_or(BatchError::Truncated { needed, have })?;
        Ok(BatchView { header, bytes })
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Exactly the batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the batch in the bytes it was parsed from.
    pub fn rest(&self, parsed_from: &'a [u8]) -> &'a [u8] {
        parsed_from.get(self.bytes.len()..).unwrap_or_default()
    }

    /// The records' bytes as they are, compressed or not.
    pub fn record_bytes(&self) -> &'a [u8] {
        &self.bytes[layout::HEADER_LEN..]
    }

    /// The records, decompressed to at most [`MAX_DECOMPRESSED_BYTES`].
    ///
    /// # Errors
    /// If the codec is unknown, or the bytes do not decompress.
    pub fn records(&self) -> Result<Records<'a>, BatchError> {
        self.records_within(MAX_DECOMPRESSED_BYTES)
    }

    /// The records, decompressed to at most `max_bytes`.
    ///
    /// # Errors
    /// If the codec is unknown, or the bytes do not decompress, or to more.
    pub fn records_within(&self, max_bytes: usize) -> Result<Records<'a>, BatchError> {
        let bytes = match self.header.attributes.codec()? {
            // Kafka never compresses nothing: an emptied batch keeps its codec.
            Codec::None => Cow::Borrowed(self.record_bytes()),
            _ if self.record_bytes().is_empty() => Cow::Borrowed(self.record_bytes()),
            codec => Cow::Owned(compression::decompress(codec, self.record_bytes(), max_bytes)?),
        };
        Ok(Records::new(self.header, bytes))
    }
}

/// Walks over the batches that stand one after another in `bytes`, each with its position. An
/// error ends the walk; bytes too few for a batch at the end are such an error.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { bytes, position: 0, failed: false }
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Iterator for Batches<'a> {
    type Item = (usize, Result<BatchView<'a>, BatchError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.position == self.bytes.len() {
            return None;
        }
        let position = self.position;
        let view = BatchView::parse(&self.bytes[position..]);
        match &view {
            Ok(view) => self.position += view.bytes().len(),
            Err(_) => self.failed = true,
        }
        Some((position, view))
    }
}
